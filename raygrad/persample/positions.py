"""Sorting the positions of a tensor by the sample that owns them.

Rules ask for (N, T, ...): N samples, each with its T positions. Where samples lie along an axis
this is a view or one transpose; where a probe found an owner for each position (sorted, packed,
routed samples) positions are gathered, and samples with fewer get zeros, which add nothing.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from raygrad.persample.graph import Shape
from raygrad.persample.ownership import Axis


class Owners(NamedTuple):
    """A sample for each leading position of a tensor, found by a probe; -1 for zero gradients.

    ``owner`` has the shape of the tensor without its last axis, int64.
    """

    owner: Tensor


Ownership = Axis | Owners


def can_arrange(ownership: Ownership, leading: int) -> bool:
    """Whether each entry of the first ``leading`` axes belongs to one sample as a whole."""
    if isinstance(ownership, Axis):
        return ownership.dim < leading
    owner = ownership.owner
    if owner.ndim < leading:
        return False
    finer = owner.reshape(*owner.shape[:leading], -1)
    highest = finer.amax(-1, keepdim=True)
    return bool(((finer == highest) | (finer < 0)).all())


def arrange(tensor: Tensor, ownership: Ownership, samples: int, leading: int) -> Tensor:
    """Brings the positions of each sample together.

    Args:
        tensor: Shape (*positions, *rest) with ``leading`` position axes.
        ownership: Who owns the positions.
        samples: N.
        leading: How many axes are positions.

    Returns:
        Shape (N, T, *rest).
    """
    rest = tensor.shape[leading:]
    if isinstance(ownership, Owners):
        return _gathered(tensor.reshape(-1, *rest), ownership, samples, leading)
    dim, inner = ownership
    if dim == 0 and tensor.shape[0] == samples * inner:
        return tensor.reshape(samples, -1, *rest)
    outer = tensor.shape[dim] // (samples * inner)
    split = split_axis(tensor, dim, (outer, samples, inner)).movedim(dim + 1, 0)
    return split.reshape(samples, -1, *rest)


def split_axis(tensor: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """One axis as several, a view where strides allow."""
    return tensor.reshape(*tensor.shape[:dim], *sizes, *tensor.shape[dim + 1 :])


def _gathered(flat: Tensor, owners: Owners, samples: int, leading: int) -> Tensor:
    """Gathers the rows of (M, *rest) by owner, padded with zeros to the longest sample."""
    owner = owners.owner
    if owner.ndim > leading:
        owner = owner.reshape(*owner.shape[:leading], -1).amax(-1)
    owner = owner.reshape(-1)
    order = owner.argsort(stable=True)
    ranked = owner[order]
    order, ranked = order[ranked >= 0], ranked[ranked >= 0]
    counts = torch.bincount(ranked, minlength=samples)
    longest = max(int(counts.max()), 1)
    start = counts.cumsum(0) - counts
    place = torch.arange(len(ranked), device=flat.device) - start[ranked]
    arranged = flat.new_zeros((samples, longest, *flat.shape[1:]))
    arranged[ranked, place] = flat[order]
    return arranged


def sum_to_shape(values: Tensor, ownership: Ownership, samples: int, shape: Shape) -> Tensor:
    """Sums a tensor over each sample's positions down to the shape that was broadcast to it.

    Args:
        values: The gradient of a broadcast result.
        ownership: Who owns its entries.
        samples: N.
        shape: The shape of the tensor that was broadcast.

    Returns:
        Shape (N, *shape).
    """
    if isinstance(ownership, Owners):
        return _scattered(values, ownership.owner, samples, shape)
    dim, inner = ownership
    outer = values.shape[dim] // (samples * inner)
    split = split_axis(values, dim, (outer, samples, inner)).movedim(dim + 1, 0)
    # axes now: N, then those of values with dim replaced by (outer, inner), both to be summed
    missing = values.ndim - len(shape)
    summed = [dim + 1, dim + 2]
    for axis in range(values.ndim):
        aligned = axis - missing
        if axis != dim and (aligned < 0 or (shape[aligned] == 1 and values.shape[axis] != 1)):
            summed.append(1 + axis + (axis > dim))
    return split.sum(summed).reshape(samples, *shape)


def _scattered(values: Tensor, owner: Tensor, samples: int, shape: Shape) -> Tensor:
    """Adds every position to its sample, and there to the place that was broadcast to it."""
    lead = shape[:-1]
    places = math.prod(lead)
    place = torch.arange(places, device=owner.device).view(lead).expand(owner.shape)
    if not shape or shape[-1] != values.shape[-1]:
        values = values.sum(-1, keepdim=True)
    known = owner >= 0
    summed = values.new_zeros((samples * places, values.shape[-1]))
    summed.index_add_(0, (owner * places + place)[known], values[known])
    return summed.view(samples, *shape)
