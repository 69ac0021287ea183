"""Weights by path or URI: a state dict saved by torch, or safetensors."""

import pickle
import re
from collections.abc import Mapping
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from raygrad.errors import CheckpointError, StorageError
from raygrad.imports import described
from raygrad.storage import on_this_node


def load(model: nn.Module, uri: str, *, key: str | None = None, allow_pickle: bool = False) -> None:
    """Loads a checkpoint into a model, in place.

    A prefix that all names share, as those of DataParallel and Lightning, is left out where the
    rest are the model's names.

    Args:
        model: Takes the weights; all of its names must be there, and no others.
        uri: A file that ends in ``.safetensors``, or one that ``torch.save`` wrote.
        key: Where a training checkpoint holds the state dict, as ``state_dict`` or ``ema.model``.
        allow_pickle: Lets the file run code, which is how pickles of whole models are read.

    Raises:
        CheckpointError: If there is no such file, it is no checkpoint, or doesn't fit.
        StorageError: If the store can't be reached, or refuses.
    """
    state = _state_dict(_read(uri, allow_pickle), uri, key)
    try:
        model.load_state_dict(_without_prefix(state, model))
    except Exception as error:
        lines = str(error).splitlines()
        reasons = " ".join(line.strip() for line in lines[1:] or lines)
        raise CheckpointError(f"{uri} doesn't fit the model: {reasons}") from error


def _read(uri: str, allow_pickle: bool) -> Any:
    try:
        with open(on_this_node(uri), "rb") as stream:
            if uri.endswith(".safetensors"):
                return safetensors.torch.load(stream.read())
            return torch.load(stream, map_location="cpu", weights_only=not allow_pickle)
    except FileNotFoundError as error:
        raise CheckpointError(f"{uri} doesn't exist") from error
    except StorageError:
        raise
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{uri} is no safetensors file: {described(error)}") from error
    except Exception as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and found and not allow_pickle:
            raise CheckpointError(
                f"{uri} is a pickle that wants to run code ({found[1]}), and was not loaded; save "
                "model.state_dict() or safetensors instead, or, if you trust whoever made the "
                "file, set model.allow_pickle: true"
            ) from error
        how = "" if allow_pickle else " that loads with weights_only"
        raise CheckpointError(f"{uri} is no state dict{how}: {described(error)}") from error


def _state_dict(found: Any, uri: str, key: str | None) -> Mapping[str, Any]:
    for part in key.split(".") if key else ():
        if not isinstance(found, Mapping) or part not in found:
            has = _names(found) if isinstance(found, Mapping) else f"a {type(found).__name__}"
            raise CheckpointError(f'{uri} has no "{key}"; where "{part}" is sought, it holds {has}')
        found = found[part]
    if isinstance(found, nn.Module):
        return found.state_dict()
    if not isinstance(found, Mapping):
        raise CheckpointError(f"{uri} holds a {type(found).__name__}; save model.state_dict()")
    inner = [str(name) for name, value in found.items() if isinstance(value, Mapping | nn.Module)]
    if inner:
        path = ".".join(filter(None, [key, inner[0]]))
        raise CheckpointError(
            f"{uri} holds {_names(found)}; set model.checkpoint_key to where the state dict is, "
            f"such as {path}"
        )
    return found


def _names(found: Mapping[Any, Any], most: int = 8) -> str:
    names = [str(name) for name in found]
    return ", ".join(names[:most]) + (f", ... ({len(names)} names)" if len(names) > most else "")


def _without_prefix(state: Mapping[str, Any], model: nn.Module) -> Mapping[str, Any]:
    prefix = str(next(iter(state), "")).partition(".")[0] + "."
    wanted = set(model.state_dict())
    if {prefix + name for name in wanted} != set(state):
        return state
    return {name: state[prefix + name] for name in wanted}
