"""Classifiers of Hugging Face transformers by folder or id, as ``huggingface:models/topics``."""

import os
from typing import Any

from torch import nn

from raygrad.errors import ImportPathError
from raygrad.factories.made import Made
from raygrad.imports import described

PACKAGE = "transformers"

WEIGHTS = (".safetensors", ".bin")


def folder_of(factory: str) -> str | None:
    """The folder that a spec's ``huggingface:NAME`` means; None for an id, or another factory."""
    kind, _, name = factory.partition(":")
    return name if kind == "huggingface" and os.path.isdir(name) else None


def make(
    name: str, *, pretrained: bool | None = None, architecture: str | None = None, **arguments: Any
) -> Made:
    """Makes the network that a configuration describes.

    Args:
        name: A folder with a ``config.json``, as ``save_pretrained`` writes it, or a model's id.
            Nothing is downloaded for a folder; for an id, its configuration is.
        pretrained: Loads the weights, too. By default those that a folder holds are loaded, and
            none are downloaded for an id.
        architecture: Class of transformers, as ``BertForSequenceClassification``; by default the
            one that the configuration names.
        arguments: What the configuration says otherwise, as ``num_labels`` or
            ``attn_implementation``, and which ``revision`` is meant.

    Raises:
        ImportPathError: If there is no such folder or id, or no such class.
    """
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()  # one an actor would drown the job's own
    arguments.setdefault("trust_remote_code", False)  # else a terminal would be asked
    local = os.path.isdir(name)
    if pretrained is None:
        pretrained = local and any(file.endswith(WEIGHTS) for file in os.listdir(name))
    try:
        config = transformers.AutoConfig.from_pretrained(name, local_files_only=local, **arguments)
    except OSError as error:
        if local:
            raise
        raise ImportPathError(
            f"{os.path.abspath(name)} is no folder, and the configuration of a model of the id "
            f"{name} can't be had; {described(error)}"
        ) from error
    network = _network(
        transformers, name, architecture or next(iter(config.architectures or ()), None)
    )
    if not pretrained:
        return Made(network(config), False)
    revision = {"revision": arguments["revision"]} if "revision" in arguments else {}
    model = network.from_pretrained(
        name, config=config, local_files_only=local, dtype=torch.float32, **revision
    )
    return Made(model, True)


def _network(transformers: Any, name: str, architecture: str | None) -> Any:
    if architecture is None:
        raise ImportPathError(
            f"the configuration of {name} names no architecture; set one, such as "
            "arguments: {architecture: BertForSequenceClassification}"
        )
    network = getattr(transformers, architecture, None)
    if not (isinstance(network, type) and issubclass(network, nn.Module)):
        raise ImportPathError(
            f'transformers has no network "{architecture}"; use a class such as '
            "BertForSequenceClassification, or a module:function of your own"
        )
    return network
