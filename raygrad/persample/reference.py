"""Per-sample gradients by one backward a sample: slow, right on every model, the oracle."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from raygrad.persample.gradient import PerSampleGradient, widened


def per_sample_gradients(
    loss: Tensor, targets: Sequence[Tensor], *, retain_graph: bool = False
) -> Iterator[list[Tensor | None]]:
    """Differentiates one sample's loss after the other with respect to all targets.

    Costs a backward over the whole batch for every sample: N times a training step.

    Args:
        loss: One loss a sample, shape (N,), attached to its graph.
        targets: Tensors that require grad.
        retain_graph: Whether the graph survives the last sample.

    Yields:
        For each sample one gradient a target, in the target's shape and dtype; None where no path
        leads from the loss to the target.
    """
    if not targets:
        yield from ([] for _ in range(len(loss)))
        return
    for sample in range(len(loss)):
        last = sample == len(loss) - 1
        yield _of_one(loss, targets, sample, 1.0, retain_graph or not last)


def _of_one(
    loss: Tensor, targets: Sequence[Tensor], sample: int, weight: float | Tensor, retain: bool
) -> list[Tensor | None]:
    selector = torch.zeros_like(loss)
    selector[sample] = weight
    return list(
        torch.autograd.grad(
            loss, targets, grad_outputs=selector, retain_graph=retain, allow_unused=True
        )
    )


class Backwards:
    """Backwards of single samples, shared by all targets that need them.

    Args:
        loss: Shape (N,).
        targets: The tensors to differentiate with respect to.
        weights: What each sample's loss is multiplied by, shape (N,).
    """

    def __init__(self, loss: Tensor, targets: Sequence[Tensor], weights: Tensor) -> None:
        self.loss = loss
        self.targets = list(targets)
        self.weights = weights
        self._range: tuple[int, int] | None = None
        self._stacked: list[Tensor] = []

    def chunk(self, lo: int, hi: int) -> list[Tensor]:
        """Gradients of samples lo to hi, one tensor (hi - lo, *shape) a target."""
        if self._range != (lo, hi):
            rows = [
                _of_one(self.loss, self.targets, sample, self.weights[sample], True)
                for sample in range(lo, hi)
            ]
            self._stacked = [
                torch.stack([torch.zeros_like(target) if own is None else own for own in gradients])
                for target, gradients in zip(self.targets, zip(*rows, strict=True), strict=True)
            ]
            self._range = (lo, hi)
        return self._stacked


class Reference(PerSampleGradient):
    """One target's gradients, by backwards of single samples."""

    how = "reference"

    def __init__(self, backwards: Backwards, index: int) -> None:
        self.backwards = backwards
        self.index = index
        self.samples = len(backwards.loss)
        self.shape = tuple(backwards.targets[index].shape)

    def held(self) -> list[Tensor]:
        """The chunk at hand."""
        return [widened(stacked) for stacked in self.backwards._stacked]

    def dense(self, lo: int, hi: int) -> Tensor:
        """Runs the backwards, unless another target just did."""
        return widened(self.backwards.chunk(lo, hi)[self.index])
