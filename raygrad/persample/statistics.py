"""What metrics need to know of a per-sample gradient, and how two parts become one.

Statistics of parts merge exactly: counts and sums add, squared deviations merge as in Chan et al.
1979 (eq. 2.1), p-norms as the p-norm of norms, scaled by the larger so that powers don't underflow.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

INFINITY = float("inf")


class Wanted(NamedTuple):
    """Which statistics somebody asked for. ``norms`` are values of p in (0, inf]."""

    low: bool = False
    high: bool = False
    total: bool = False
    spread: bool = False
    norms: frozenset[float] = frozenset()

    def __or__(self, other: "Wanted") -> "Wanted":
        """Everything that either asks for."""
        return Wanted(
            self.low or other.low,
            self.high or other.high,
            self.total or other.total,
            self.spread or other.spread,
            self.norms | other.norms,
        )


class Statistics(NamedTuple):
    """Of the entries of each sample's gradient; each tensor of shape (N,), at least float32.

    ``total`` is the sum, ``spread`` the sum of squared deviations from the mean, ``norms`` has the
    p-norm for each p. What was not wanted is None.
    """

    size: int
    low: Tensor | None = None
    high: Tensor | None = None
    total: Tensor | None = None
    spread: Tensor | None = None
    norms: Mapping[float, Tensor] = MappingProxyType({})


def of_zeros(count: int, wanted: Wanted, like: Tensor) -> Statistics:
    """The statistics of ``count`` zeros for each sample; ``like`` has shape (N,)."""
    zero = torch.zeros_like(like)
    return Statistics(
        count,
        zero if wanted.low else None,
        zero if wanted.high else None,
        zero if wanted.total or wanted.spread else None,
        zero if wanted.spread else None,
        dict.fromkeys(wanted.norms, zero),
    )


def nothing(like: Tensor) -> Statistics:
    """The statistics of no entries at all: what every metric starts with, but for the norms."""
    zero = torch.zeros_like(like)
    infinity = torch.full_like(zero, INFINITY)
    return Statistics(0, infinity, -infinity, zero, zero, dict.fromkeys((1.0, 2.0, INFINITY), zero))


def combined_norm(norms: Tensor, p: float, dim: int = 0) -> Tensor:
    """The p-norm of all entries from the p-norms of parts, which are divided by the largest."""
    if p == INFINITY:
        return norms.amax(dim)
    if p == 1.0:
        return norms.sum(dim)
    largest = norms.amax(dim, keepdim=True)
    scale = torch.where((largest > 0) & largest.isfinite(), largest, torch.ones_like(largest))
    return ((norms / scale).pow(p).sum(dim).pow(1 / p)) * scale.squeeze(dim)


def merge(parts: Sequence[Statistics], wanted: Wanted) -> Statistics:
    """The statistics of all entries of several parts.

    Args:
        parts: At least one, with everything that is wanted.
        wanted: What the result is to hold.
    """
    if len(parts) == 1:
        return parts[0]
    count = sum(part.size for part in parts)
    total = spread = None
    if wanted.total or wanted.spread:
        totals = _stacked(part.total for part in parts)
        total = totals.sum(0)
        if wanted.spread:
            counts = torch.tensor([[max(part.size, 1)] for part in parts]).to(totals)
            deviations = totals / counts - total / max(count, 1)
            spread = (_stacked(part.spread for part in parts) + counts * deviations.square()).sum(0)
    return Statistics(
        count,
        _stacked(part.low for part in parts).amin(0) if wanted.low else None,
        _stacked(part.high for part in parts).amax(0) if wanted.high else None,
        total,
        spread,
        {p: combined_norm(_stacked(part.norms[p] for part in parts), p) for p in wanted.norms},
    )


def _stacked(values: Iterable[Tensor | None]) -> Tensor:
    present = [value for value in values if value is not None]
    dtypes, devices = {value.dtype for value in present}, {value.device for value in present}
    if len(dtypes) > 1 or len(devices) > 1:
        dtype = torch.float64 if torch.float64 in dtypes else torch.float32
        present = [value.to(present[0].device, dtype) for value in present]
    return torch.stack(present)
