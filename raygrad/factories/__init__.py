"""Networks of model libraries by name, such as ``torchvision:resnet50``: one file a library."""

import importlib
from collections.abc import Mapping
from typing import Any

from raygrad.errors import ImportPathError
from raygrad.factories import huggingface, timm, torchvision
from raygrad.factories.made import Factory, Made
from raygrad.imports import described

__all__ = ["FACTORIES", "Made", "library", "make"]

FACTORIES: dict[str, Factory] = {
    "torchvision": torchvision,
    "timm": timm,
    "huggingface": huggingface,
}
"""What stands before the colon of ``model.factory``, and the module that makes the network."""


def library(factory: str) -> str | None:
    """The library that a spec's factory names, or None where it is an import path."""
    prefix = factory.partition(":")[0]
    return prefix if prefix in FACTORIES else None


def make(factory: str, arguments: Mapping[str, Any]) -> Made:
    """Makes a network by name.

    Args:
        factory: As ``timm:vit_tiny_patch16_224``.
        arguments: Keyword arguments of the library's own function, and ``pretrained``: whether
            trained weights are fetched. By default nothing is downloaded.

    Raises:
        ImportPathError: If the library isn't installed, or has no such network.
        Exception: Whatever the library raises of the arguments.
    """
    prefix, _, name = factory.partition(":")
    module = FACTORIES[prefix]
    try:
        importlib.import_module(module.PACKAGE)
    except ModuleNotFoundError as error:
        missing = error.name or module.PACKAGE
        raise ImportPathError(
            f"{prefix}: needs the package {missing}, which isn't installed; pip install {missing}"
        ) from error
    except Exception as error:
        raise ImportPathError(
            f"{module.PACKAGE} can't be imported, {described(error)}; install the version that "
            "belongs to this torch"
        ) from error
    return module.make(name, **arguments)
