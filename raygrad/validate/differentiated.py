"""The faults of what is differentiated: the loss, the targets and the last layer."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from raygrad import models
from raygrad.errors import Fault, ImportPathError
from raygrad.imports import load
from raygrad.losses import LOSSES


def loss_faults(sections: Mapping[str, Any]) -> Iterator[Fault]:
    """A loss of one's own that isn't there, arguments that it doesn't take, a label that lacks."""
    loss = sections.get("loss")
    if loss is None:
        return
    if loss.takes_labels and sections.get("label") is None:
        message = f'got "{loss.name}", which needs the true classes; set label to their column'
        yield Fault("loss", message)
    function: Any = None
    try:
        function = LOSSES[loss.name].function if loss.name in LOSSES else load(loss.name)
    except ImportPathError as error:
        yield Fault("loss", str(error))
        return
    if not callable(function):
        found = type(function).__name__
        yield Fault("loss", f"{loss.name} is a {found}; use a function from logits (N, C) to (N,)")
        return
    places = [None] * (2 if loss.takes_labels else 1)
    try:
        inspect.signature(function).bind(*places, **loss.arguments)
    except TypeError as error:
        yield Fault("loss.arguments", f"{error}; the loss is {loss.name}{_arguments(function)}")
    except ValueError:  # it has no signature that could be known; calling it will tell
        return


def _arguments(function: Callable[..., Any]) -> str:
    """What a function takes, without the types."""
    signature = inspect.signature(function)
    plain = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


def model_faults(model: torch.nn.Module, sections: Mapping[str, Any]) -> Iterator[Fault]:
    """Targets and a last layer that don't fit the model."""
    yield from target_faults(model, sections.get("metrics", {}))
    yield from last_layer_faults(model, sections.get("last_layer"))


def last_layer_faults(model: torch.nn.Module, name: str | None) -> Iterator[Fault]:
    """A last layer that isn't there, or isn't linear."""
    if name is None:
        return
    layers = [n for n, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    if name in layers:
        return
    cure = f"use {layers[-1]}, if it gives the logits" if layers else "leave last_layer out"
    try:
        found = type(models.targets(model, name)).__name__
    except LookupError:
        yield Fault("last_layer", f'the model has no "{name}"; {cure}')
        return
    yield Fault("last_layer", f"{name} is a {found}, not a torch.nn.Linear; {cure}")


def target_faults(model: torch.nn.Module, metrics: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    """Targets that the model doesn't have."""
    for name in metrics:
        try:
            target = models.targets(model, name)
        except LookupError as error:
            yield Fault(f"metrics.{name}", str(error.args[0]))
            continue
        parameters = list(target.parameters()) if isinstance(target, torch.nn.Module) else [target]
        if not parameters:
            yield Fault(f"metrics.{name}", f"{type(target).__name__} has no parameters")
        if not all(parameter.is_floating_point() for parameter in parameters):
            yield Fault(f"metrics.{name}", "whole-number parameters have no gradient; leave it out")
