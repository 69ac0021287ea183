"""From a spec's model section to a module in eval mode, and the module's fingerprint."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from raygrad import checkpoints, factories
from raygrad.errors import CheckpointError, Fault, ImportPathError, SpecError, StorageError
from raygrad.imports import described, load
from raygrad.spec import ModelSpec


def build(spec: ModelSpec) -> nn.Module:
    """Calls the factory, loads the checkpoint, switches to eval mode and freezes all parameters.

    Args:
        spec: The model's section; its factory is a library's network by name, see
            :mod:`raygrad.factories`, or an import path, sought in the working directory, too.

    Raises:
        SpecError: If the factory can't be imported or called, the checkpoint doesn't fit, or the
            network's weights would be random.
    """
    model, trained = _named(spec) if factories.library(spec.factory) else (_imported(spec), True)
    if spec.checkpoint is not None:
        _load(model, spec)
    elif not trained:
        message = f"is missing; {spec.factory} has random weights without it, or without arguments:"
        raise _fault("checkpoint", f"{message} {{pretrained: true}}, which fetches trained ones")
    return model.eval().requires_grad_(False)


def _named(spec: ModelSpec) -> factories.Made:
    try:
        return factories.make(spec.factory, spec.arguments)
    except ImportPathError as error:
        raise _fault("factory", str(error)) from error
    except Exception as error:
        raise _fault("arguments", f"{spec.factory} raised {described(error)}") from error


def _imported(spec: ModelSpec) -> nn.Module:
    try:
        factory = load(spec.factory)
    except ImportPathError as error:
        raise _fault("factory", str(error)) from error
    try:
        model = factory(**spec.arguments)
    except Exception as error:
        raise _fault("arguments", f"{spec.factory} raised {described(error)}") from error
    if not isinstance(model, nn.Module):
        found = type(model).__name__
        raise _fault("factory", f"{spec.factory} returned a {found}; return a torch.nn.Module")
    return model


def targets(model: nn.Module, name: str) -> nn.Module | nn.Parameter:
    """The module or parameter that a spec calls by its dotted name, or the whole model for all.

    Raises:
        LookupError: If there is none, with the names that there are.
    """
    if name == "all":
        return model
    modules: dict[str, nn.Module | nn.Parameter] = dict(model.named_modules(remove_duplicate=False))
    known = {**modules, **dict(model.named_parameters(remove_duplicate=False))}
    known.pop("", None)
    if name not in known:
        raise LookupError(f'the model has no "{name}"; use all, {", ".join(_first(known))}')
    return known[name]


def _first(known: Mapping[str, object], most: int = 12) -> list[str]:
    names = list(known)
    return names if len(names) <= most else [*names[:most], f"... ({len(names)} names)"]


def fingerprint(model: nn.Module) -> str:
    """SHA-256 of all parameters and buffers with their names, shapes and dtypes."""
    digest = hashlib.sha256()
    # Not state_dict(), which leaves out buffers that aren't persistent.
    for name, value in sorted([*model.named_parameters(), *model.named_buffers()]):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        content = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(content.numpy().data)
    return digest.hexdigest()


def logits(output: Any, where: int | str | None) -> Tensor:
    """Picks the logits out of a model's output.

    Args:
        output: What the model returned.
        where: None for the output itself, an index, or a key or attribute.

    Returns:
        Shape (N, C).

    Raises:
        TypeError: If that is no tensor of two axes.
    """
    if where is None:
        found = output
    elif isinstance(where, int) or isinstance(output, Mapping):
        found = output[where]
    else:
        found = getattr(output, where)
    if not isinstance(found, Tensor) or found.ndim != 2:
        shape = f" of shape {tuple(found.shape)}" if isinstance(found, Tensor) else ""
        raise TypeError(
            f"the model's output is a {type(found).__name__}{shape}; logits have shape (N, C): "
            "set model.logits to the index or attribute that holds them"
        )
    return found


def _load(model: nn.Module, spec: ModelSpec) -> None:
    assert spec.checkpoint is not None
    try:
        checkpoints.load(
            model, spec.checkpoint, key=spec.checkpoint_key, allow_pickle=spec.allow_pickle
        )
    except CheckpointError as error:
        raise _fault("checkpoint", str(error)) from error
    except StorageError as error:
        raise SpecError([Fault("storage", str(error))]) from error


def _fault(key: str, message: str) -> SpecError:
    return SpecError([Fault(f"model.{key}", message)])
