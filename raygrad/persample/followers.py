"""How families of ops carry the sample axis from their output to their inputs.

A follower is given the sample axis of an op's output and says, input by input, where the samples
lie: along an axis, nowhere (shared), or not to be told (mixed).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

from raygrad.persample.graph import Node, Shape
from raygrad.persample.ownership import SHARED, Axis, Mixed, State, reshaped


class Op(NamedTuple):
    """What a follower may look at. ``shapes`` has None for inputs that lead to no target."""

    node: Node
    axis: Axis
    shape: Shape
    shapes: list[Shape | None]
    samples: int

    def saved(self, name: str) -> object:
        """A value that autograd keeps for the op, None if it has none of this name."""
        return getattr(self.node, f"_saved_{name}", None)

    def dims(self, name: str, ndim: int) -> list[int] | None:
        """A saved dim or list of dims, counted from the front; None if all are meant."""
        value = self.saved(name)
        if value is None:
            return None
        listed = [value] if isinstance(value, int) else list(value)  # type: ignore[call-overload]
        return [_signed(dim) % max(ndim, 1) for dim in listed]

    def mixed(self, why: str, certain: bool = False) -> Mixed:
        """The state of an input whose samples can't be told apart."""
        return Mixed(self.node.name(), why, certain)


Follower = Callable[[Op], list[State]]


def _signed(value: int) -> int:
    """Autograd shows negative dims as unsigned 64-bit numbers."""
    return value - 2**64 if value >= 2**63 else value


def _each(op: Op, follow: Callable[[Shape], State]) -> list[State]:
    return [SHARED if shape is None else follow(shape) for shape in op.shapes]


def elementwise(op: Op) -> list[State]:
    """Inputs broadcast to the output; an input without the sample axis is shared."""

    def follow(shape: Shape) -> State:
        dim = op.axis.dim - (len(op.shape) - len(shape))
        if dim < 0 or shape[dim] == 1:
            return SHARED
        return Axis(dim, op.axis.inner)

    return _each(op, follow)


def reshape(op: Op) -> list[State]:
    """The same entries in the same order under another shape."""
    return _each(
        op,
        lambda shape: (
            reshaped(op.axis, op.shape, shape, op.samples)
            or op.mixed("reshapes so that no axis holds the samples")
        ),
    )


def permute(op: Op) -> list[State]:
    """Axes in another order."""
    ndim = len(op.shape)
    order = list(range(ndim))
    dims = op.dims("dims", ndim)
    if dims is not None:
        order = dims
    else:
        first, second = op.dims("dim0", ndim), op.dims("dim1", ndim)
        a, b = (first[0], second[0]) if first and second else (0, ndim - 1)
        order[a], order[b] = b, a
    return _each(op, lambda shape: Axis(order[op.axis.dim], op.axis.inner))


def reduction(op: Op) -> list[State]:
    """Some axes are summed away, or kept with size 1."""

    def follow(shape: Shape) -> State:
        if len(shape) == len(op.shape):
            if shape[op.axis.dim] == op.shape[op.axis.dim]:
                return op.axis
            return op.mixed("reduces over the samples", certain=True)
        dims = op.dims("dim", len(shape))
        if not dims:
            return op.mixed("reduces over the samples", certain=True)
        kept = [dim for dim in range(len(shape)) if dim not in dims]
        return Axis(kept[op.axis.dim], op.axis.inner)

    return _each(op, follow)


def along_dim(op: Op) -> list[State]:
    """Entries move or mix along some axes, which must not be that of the samples."""
    ndim = len(op.shape)
    if op.node.name() == "SliceBackward0" and op.shapes == [op.shape]:
        return [op.axis]  # a slice of everything
    dims = op.dims("dim", ndim)
    if dims is None:
        dims = op.dims("dims", ndim)
    if not dims or op.axis.dim in dims:  # none: along the flattened tensor
        return [op.mixed("works along the axis of the samples")] * len(op.shapes)
    return _each(
        op,
        lambda shape: (
            op.axis
            if len(shape) == ndim and shape[op.axis.dim] == op.shape[op.axis.dim]
            else op.mixed("changes the axis of the samples")
        ),
    )


def select(op: Op) -> list[State]:
    """One index along an axis that vanishes."""

    def follow(shape: Shape) -> State:
        dims = op.dims("dim", len(shape))
        dim = dims[0] if dims else 0
        return Axis(op.axis.dim + (dim <= op.axis.dim), op.axis.inner)

    return _each(op, follow)


