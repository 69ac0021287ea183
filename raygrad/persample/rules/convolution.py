"""Convolutions in any number of axes, transposed or not."""

from torch import Tensor

from raygrad.persample.convolution import Convolution, Geometry
from raygrad.persample.gradient import Dense, PerSampleGradient, widened
from raygrad.persample.rules.rule import Rule, Use, leading


def weight(use: Use, grad: Tensor) -> PerSampleGradient:
    """The weight, shape (O, C / groups, *kernel), or (C, O / groups, *kernel) if transposed."""
    geometry = Geometry(
        kernel=use.shape[2:],
        stride=tuple(use.saved("stride")),
        padding=tuple(use.saved("padding")),
        dilation=tuple(use.saved("dilation")),
        groups=use.saved("groups"),
    )
    x, g = use.arrange(use.saved("input"), 1), use.arrange(grad, 1)
    if use.saved("transposed"):
        x, g = g, x
    return Convolution(x, g, geometry, use.shape)


def bias(use: Use, grad: Tensor) -> PerSampleGradient:
    """One bias a channel: the sum over positions."""
    per_image = widened(grad).flatten(2).sum(2) if grad.ndim > 2 else widened(grad)
    return Dense(use.arrange(per_image, 1).sum(1))


def _images(use: Use) -> int:
    return 1


CONVOLUTION = {
    1: Rule(weight, leading(_images), ("input",)),
    2: Rule(bias, leading(_images)),
}
