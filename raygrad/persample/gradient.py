"""Lazy per-sample gradients: what a rule returns, reduced or materialised a few samples at a time.

Axis letters, everywhere in the engine: N samples, T positions of a sample, G groups, O outputs,
I inputs, C channels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from raygrad.persample.graph import Shape
from raygrad.persample.reduction import CANCELLATION, Scratch, any_true, of_rows
from raygrad.persample.statistics import Statistics, Wanted, merge, of_zeros

PASS = 3  # what two passes over an entry cost, in multiply-adds of a Gram product
TRUSTED_GRAM = 0.05  # a Gram norm below this share of its diagonal has lost digits


class Workspace(NamedTuple):
    """What a reduction may use. ``tile`` is how many entries one tile may hold."""

    scratch: Scratch
    tile: int = 2**20

    def chunks(self, samples: int, entries: int) -> list[tuple[int, int]]:
        """Ranges of samples, each of which fits a tile."""
        step = max(1, self.tile // max(entries, 1))
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


class OuterSum(PerSampleGradient):
    """The sum over positions of outer products: gradients of linear layers and einsums.

    Entry (o, i) of group g is the sum over t of b[t, o] a[t, i]. With one position and one group
    every statistic is a product of those of b and a.

    Args:
        b: Output gradient, shape (N, G, T, O).
        a: Activation, shape (N, G, T, I).
        shape: The tensor's shape, G x O x I entries.
        order: Where G, O and I stand in the tensor, as a permutation of (0, 1, 2).
    """

    def __init__(
        self, b: Tensor, a: Tensor, shape: Shape, order: tuple[int, int, int] = (0, 1, 2)
    ) -> None:
        dtype = torch.promote_types(b.dtype, a.dtype)
        self.b, self.a = widened(b.to(dtype)), widened(a.to(dtype))
        self.samples = b.shape[0]
        self.shape = shape
        self.order = order
        self.one = b.shape[1] == 1 and b.shape[2] == 1
        self.how = "closed form" if self.one else "tiles"

    def held(self) -> list[Tensor]:
        """Output gradient and activation."""
        return [self.b, self.a]

    def dense(self, lo: int, hi: int) -> Tensor:
        """One batched matrix product."""
        product = self._product(self.b[lo:hi], self.a[lo:hi], None)
        order = [0, *(axis + 1 for axis in self.order)]
        return product.permute(order).reshape(hi - lo, *self.shape)

    @staticmethod
    def _product(b: Tensor, a: Tensor, scratch: Scratch | None) -> Tensor:
        """Shape (n, G, O, I)."""
        n, groups, _, outputs = b.shape
        left = b.transpose(2, 3).flatten(0, 1)
        right = a.flatten(0, 1)
        if scratch is None:
            product = torch.bmm(left, right)
        else:
            out = scratch.take("tile", (n * groups, outputs, a.shape[3]), right)
            product = torch.bmm(left, right, out=out)
        return product.view(n, groups, outputs, a.shape[3])

    def statistics(self, wanted: Wanted, workspace: Workspace) -> Statistics:
        """Closed forms for one position; sums and Gram forms where cheaper; tiles for the rest."""
        if self.one:
            return self._rank_one(wanted, workspace)
        rest = wanted._replace(total=False, spread=False, norms=wanted.norms - {2.0})
        known = self._closed(wanted, tiles=rest != Wanted())
        if known is None:
            return self._tiled(wanted, workspace)
        if rest == Wanted():
            self.how = "closed form"
            return known
        if (2.0 in wanted.norms) == (2.0 in known.norms) and wanted.spread == (
            known.spread is not None
        ):
            found = self._tiled(rest, workspace)
            total = known.total if wanted.total or wanted.spread else None
            norms = {**known.norms, **found.norms}
            return Statistics(self.entries, found.low, found.high, total, known.spread, norms)
        return self._tiled(wanted, workspace, known.total)

    def _tiled(
        self, wanted: Wanted, workspace: Workspace, total: Tensor | None = None
    ) -> Statistics:
        """Materialises some samples at a time, or some outputs of one; ``total`` if known."""
        self.how = "tiles"
        outputs = self.b.shape[3]
        block = max(1, outputs * workspace.tile // max(self.entries, 1))
        if wanted.spread:  # deviations are from the mean of everything
            block = outputs
        parts = []
        for lo, hi in workspace.chunks(self.samples, self.entries):
            sums = None if total is None else total[lo:hi]
            blocks = []
            for start in range(0, outputs, block):
                b = self.b[lo:hi, :, :, start : start + block]
                rows = self._product(b, self.a[lo:hi], workspace.scratch).view(hi - lo, -1)
                blocks.append(of_rows(rows, wanted, workspace.scratch, sums, spoil=True))
            parts.append(merge(blocks, wanted))
        return concatenated(parts)

    def _closed(self, wanted: Wanted, tiles: bool) -> Statistics | None:
        """Total, spread and 2-norm without the entries, as far as that is cheaper than a pass.

        Args:
            wanted: What is asked for.
            tiles: Whether there will be tiles anyway.

        Returns:
            What was found; None if not even the total is cheaper.
        """
        _, _, positions, outputs = self.b.shape
        inputs = self.a.shape[3]
        if positions * (outputs + inputs) > outputs * inputs:
            return None
        squares = 2.0 in wanted.norms or wanted.spread
        if tiles and positions**2 * (outputs + inputs) > PASS * outputs * inputs:
            squares = False
        total = self._total() if wanted.total or wanted.spread else None
        if not squares:
            alone = not tiles and not wanted.spread and 2.0 not in wanted.norms
            return Statistics(self.entries, total=total) if tiles or alone else None
        return self._gram(wanted, total) or (
            Statistics(self.entries, total=total) if tiles else None
        )

    def _total(self) -> Tensor:
        """The sum of all entries, by sums over outputs and inputs, shape (N,)."""
        return (self.b.sum(3) * self.a.sum(3)).sum((1, 2))

    def _rank_one(self, wanted: Wanted, workspace: Workspace) -> Statistics:
        b, a = self.b.flatten(1), self.a.flatten(1)
        extremes = wanted.low or wanted.high
        sides = Wanted(extremes, extremes, wanted.total, wanted.spread, wanted.norms)
        of_b, of_a = (of_rows(side, sides, workspace.scratch) for side in (b, a))
        low = high = total = spread = None
        if of_b.low is not None and of_b.high is not None:
            assert of_a.low is not None
            assert of_a.high is not None
            corners = torch.stack(
                [
                    of_b.low * of_a.low,
                    of_b.low * of_a.high,
                    of_b.high * of_a.low,
                    of_b.high * of_a.high,
                ]
            )
            low = corners.amin(0) if wanted.low else None
            high = corners.amax(0) if wanted.high else None
        if of_b.total is not None and of_a.total is not None:
            total = of_b.total * of_a.total
        if of_b.spread is not None and of_a.spread is not None:
            assert of_b.total is not None
            assert of_a.total is not None
            spread = (
                of_b.spread * of_a.spread
                + of_b.spread * of_a.total.square() / of_a.size
                + of_a.spread * of_b.total.square() / of_b.size
            )
        return Statistics(
            self.entries,
            low,
            high,
            total,
            spread,
            {p: of_b.norms[p] * of_a.norms[p] for p in wanted.norms},
        )

    def _gram(self, wanted: Wanted, total: Tensor | None) -> Statistics | None:
        """Norm and spread from T x T products; None where they lost digits."""
        groups = self.b.shape[1]
        b, a = self.b.flatten(0, 1), self.a.flatten(0, 1)
        product = torch.bmm(b, b.transpose(1, 2)).mul_(torch.bmm(a, a.transpose(1, 2)))
        diagonal = product.diagonal(dim1=1, dim2=2).sum(1).view(-1, groups).sum(1)
        squared = product.sum((1, 2)).view(-1, groups).sum(1)
        doubtful = squared < TRUSTED_GRAM * diagonal
        spread = None
        if wanted.spread and total is not None:
            spread = torch.addcmul(squared, total, total, value=-1 / self.entries)
            doubtful |= spread < CANCELLATION * squared
        if any_true(doubtful):
            return None
        norms = {2.0: squared.sqrt()} if 2.0 in wanted.norms else {}
        return Statistics(self.entries, None, None, total, spread, norms)


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
