"""Gradients that are zero almost everywhere: rows of tables, one sample's slice of a batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from raygrad.persample.gradient import PerSampleGradient, Workspace, concatenated, widened
from raygrad.persample.graph import Shape
from raygrad.persample.reduction import of_rows
from raygrad.persample.statistics import Statistics, Wanted


class Rows(PerSampleGradient):
    """Few rows of a large table: gradients of embeddings. Untouched rows are zeros, and count.

    Args:
        ids: Which row each position adds to, shape (N, T), int64; -1 adds nowhere.
        values: What it adds, shape (N, T, D).
        rows: How many rows the table has.
        shape: The table's shape, where that is not (rows, D).
    """

    how = "touched rows"

    def __init__(self, ids: Tensor, values: Tensor, rows: int, shape: Shape | None = None) -> None:
        self.samples = ids.shape[0]
        self.table = (rows, values.shape[-1])
        self.shape = shape or self.table
        self.ids = ids
        self.values = widened(values)

    def held(self) -> list[Tensor]:
        """The ids and what is added."""
        return [self.ids, self.values]

    def dense(self, lo: int, hi: int) -> Tensor:
        """Adds every position to its row."""
        rows, width = self.table
        samples, positions = (self.ids[lo:hi] >= 0).nonzero(as_tuple=True)
        target = samples * rows + self.ids[lo:hi][samples, positions]
        table = self.values.new_zeros(((hi - lo) * rows, width))
        table.index_add_(0, target, self.values[lo:hi][samples, positions])
        return table.view(hi - lo, *self.shape)

    def statistics(self, wanted: Wanted, workspace: Workspace) -> Statistics:
        """Sums positions by (sample, row), in order, and pads samples to equally many rows."""
        length = self.ids.shape[1]
        width = self.table[1]
        parts = []
        for lo, hi in workspace.chunks(self.samples, length * width):
            ids, order = self.ids[lo:hi].sort(dim=1, stable=True)
            values = self.values[lo:hi].gather(1, order[:, :, None].expand(-1, -1, width))
            values = values.masked_fill((ids < 0)[:, :, None], 0)
            new = torch.ones_like(ids, dtype=torch.bool)
            new[:, 1:] = ids[:, 1:] != ids[:, :-1]
            rank = new.cumsum(1) - 1
            summed = torch.zeros_like(values)
            summed.scatter_add_(1, rank[:, :, None].expand(-1, -1, width), values)
            # there are at most as many ranks as rows, and one for ids < 0, whose values are zeros
            rows = summed[:, : self.table[0] + 1]
            parts.append(_with_zeros(rows.flatten(1), self.entries, wanted, workspace))
        return concatenated(parts)


class OwnSlice(PerSampleGradient):
    """The gradient of an activation of the whole batch: zero but for the sample's own slice.

    Only the number of zeros is kept, so materialised gradients are flat, own slice first.

    Args:
        own: Shape (N, ...), N of them make up the activation.
        shape: The activation's shape.
    """

    def __init__(self, own: Tensor, shape: Sequence[int]) -> None:
        self.own = widened(own)
        self.samples = own.shape[0]
        self.shape = tuple(shape)

    def held(self) -> list[Tensor]:
        """The slices."""
        return [self.own]

    def dense(self, lo: int, hi: int) -> Tensor:
        """The slice and then the zeros, shape (n, entries)."""
        own = self.own[lo:hi].flatten(1)
        return torch.nn.functional.pad(own, (0, self.entries - own.shape[1]))

    def statistics(self, wanted: Wanted, workspace: Workspace) -> Statistics:
        """Of the slice and as many zeros as the other samples have entries."""
        return _with_zeros(self.own.flatten(1), self.entries, wanted, workspace)


def _with_zeros(rows: Tensor, entries: int, wanted: Wanted, workspace: Workspace) -> Statistics:
    """The statistics of rows of which some entries are padding, in ``entries`` of which most are 0.

    Args:
        rows: Shape (n, K), all entries beyond the true ones zero.
        entries: The true count, zeros included.
        wanted: What to compute.
        workspace: Buffers.
    """
    found = of_rows(rows, wanted._replace(spread=False, total=True), workspace.scratch)
    assert found.total is not None
    low, high, spread = found.low, found.high, None
    missing = entries - rows.shape[1]
    if missing > 0:
        low = None if low is None else low.clamp(max=0)
        high = None if high is None else high.clamp(min=0)
    if wanted.spread:
        mean = found.total / entries
        spread = (rows - mean[:, None]).square().sum(1) + missing * mean.square()
    total = found.total if wanted.total or wanted.spread else None
    return Statistics(entries, low, high, total, spread, found.norms)
