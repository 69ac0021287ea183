"""The ops that carry the sample axis in a known way, as a table from autograd node to follower.

To teach a new op, add its name to the family that moves data as it does.
"""

from raygrad.persample.followers import (
    Follower,
    Op,
    add_batched_matmul,
    add_matmul,
    along_dim,
    as_strided,
    attention,
    batch_norm,
    batched_matmul,
    concatenate,
    constant_pad,
    convolution,
    cross_entropy,
    elementwise,
    embedding_bag,
    group_norm,
    grouped_matmul,
    index,
    layer_norm,
    leading_axes,
    linear,
    lookup,
    matmul,
    matrix_vector,
    permute,
    reduction,
    repeat,
    reshape,
    same_axis,
    select,
    stack,
)
from raygrad.persample.ownership import State


def input_states(op: Op) -> list[State]:
    """The states of an op's inputs, given that samples lie along an axis of its output."""
    follower = AXES.get(op.node.name())
    if follower is None:
        return [op.mixed("is not in the table of known ops")] * len(op.shapes)
    return follower(op)


<<<<<<< HEAD
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


=======
>>>>>>> f9ec875d45e2c3c60fbbdcf78e4241d8d5913bc9
_FAMILIES: list[tuple[Follower, str]] = [
    (
        elementwise,
        "Add Add1 Sub Sub1 Rsub Rsub1 Mul Mul1 Div Div1 Div2 Div3 Addcmul Addcdiv Pow Pow1 Pow2 "
        "Where MaskedFill MaskedFill1 Clamp Clamp1 ClampMin ClampMin1 ClampMax ClampMax1 Maximum "
        "Minimum Fmax Fmin Relu Relu6 Gelu Silu Mish Sigmoid Tanh Exp Exp2 Expm1 Log Log1P Log2 "
        "Log10 Sqrt Rsqrt Abs Neg Sin Cos Tan Asin Acos Atan Sinh Cosh Softplus Elu Celu "
        "LeakyRelu Hardtanh Hardswish Hardsigmoid Hardshrink Softshrink Threshold LogSigmoid "
        "PreluKernel Erf Erfc Erfinv Reciprocal NativeDropout FusedDropout Clone ToCopy Alias "
        "Lerp Lerp1 Atan2 NanToNum Xlogy Logaddexp Logaddexp2 Expand MseLoss SmoothL1Loss "
        "HuberLoss BinaryCrossEntropy BinaryCrossEntropyWithLogits SoftMarginLoss KlDiv "
        "Floor Round Ceil Trunc Sign Sgn Frac Remainder Remainder1 Fmod Fmod1 I0 Lgamma Digamma "
        "Sinc Hypot Logit RreluWithNoise Fill Fill1 Detach",
    ),
    (reshape, "View UnsafeView ReshapeAlias Squeeze Squeeze1 Squeeze2 Unsqueeze ViewCopy"),
    (permute, "Permute Transpose T"),
    (
        reduction,
        "Sum Sum1 Mean Mean1 Logsumexp Amax Amin Var Std LinalgVectorNorm Norm Norm1 Norm2 "
        "Prod Prod1 Max Min Median Median1 NormScalarOptDim Nansum Aminmax",
    ),
    (
        along_dim,
        "Softmax LogSoftmax Cumsum Cumprod Logcumsumexp Flip Roll Sort Sort1 Topk Gather "
        "IndexSelect Slice Split SplitWithSizes Scatter ScatterAdd Kthvalue Glu Narrow "
        "SafeSoftmax FftC2C FftR2C FftC2R",
    ),
    (select, "Select Unbind"),
    (stack, "Stack"),
    (concatenate, "Cat"),
    (
        same_axis,
        "MaxPool2DWithIndices MaxPool3DWithIndices AvgPool2D AvgPool3D AdaptiveAvgPool2D "
        "AdaptiveAvgPool3D AdaptiveMaxPool2D AdaptiveMaxPool3D MkldnnAdaptiveAvgPool2D "
        "UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D UpsampleBilinear2D "
        "UpsampleBicubic2D UpsampleLinear1D UpsampleTrilinear3D UpsampleBilinear2DAa "
        "UpsampleBicubic2DAa UpsampleNearestExact1D UpsampleNearestExact2D "
        "UpsampleNearestExact3D ReflectionPad1D ReflectionPad2D ReflectionPad3D ReplicationPad1D "
        "ReplicationPad2D ReplicationPad3D GridSampler2D GridSampler3D PixelShuffle "
        "PixelUnshuffle ChannelShuffle Im2Col Col2Im MkldnnMaxPool2D MaxUnpool2D AffineGrid",
    ),
    (constant_pad, "ConstantPadNd Pad"),
    (convolution, "Convolution MkldnnConvolution CudnnConvolution ConvolutionOverrideable"),
    (batch_norm, "NativeBatchNorm CudnnBatchNorm MiopenBatchNorm NativeBatchNormLegit"),
    (layer_norm, "NativeLayerNorm FusedRmsNorm"),
    (group_norm, "NativeGroupNorm"),
    (lookup, "Embedding"),
    (embedding_bag, "EmbeddingBag"),
    (matmul, "Mm"),
    (add_matmul, "Addmm"),
    (batched_matmul, "Bmm"),
    (add_batched_matmul, "Baddbmm"),
    (matrix_vector, "Mv"),
    (linear, "Linear MkldnnLinear"),
    (
        attention,
        "ScaledDotProductFlashAttentionForCpu ScaledDotProductFlashAttention "
        "ScaledDotProductEfficientAttention ScaledDotProductCudnnAttention "
        "ScaledDotProductFusedAttentionOverrideable",
    ),
    (leading_axes, "ViewAsReal ViewAsComplex"),
    (as_strided, "AsStrided AsStrided1"),
    (grouped_matmul, "GroupedMm"),
    (repeat, "Repeat"),
    (cross_entropy, "NllLoss NllLossNd NllLoss2D"),
    (index, "Index"),
]


def _table() -> dict[str, Follower]:
    """Names as autograd spells them: ``Sum1`` is the node ``SumBackward1``."""
    table: dict[str, Follower] = {"CopyBackwards": elementwise}
    for follower, names in _FAMILIES:
        for name in names.split():
            stem, number = (name[:-1], name[-1]) if name[-1].isdigit() else (name, "0")
            for node in {f"{stem}Backward{number}", f"{name}Backward0"}:
                if table.setdefault(node, follower) is not follower:
                    raise ValueError(f"{node} stands in two families")
    return table


AXES: dict[str, Follower] = _table()
