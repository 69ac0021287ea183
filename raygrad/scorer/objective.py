"""What a job differentiates: the spec's loss at its temperature, or several with weights."""

from typing import NamedTuple

from torch import Tensor

from raygrad.errors import LabelError
from raygrad.imports import load
from raygrad.losses import LOSSES, Loss
from raygrad.spec import LossSpec


class Term(NamedTuple):
    """One loss a sample.

    Attributes:
        loss: Shape (N,).
        weight: What its metrics are multiplied with, shape (N,); None stands for ones.
    """

    loss: Tensor
    weight: Tensor | None = None

    def weigh(self, metrics: Tensor) -> Tensor:
        """The metrics of the loss, shape (N, dim), times the weight."""
        return metrics if self.weight is None else metrics * self.weight[:, None]


class Objective:
    """The spec's loss.

    Args:
        spec: Its section.

    Raises:
        ImportPathError: If it is the user's own, and isn't there.
    """

    def __init__(self, spec: LossSpec) -> None:
        self._spec = spec
        # Of the user's own loss nothing is known but what it is called with.
        self._loss = LOSSES.get(spec.name) or Loss(load(spec.name), spec.name, large=None)

    def terms(self, logits: Tensor, labels: Tensor | None = None) -> list[Term]:
        """The losses of a batch, one but for expectations over labels.

        Args:
            logits: Shape (N, C).
            labels: Shape (N,), int64, at least 0; where the loss needs them.

        Raises:
            LabelError: If a label is beyond the model's classes.
            TypeError: If the user's own loss returns something else than one loss a sample.
        """
        if self._spec.temperature != 1:
            logits = logits / self._spec.temperature
        arguments = [logits]
        if self._loss.takes_labels:
            assert labels is not None, "the spec was checked to name a label"
            _require_classes(labels, logits.shape[1])
            arguments.append(labels)
        found = self._loss.function(*arguments, **self._spec.arguments)
        if self._loss.over_labels:
            return [Term(loss, weight) for weight, loss in found]
        if not isinstance(found, Tensor) or found.shape != logits.shape[:1]:
            shape = f" of shape {tuple(found.shape)}" if isinstance(found, Tensor) else ""
            raise TypeError(
                f"{self._spec.name} returned a {type(found).__name__}{shape} for "
                f"{len(logits)} samples; return a tensor with one loss a sample, shape (N,)"
            )
        return [Term(found)]


def _require_classes(labels: Tensor, classes: int) -> None:
    beyond = labels[labels >= classes]
    if len(beyond):
        raise LabelError(
            f"the label is {int(beyond[0])}; the model has {classes} classes, 0 to {classes - 1}"
        )
