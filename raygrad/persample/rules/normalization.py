"""Scale and shift of normalisation layers: channel-sized, so computed as they are.

Statistics that the forward pass saved are used as they are; in eval mode batch norm's running ones.
"""

import torch
from torch import Tensor

from raygrad.persample.gradient import Dense, PerSampleGradient, widened
from raygrad.persample.rules.rule import Rule, Use, leading


def _per_channel(use: Use, values: Tensor) -> Dense:
    """Sums (B, C, *positions) over positions and over the images of a sample."""
    flat = values.flatten(2).sum(2) if values.ndim > 2 else values
    return Dense(use.arrange(flat, 1).sum(1))


def _on_channels(vector: Tensor, like: Tensor) -> Tensor:
    return widened(vector).reshape(1, -1, *[1] * (like.ndim - 2))


def batch_norm_weight(use: Use, grad: Tensor) -> PerSampleGradient:
    """Gradient times normalised input, by running statistics or, in train mode, saved ones."""
    if use.saved("training"):
        mean, scale = use.saved("result1"), use.saved("result2")
    else:
        variance = widened(use.saved("running_var"))
        eps = use.saved("epsilon" if hasattr(use.node, "_saved_epsilon") else "eps")  # cuDNN's name
        mean, scale = use.saved("running_mean"), torch.rsqrt(variance + eps)
    centred = widened(use.saved("input")) - _on_channels(mean, grad)
    summed = _per_channel(use, centred.mul_(grad))
    return Dense(summed.values * widened(scale))


def channel_shift(use: Use, grad: Tensor) -> PerSampleGradient:
    """The sum over positions."""
    return _per_channel(use, widened(grad))


def layer_norm_weight(use: Use, grad: Tensor) -> PerSampleGradient:
    """Gradient times normalised input, summed over the leading axes."""
    centred = widened(use.saved("input")) - widened(use.saved("result1"))
    product = centred.mul_(widened(use.saved("result2"))).mul_(grad)
    return Dense(use.arrange(product, _normalised_from(use)).sum(1))


def layer_norm_bias(use: Use, grad: Tensor) -> PerSampleGradient:
    """The sum over the leading axes."""
    return Dense(use.arrange(widened(grad), _normalised_from(use)).sum(1))


def rms_norm_weight(use: Use, grad: Tensor) -> PerSampleGradient:
    """Gradient times scaled input, summed over the leading axes."""
    product = (widened(use.saved("input")) * widened(use.saved("result1"))).mul_(grad)
    return Dense(use.arrange(product, _normalised_from(use)).sum(1))


def group_norm_weight(use: Use, grad: Tensor) -> PerSampleGradient:
    """Gradient times input normalised by group."""
    x = widened(use.saved("input"))
    groups = use.saved("group")
    split = x.reshape(x.shape[0], groups, -1)
    centred = split - widened(use.saved("result1"))[:, :, None]
    normalised = centred.mul_(widened(use.saved("result2"))[:, :, None]).view(x.shape)
    return _per_channel(use, normalised * grad)


def _normalised_from(use: Use) -> int:
    return len(use.output) - len(use.saved("normalized_shape"))


def _images(use: Use) -> int:
    return 1


BATCH_NORM = {
    1: Rule(batch_norm_weight, leading(_images), ("input",)),
    2: Rule(channel_shift, leading(_images)),
}
LAYER_NORM = {
    1: Rule(layer_norm_weight, leading(_normalised_from), ("input", "result1", "result2")),
    2: Rule(layer_norm_bias, leading(_normalised_from)),
}
RMS_NORM = {1: Rule(rms_norm_weight, leading(_normalised_from), ("input", "result1"))}
GROUP_NORM = {
    1: Rule(group_norm_weight, leading(_images), ("input", "result1", "result2")),
    2: Rule(channel_shift, leading(_images)),
}
