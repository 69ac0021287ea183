"""Sums of outer products: the gradients of linear layers, einsums and unfolded convolutions."""

import torch
from torch import Tensor

from raygrad.persample.gradient import PerSampleGradient, Workspace, concatenated, widened
from raygrad.persample.graph import Shape
from raygrad.persample.reduction import CANCELLATION, Scratch, any_true, of_rows
from raygrad.persample.statistics import Statistics, Wanted, merge

PASS = 3  # what two passes over an entry cost, in multiply-adds of a Gram product
TRUSTED_GRAM = 0.05  # a Gram norm below this share of its diagonal has lost digits


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
        """Materialises some samples at a time, or some of their outputs; ``total`` if known."""
        self.how = "tiles"
        outputs = self.b.shape[3]
        row = self.entries // max(outputs, 1)
        whole = wanted.spread  # deviations are from the mean of everything
        parts = []
        for lo, hi in workspace.chunks(self.samples, self.entries, None if whole else row):
            block = outputs if whole else max(1, workspace.tile // max((hi - lo) * row, 1))
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
