"""Tensors that are broadcast to the activations: biases, positions, layer scale, PReLU."""

from collections.abc import Callable

import torch
from torch import Tensor

from raygrad.persample.gradient import Dense, PerSampleGradient, widened
from raygrad.persample.ownership import Axis
from raygrad.persample.rules.rule import Rule, Use, always


def _broadcast(values: Callable[[Use, Tensor], Tensor], *needs: str) -> Rule:
    """A rule from the op's elementwise derivative."""

    def gradient(use: Use, grad: Tensor) -> PerSampleGradient:
        return use.broadcast(values(use, widened(grad)))

    return Rule(gradient, always, needs)


_PLAIN = _broadcast(lambda use, grad: grad)
_ALPHA = _broadcast(lambda use, grad: grad * use.saved("alpha"))
_MINUS_ALPHA = _broadcast(lambda use, grad: grad * -use.saved("alpha"))


def _divisor(use: Use, grad: Tensor) -> Tensor:
    dividend: Tensor = use.saved("self")
    divisor: Tensor = use.saved("other")
    return grad * -(dividend / divisor / divisor)


def _exponent(use: Use, grad: Tensor) -> Tensor:
    """The exponent p of x ** p: x ** p log x, 0 where x is 0."""
    base = widened(use.saved("self"))
    log = torch.where(base > 0, base, torch.ones_like(base)).log()
    result: Tensor = use.saved("result")
    return grad * result * log


def repeat(use: Use, grad: Tensor) -> PerSampleGradient:
    """Tiles: sums over the repeats within a sample; those along the samples tell them apart."""
    assert isinstance(use.ownership, Axis)
    dim, inner = use.ownership
    missing = len(use.output) - len(use.shape)
    sizes: list[int] = []
    where = 0
    for axis, length in enumerate(use.output):
        size = use.shape[axis - missing] if axis >= missing else 1
        if axis == dim:
            where = len(sizes) + 1
            repeats = inner // size
            sizes += [length // (inner * use.samples), use.samples, repeats, size]
        else:
            sizes += [length // size, size]
    split = widened(grad).reshape(sizes).movedim(where, 0)
    kept = _kept(use, dim)
    summed = [axis for axis in range(1, split.ndim) if axis not in kept]
    return Dense(split.sum(summed).reshape(use.samples, *use.shape))


def _kept(use: Use, dim: int) -> list[int]:
    """The axes of a split repeat that belong to the repeated tensor itself."""
    kept, position = [], 1
    for axis in range(len(use.output)):
        position += 3 if axis == dim else 2
        kept.append(position - 1)
    return kept


def _refuses_repeat(use: Use) -> str | None:
    return None if isinstance(use.ownership, Axis) else "repeats positions without order"


ADD = {0: _PLAIN, 1: _ALPHA}
SUB = {0: _PLAIN, 1: _MINUS_ALPHA}
RSUB = {0: _MINUS_ALPHA, 1: _PLAIN}
MUL = {
    0: _broadcast(lambda use, grad: grad * use.saved("other"), "other"),
    1: _broadcast(lambda use, grad: grad * use.saved("self"), "self"),
}
DIV = {
    0: _broadcast(lambda use, grad: grad / use.saved("other"), "other"),
    1: _broadcast(_divisor, "self", "other"),
}
ADDCMUL = {
    0: _PLAIN,
    1: _broadcast(lambda use, grad: grad * use.saved("tensor2") * use.saved("value"), "tensor2"),
    2: _broadcast(lambda use, grad: grad * use.saved("tensor1") * use.saved("value"), "tensor1"),
}
PRELU = {
    1: _broadcast(lambda use, grad: grad * widened(use.saved("self")).clamp(max=0), "self"),
}
POW = {1: _broadcast(_exponent, "self", "result")}
EXPAND = {0: _PLAIN}
WHERE = {
    0: _broadcast(lambda use, grad: grad * use.saved("condition"), "condition"),
    1: _broadcast(lambda use, grad: grad * ~use.saved("condition"), "condition"),
}
REPEAT = {0: Rule(repeat, _refuses_repeat)}