def stack(op: Op) -> list[State]:
    """A new axis, along which the inputs lie."""
    dims = op.dims("dim", len(op.shape))
    dim = dims[0] if dims else 0
    if dim == op.axis.dim:
        return [op.mixed("stacks along the axis of the samples")] * len(op.shapes)
    return _each(op, lambda shape: Axis(op.axis.dim - (dim < op.axis.dim), op.axis.inner))


def concatenate(op: Op) -> list[State]:
    """Inputs one after the other along an axis; along that of the samples only in whole batches."""
    dims = op.dims("dim", len(op.shape))
    dim = dims[0] if dims else 0
    period = op.axis.inner * op.samples
    if dim == op.axis.dim and (
        None in op.shapes or any(shape and shape[dim] % period for shape in op.shapes)
    ):
        return [op.mixed("concatenates parts of the batch")] * len(op.shapes)
    return _each(op, lambda shape: op.axis)


def same_axis(op: Op) -> list[State]:
    """Batched over axis 0 (pooling, padding, resizing): samples there stay there."""
    return _each(
        op,
        lambda shape: (
            op.axis
            if op.axis.dim == 0 and len(shape) > 2 and shape[0] == op.shape[0]
            else op.mixed("moves entries along the axis of the samples")
        ),
    )


def leading_axes(op: Op) -> list[State]:
    """Only the last axes change: real and imaginary parts."""
    return _each(
        op,
        lambda shape: (
            op.axis
            if shape[: op.axis.dim + 1] == op.shape[: op.axis.dim + 1]
            else op.mixed("changes the axis of the samples")
        ),
    )


def as_strided(op: Op) -> list[State]:
    """Only what adaptive pooling to one entry does to its result, which leaves it as it is."""
    producer = op.node.next_functions[0][0].name()
    size = list(op.shape)
    dense = 1
    expected: list[int] = []
    for length in reversed(size):
        expected.insert(0, dense)
        dense *= length
    strides = list(op.saved("stride") or ())  # type: ignore[call-overload]
    same = op.shapes == [op.shape] and all(
        length == 1 or stride == wanted
        for length, stride, wanted in zip(size, strides, expected, strict=True)
    )
    if same and producer == "MeanBackward1" and not op.saved("storage_offset"):
        return [op.axis]
    return [op.mixed("lays entries out anew")] * len(op.shapes)


def constant_pad(op: Op) -> list[State]:
    """Padding, which must leave the samples' axis as it is."""
    return _each(
        op,
        lambda shape: (
            op.axis
            if shape[op.axis.dim] == op.shape[op.axis.dim]
            else op.mixed("pads the axis of the samples")
        ),
    )


def convolution(op: Op) -> list[State]:
    """Input batched over axis 0; weight and bias shared."""
    if op.axis.dim != 0:
        return [op.mixed("convolves over the axis of the samples")] * len(op.shapes)
    return [op.axis, *[SHARED] * (len(op.shapes) - 1)]


def batch_norm(op: Op) -> list[State]:
    """Per channel (axis 1) in train mode, which mixes samples unless they are the channels."""
    if op.axis.dim == 1:
        return [op.axis, Axis(0, op.axis.inner), Axis(0, op.axis.inner)]
    if op.saved("training"):
        mixed = op.mixed("normalises over the batch in train mode", certain=True)
        return [mixed, SHARED, SHARED]
    return [op.axis, SHARED, SHARED]


def layer_norm(op: Op) -> list[State]:
    """Normalises the last axes; weight and bias shared."""
    normalized = op.saved("normalized_shape")
    if op.axis.dim >= len(op.shape) - len(normalized):  # type: ignore[arg-type]
        return [op.mixed("normalises over the samples", certain=True)] * len(op.shapes)
    return [op.axis, *[SHARED] * (len(op.shapes) - 1)]


def group_norm(op: Op) -> list[State]:
    """Normalises within each entry of axis 0; weight and bias shared."""
    return [
        op.axis if op.axis.dim == 0 else op.mixed("normalises over the samples", certain=True),
        SHARED,
        SHARED,
    ]


def lookup(op: Op) -> list[State]:
    """Rows of a shared table."""
    if op.axis.dim == len(op.shape) - 1:
        return [op.mixed("looks up columns of samples")] * len(op.shapes)
    return [SHARED] * len(op.shapes)


def embedding_bag(op: Op) -> list[State]:
    """A shared table, and weights of the rows that are shaped as the indices."""
    weights = None if len(op.shapes) < 2 else op.shapes[1]
    if weights is None:
        return lookup(op)
    return [SHARED, reshaped(op.axis, op.shape[:1], weights, op.samples) or op.mixed("is ragged")]


