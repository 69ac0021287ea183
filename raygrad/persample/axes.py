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
