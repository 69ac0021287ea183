"""Matrix products with a weight: linear layers, einsum, matmul, stacks of experts."""

import torch
from torch import Tensor

from raygrad.persample.gradient import Dense, PerSampleGradient
from raygrad.persample.outer import OuterSum
from raygrad.persample.ownership import Axis
from raygrad.persample.positions import Owners, Ownership, arrange, can_arrange
from raygrad.persample.rules.rule import Rule, Use, always, leading


def _scaled(tensor: Tensor, factor: float) -> Tensor:
    return tensor if factor == 1 else tensor * factor


def _outer(use: Use, b: Tensor, a: Tensor, order: tuple[int, int, int]) -> OuterSum:
    """From output gradient (M, O) and activation (M, I), rows owned by samples."""
    return OuterSum(use.arrange(b, 1)[:, None], use.arrange(a, 1)[:, None], use.shape, order)


def _right(name: str) -> Rule:
    """X @ W, with samples in the rows of x, saved under ``name``."""

    def gradient(use: Use, grad: Tensor) -> PerSampleGradient:
        alpha = getattr(use.node, "_saved_alpha", 1)
        return _outer(use, _scaled(grad, alpha), use.saved(name), (0, 2, 1))

    return Rule(gradient, leading(lambda use: 1), (name,))


def _left(name: str) -> Rule:
    """W @ x, with samples in the columns of x, saved under ``name``."""

    def gradient(use: Use, grad: Tensor) -> PerSampleGradient:
        alpha = getattr(use.node, "_saved_alpha", 1)
        turned = use._replace(ownership=Axis(0, _axis(use.ownership).inner))
        return _outer(turned, _scaled(grad, alpha).t(), use.saved(name).t(), (0, 1, 2))

    return Rule(gradient, _columns, (name,))


def _axis(ownership: Ownership) -> Axis:
    assert isinstance(ownership, Axis)
    return ownership


def _columns(use: Use) -> str | None:
    if isinstance(use.ownership, Axis) and use.ownership.dim == len(use.output) - 1:
        return None
    return "samples are not in the columns"


def add_bias(use: Use, grad: Tensor) -> PerSampleGradient:
    """The bias of addmm and baddbmm, broadcast to the product."""
    return use.broadcast(_scaled(grad, use.saved("beta")))


def _stacked(tensor: Tensor, ownership: Ownership, samples: int) -> Tensor:
    """From (E, M, F) with samples in the rows M to (N, E, T, F)."""
    stack, rows, features = tensor.shape
    if isinstance(ownership, Axis):
        rest = Axis(0, ownership.inner)
        return arrange(tensor.transpose(0, 1), rest, samples, 1).transpose(1, 2)
    block = torch.arange(stack, device=tensor.device)[:, None]
    owner = ownership.owner
    keyed = Owners(torch.where(owner < 0, owner, owner * stack + block).reshape(-1))
    return _apart(
        arrange(tensor.reshape(stack * rows, features), keyed, samples * stack, 1), samples
    )


def _stack_right(name: str) -> Rule:
    """(E, M, I) @ (E, I, O), with samples in the rows M."""

    def gradient(use: Use, grad: Tensor) -> PerSampleGradient:
        alpha = getattr(use.node, "_saved_alpha", 1)
        b = _stacked(_scaled(grad, alpha), use.ownership, use.samples)
        a = _stacked(use.saved(name), use.ownership, use.samples)
        return OuterSum(b, a, use.shape, (0, 2, 1))

    return Rule(gradient, _rows, (name,))


def _rows(use: Use) -> str | None:
    if isinstance(use.ownership, Axis) and use.ownership.dim == 1:
        return None
    if isinstance(use.ownership, Owners) and can_arrange(use.ownership, 2):
        return None
    return "samples are not in the rows"


def _stack_left(name: str) -> Rule:
    """(E, O, I) @ (E, I, M), with samples in the columns M."""

    def gradient(use: Use, grad: Tensor) -> PerSampleGradient:
        alpha = getattr(use.node, "_saved_alpha", 1)
        rows = Axis(1, _axis(use.ownership).inner)
        b = _stacked(_scaled(grad, alpha).transpose(1, 2), rows, use.samples)
        a = _stacked(use.saved(name).transpose(1, 2), rows, use.samples)
        return OuterSum(b, a, use.shape, (0, 1, 2))

    return Rule(gradient, _columns, (name,))


def matrix_vector(use: Use, grad: Tensor) -> PerSampleGradient:
    """The vector v of M @ v."""
    return Dense(use.arrange(grad[:, None] * use.saved("self"), 1).sum(1))


def fused_weight(use: Use, grad: Tensor) -> PerSampleGradient:
    """The weight (O, I) of the fused linear op of some backends."""
    activation = use.saved("input")
    count = activation.ndim - 1
    b, a = use.arrange(grad, count), use.arrange(activation, count)
    return OuterSum(b[:, None], a[:, None], use.shape)


def fused_bias(use: Use, grad: Tensor) -> PerSampleGradient:
    """Its bias."""
    return use.broadcast(grad)


def _all_but_last(use: Use) -> int:
    return len(use.output) - 1


def grouped(use: Use, grad: Tensor) -> PerSampleGradient:
    """Mixtures of experts: rows (M, I) sorted by expert, weight (E, I, O)."""
    ends = use.saved("offs")
    experts = use.shape[0]
    rows = torch.arange(grad.shape[0], device=grad.device)
    expert = torch.searchsorted(ends.to(rows), rows, right=True).clamp(max=experts - 1)
    if isinstance(use.ownership, Owners):
        owner = use.ownership.owner
    else:
        owner = rows // use.ownership.inner % use.samples
    keyed = Owners(torch.where(owner < 0, owner, owner * experts + expert))
    b, a = (
        _apart(arrange(each, keyed, use.samples * experts, 1), use.samples)
        for each in (grad, use.saved("self"))
    )
    return OuterSum(b, a, use.shape, (0, 2, 1))


def _apart(arranged: Tensor, samples: int) -> Tensor:
    """From (N x E, T, F) to (N, E, T, F)."""
    return arranged.view(samples, -1, *arranged.shape[1:])


def _refuses_grouped(use: Use) -> str | None:
    if len(use.shape) != 3 or len(use.output) != 2:
        return "groups lie along another axis than the rows"
    return leading(lambda use: 1)(use)


ADDMM = {0: Rule(add_bias, always), 1: _left("mat2"), 2: _right("mat1")}
MM = {0: _left("mat2"), 1: _right("self")}
BMM = {0: _stack_left("mat2"), 1: _stack_right("self")}
BADDBMM = {0: Rule(add_bias, always), 1: _stack_left("batch2"), 2: _stack_right("batch1")}
GROUPED = {1: Rule(grouped, _refuses_grouped, ("self", "offs"))}
MV = {1: Rule(matrix_vector, leading(lambda use: 1), ("self",))}
LINEAR = {
    1: Rule(fused_weight, leading(_all_but_last), ("input",)),
    2: Rule(fused_bias, always),
}