def matmul(op: Op) -> list[State]:
    """(M, K) x (K, O): samples in rows leave the right side shared, in columns the left one."""
    inner = op.axis.inner
    return [Axis(0, inner), SHARED] if op.axis.dim == 0 else [SHARED, Axis(1, inner)]


def add_matmul(op: Op) -> list[State]:
    """A broadcast bias and the product of two matrices."""
    return [elementwise(op)[0], *matmul(op)]


def batched_matmul(op: Op) -> list[State]:
    """(B, M, K) x (B, K, O)."""
    inner = op.axis.inner
    if op.axis.dim == 0:
        return [Axis(0, inner), Axis(0, inner)]
    return [Axis(1, inner), SHARED] if op.axis.dim == 1 else [SHARED, Axis(2, inner)]


def add_batched_matmul(op: Op) -> list[State]:
    """A broadcast bias and the product of two stacks of matrices."""
    return [elementwise(op)[0], *batched_matmul(op)]


def matrix_vector(op: Op) -> list[State]:
    """(M, K) x (K,): samples in rows leave the vector shared."""
    return [Axis(0, op.axis.inner), SHARED]


def grouped_matmul(op: Op) -> list[State]:
    """Rows (M, I) grouped by the matrix of a stack (E, I, O) that they meet."""
    if op.axis.dim != 0 or len(op.shape) != 2:
        return [op.mixed("groups along the axis of the samples")] * len(op.shapes)
    return [op.axis, SHARED]


def linear(op: Op) -> list[State]:
    """The fused op of some backends: samples anywhere but in the last axis."""
    if op.axis.dim == len(op.shape) - 1:
        return [op.mixed("has samples as features")] * len(op.shapes)
    return [op.axis, *[SHARED] * (len(op.shapes) - 1)]


def attention(op: Op) -> list[State]:
    """Query, key and value batched over the leading axes (B, heads); a mask broadcasts."""
    if op.axis.dim >= len(op.shape) - 2:
        return [op.mixed("attends over the samples", certain=True)] * len(op.shapes)

    def follow(shape: Shape) -> State:
        dim = op.axis.dim - (len(op.shape) - len(shape))
        return SHARED if dim < 0 or shape[dim] == 1 else Axis(dim, op.axis.inner)

    return _each(op, follow)


def repeat(op: Op) -> list[State]:
    """Tiles of the input; samples among the repeats leave it shared."""

    def follow(shape: Shape) -> State:
        dim = op.axis.dim - (len(op.shape) - len(shape))
        if dim < 0 or op.axis.inner % shape[dim] == 0:
            return SHARED
        if shape[dim] % (op.axis.inner * op.samples) == 0:
            return Axis(dim, op.axis.inner)
        return op.mixed("repeats parts of the batch")

    return _each(op, follow)


def cross_entropy(op: Op) -> list[State]:
    """Negative log likelihood without reduction: classes lie along axis 1 of the input."""
    return _each(op, lambda shape: Axis(op.axis.dim + (op.axis.dim > 0), op.axis.inner))


def index(op: Op) -> list[State]:
    """Advanced indexing by tensors that leave the samples alone, or pair each with itself."""

    def follow(shape: Shape) -> State:
        indices = list(op.saved("indices") or ())  # type: ignore[call-overload]
        indices += [None] * (len(shape) - len(indices))
        used = [dim for dim, entry in enumerate(indices) if entry is not None]
        contiguous = bool(used) and used == list(range(used[0], used[-1] + 1))
        if not contiguous or any(indices[dim].dtype == torch.bool for dim in used):
            return op.mixed("routes entries by data")
        start, width = used[0], max(indices[dim].ndim for dim in used)
        if op.axis.dim < start:
            return op.axis
        if op.axis.dim >= start + width:
            return Axis(op.axis.dim - width + len(used), op.axis.inner)
        at = op.axis.dim - start
        if op.axis.inner == 1 and op.shape[op.axis.dim] == op.samples:
            for dim in used:
                if shape[dim] == op.samples and _counts_samples(indices[dim], at, width):
                    return Axis(dim)
        return op.mixed("routes entries by data")

    return _each(op, follow)


def _counts_samples(entry: torch.Tensor, at: int, width: int) -> bool:
    """Whether an index is 0, 1, 2, ... along one axis and constant along the others."""
    dim = at - (width - entry.ndim)
    if dim < 0:
        return False
    counting = torch.arange(entry.shape[dim], device=entry.device)
    counting = counting.reshape([-1 if d == dim else 1 for d in range(entry.ndim)])
    return bool((entry == counting).all())
