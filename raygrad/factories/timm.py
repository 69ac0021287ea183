"""Networks of timm, as ``timm:vit_tiny_patch16_224``."""

from typing import Any

from raygrad.factories.made import Made, unknown

PACKAGE = "timm"


def make(name: str, *, pretrained: bool = False, **arguments: Any) -> Made:
    """Calls ``timm.create_model``.

    Args:
        name: One of ``timm.list_models()``, with a tag of weights or without.
        pretrained: Downloads timm's weights.
        arguments: As ``num_classes: 10``.
    """
    import timm

    # hf-hub:, local-dir: and the like are timm's own ways to networks that no list has.
    if ":" not in name and not timm.is_model(name):
        raise unknown(PACKAGE, name, timm.list_models())
    return Made(timm.create_model(name, pretrained=pretrained, **arguments), pretrained)
