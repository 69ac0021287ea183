"""Classification networks of torchvision, as ``torchvision:resnet50``."""

from typing import Any

from raygrad.factories.made import Made, unknown

PACKAGE = "torchvision"


def make(name: str, *, pretrained: bool = False, **arguments: Any) -> Made:
    """Calls ``torchvision.models.get_model``.

    Args:
        name: One of ``torchvision.models.list_models(torchvision.models)``.
        pretrained: Downloads torchvision's default weights; ``weights`` names others.
        arguments: As ``num_classes: 10``.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise unknown(PACKAGE, name, known)
    weights = arguments.pop("weights", "DEFAULT" if pretrained else None)
    return Made(models.get_model(name, weights=weights, **arguments), weights is not None)
