"""Lazy per-sample gradients: what a rule returns, reduced or materialised a few samples at a time.

Axis letters, everywhere in the engine: N samples, T positions of a sample, G groups, O outputs,
I inputs, C channels.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from raygrad.persample.graph import Shape
from raygrad.persample.reduction import Scratch, of_rows
from raygrad.persample.statistics import Statistics, Wanted, of_zeros

TOGETHER = 8
"""Samples in a tile of large gradients, so that each thread has products of its own.

Threads that share one product wait for each other: at times it took 930 us in place of 320, and
480 on one thread, and ResNet-18's batches of 16 samples 630 ms in place of 430.
"""


class Workspace(NamedTuple):
    """What a reduction may use. ``tile`` is how many entries one tile may hold."""

    scratch: Scratch
    tile: int = 2**20

    def chunks(self, samples: int, entries: int, part: int | None = None) -> list[tuple[int, int]]:
        """Ranges of samples, each of which fits a tile.

        Args:
            samples: How many there are.
            entries: Of one sample's gradient.
            part: Entries of the smallest part of it that can be had alone; then ranges are
                ``TOGETHER`` samples long where so many parts fit, and the caller makes the tiles.
        """
        step = max(1, self.tile // max(entries, 1))
        if part is not None:
            step = max(step, min(TOGETHER, self.tile // max(part, 1)))
        return [(lo, min(lo + step, samples)) for lo in range(0, samples, step)]


class PerSampleGradient:
    """The gradients of N samples with respect to one tensor.

    Attributes:
        samples: N.
        shape: The tensor's shape.
        how: "closed form" or "tiles", for ``explain``.
    """

    samples: int
    shape: Shape
    how: str = "closed form"

    @property
    def entries(self) -> int:
        """Entries of one sample's gradient."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    def held(self) -> list[Tensor]:
        """The tensors that it keeps alive."""
        raise NotImplementedError

    def dense(self, lo: int, hi: int) -> Tensor:
        """The gradients of samples lo to hi, shape (hi - lo, *shape), at least float32."""
        raise NotImplementedError

    def statistics(self, wanted: Wanted, workspace: Workspace) -> Statistics:
        """Reduces every sample's gradient; by default tile by tile."""
        parts = []
        for lo, hi in workspace.chunks(self.samples, self.entries):
            rows = self.dense(lo, hi).reshape(hi - lo, -1)
            parts.append(of_rows(rows, wanted, workspace.scratch))
        return concatenated(parts)


def concatenated(parts: list[Statistics]) -> Statistics:
    """Joins the statistics of consecutive ranges of samples."""
    if len(parts) == 1:
        return parts[0]

    def joined(values: list[Tensor | None]) -> Tensor | None:
        present = [value for value in values if value is not None]
        return torch.cat(present) if present else None

    return Statistics(
        parts[0].size,
        joined([part.low for part in parts]),
        joined([part.high for part in parts]),
        joined([part.total for part in parts]),
        joined([part.spread for part in parts]),
        {p: torch.cat([part.norms[p] for part in parts]) for p in parts[0].norms},
    )


def widened(tensor: Tensor) -> Tensor:
    """The tensor in at least float32, in which all statistics are kept."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


class Dense(PerSampleGradient):
    """Gradients that are small enough to be there as they are: biases, norms.

    Args:
        values: Shape (N, *shape).
    """

    def __init__(self, values: Tensor) -> None:
        self.values = widened(values)
        self.samples = values.shape[0]
        self.shape = tuple(values.shape[1:])

    def held(self) -> list[Tensor]:
        """The values."""
        return [self.values]

    def dense(self, lo: int, hi: int) -> Tensor:
        """A view of the values."""
        return self.values[lo:hi]


class Zeros(PerSampleGradient):
    """A tensor that the loss doesn't reach: all gradients are zero, and count.

    Args:
        like: Shape (N,), for dtype and device.
        shape: The tensor's shape.
    """

    how = "unreached"

    def __init__(self, like: Tensor, shape: Shape) -> None:
        self.samples = len(like)
        self.shape = shape
        self.like = like

    def held(self) -> list[Tensor]:
        """Nothing to speak of."""
        return []

    def dense(self, lo: int, hi: int) -> Tensor:
        """Zeros."""
        return self.like.new_zeros((hi - lo, *self.shape))

    def statistics(self, wanted: Wanted, workspace: Workspace) -> Statistics:
        """No entry differs from zero."""
        return of_zeros(self.entries, wanted, self.like)
