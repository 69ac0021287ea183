"""Every claim of where samples lie holds: a gradient of one sample's slices stays in them.

The examples have axes of the number of samples wherever an op allows it, so that a follower that
takes one axis for another is found out.
"""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from raygrad.persample.axes import AXES, input_states
from raygrad.persample.followers import Op
from raygrad.persample.ownership import Axis

N = 4

EXAMPLES: dict[str, Callable[[Tensor], Tensor]] = {
    "add": lambda x: x + 1,
    "mul": lambda x: x * torch.rand(N, N, N, dtype=x.dtype),
    "pow": lambda x: x.pow(3),
    "where": lambda x: torch.where(x > 0, x, 2 * x.detach()),
    "masked_fill": lambda x: x.masked_fill(x > 0, 0.0),
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "gelu": F.gelu,
    "expand": lambda x: x[:, :1].detach().requires_grad_().expand(N, N, N),
    "broadcast": lambda x: x + torch.zeros(2, N, N, N, dtype=x.dtype),
    "view": lambda x: x.view(N * N, N),
    "view apart": lambda x: x.view(2, 2, N, N),
    "view all": lambda x: x.view(-1),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "permute": lambda x: x.permute(2, 0, 1),
    "transpose": lambda x: x.transpose(0, 2),
    "sum": lambda x: x.sum(1),
    "sum kept": lambda x: x.sum((0, 2), keepdim=True),
    "mean": lambda x: x.mean((1, 2)),
    "logsumexp": lambda x: x.logsumexp(0),
    "amax": lambda x: x.amax(2),
    "var": lambda x: x.var(1),
    "norm": lambda x: torch.linalg.vector_norm(x, dim=1),
    "max": lambda x: x.max(1)[0],
    "prod": lambda x: x.prod(1),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "cumsum": lambda x: x.cumsum(0),
    "flip": lambda x: x.flip(0, 2),
    "roll": lambda x: x.roll(1, 1),
    "roll of all": lambda x: x.roll(1),
    "roll of two": lambda x: x.roll((1, 2), (0, 2)),
    "renorm": lambda x: x.renorm(2, 1, 0.5),
    "sort": lambda x: x.sort(1)[0],
    "topk": lambda x: x.topk(N, 2)[0],
    "gather": lambda x: x.gather(1, torch.randint(0, N, (N, N, N))),
    "index_select": lambda x: x.index_select(1, torch.tensor([3, 0, 0, 1])),
    "slice": lambda x: x[1:],
    "slice of everything": lambda x: x[:, :, 0:N],
    "split": lambda x: x.split(2, 1)[1],
    "scatter_add": lambda x: torch.zeros_like(x).scatter_add(0, torch.randint(0, N, (N, N, N)), x),
    "index_add": lambda x: torch.zeros_like(x).index_add(1, torch.tensor([0, 0, 1, 3]), x),
    "glu": lambda x: F.glu(torch.cat([x.detach()] * 2, 1).requires_grad_(), 1),
    "select": lambda x: x[:, 1],
    "unbind": lambda x: x.unbind(1)[2],
    "stack": lambda x: torch.stack([x.detach(), x], 1),
    "cat": lambda x: torch.cat([x, x.detach()], 1),
    "cat of parts": lambda x: torch.cat([x.detach()[:1], x, x.detach()[:3]], 0),
    "max_pool2d": lambda x: F.max_pool2d(x, 3, 1, 1),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "interpolate": lambda x: F.interpolate(
        x[None].detach().requires_grad_(), size=(N, 8), mode="bilinear"
    ),
    "reflect": lambda x: F.pad(x, (1, 1), mode="reflect"),
    "pad": lambda x: F.pad(x, (1, 1)),
    "pad samples": lambda x: F.pad(x, (0, 0, 0, 0, N, 0)),
    "conv1d": lambda x: F.conv1d(x, torch.rand(N, N, 3, dtype=x.dtype), padding=1),
    "batch_norm eval": lambda x: F.batch_norm(
        x, torch.zeros(N, dtype=x.dtype), torch.ones(N, dtype=x.dtype)
    ),
    "batch_norm train": lambda x: F.batch_norm(x, None, None, training=True),
    "layer_norm": lambda x: F.layer_norm(x, (N,)),
    "layer_norm of two": lambda x: F.layer_norm(x, (N, N)),
    "group_norm": lambda x: F.group_norm(x, 2),
    "embedding": lambda x: F.embedding(torch.randint(0, N, (N, N)), x[0].detach().requires_grad_()),
    "embedding_bag": lambda x: F.embedding_bag(
        torch.randint(0, N, (N, N)), x[0].detach().requires_grad_(), mode="sum"
    ),
    "mm": lambda x: x[0].detach().requires_grad_() @ torch.rand(N, N, dtype=x.dtype),
    "mm right": lambda x: torch.rand(N, N, dtype=x.dtype) @ x[0].detach().requires_grad_(),
    "addmm": lambda x: torch.addmm(x[0].detach(), x[1].detach().requires_grad_(), x[2].detach()),
    "bmm": lambda x: torch.bmm(x, torch.rand(N, N, N, dtype=x.dtype)),
    "bmm right": lambda x: torch.bmm(torch.rand(N, N, N, dtype=x.dtype), x),
    "baddbmm": lambda x: torch.baddbmm(x, x.detach(), x.detach()),
    "mv": lambda x: x[0].detach().requires_grad_() @ torch.rand(N, dtype=x.dtype),
    "attention": lambda x: F.scaled_dot_product_attention(
        x[None].detach().requires_grad_(), x[None].detach(), x[None].detach()
    ),
    "attention keys": lambda x: F.scaled_dot_product_attention(
        x[None].detach(), x[None].detach().requires_grad_(), x[None].detach()
    ),
    "repeat": lambda x: x.repeat(2, 1, 1),
    "repeat of one": lambda x: x[:1].detach().requires_grad_().repeat(N, 1, 1),
    "nll_loss": lambda x: F.nll_loss(
        x[0].detach().requires_grad_(), torch.randint(0, N, (N,)), reduction="none"
    ),
    "index": lambda x: x[torch.arange(N), torch.tensor([1, 0, 3, 3])],
    "index wrong way": lambda x: x[torch.tensor([1, 0, 3, 3]), torch.arange(N)],
    "index of rows": lambda x: x[torch.tensor([1, 0, 3, 3])],
    "copy": lambda x: x.clone(),
    "view_as_real": lambda x: torch.view_as_real(x.detach().to(torch.complex128).requires_grad_()),
    "view_as_complex": lambda x: torch.view_as_complex(
        x[..., :2].detach().clone().requires_grad_()
    ),
}


def made(name: str) -> tuple[Tensor, Tensor, int]:
    """An example's output, the leaf that it came from, and which input of its node that is."""
    torch.manual_seed(0)
    out = EXAMPLES[name](torch.randn(N, N, N, dtype=torch.float64, requires_grad=True))
    for place, (child, _) in enumerate(out.grad_fn.next_functions):
        if child is not None and hasattr(child, "variable"):
            return out, child.variable, place
    pytest.fail(f"{name} is made of several ops: {out.grad_fn.name()} doesn't see the leaf")


def owned(shape: torch.Size, axis: Axis, sample: int) -> Tensor:
    """Which entries of a tensor are a sample's."""
    index = torch.arange(shape[axis.dim]) // axis.inner % N == sample
    return index.reshape([-1 if d == axis.dim else 1 for d in range(len(shape))]).expand(shape)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_samples_gradient_stays_in_its_own_slices(name):
    out, leaf, place = made(name)
    shapes = [
        None if child is None else tuple(leaf.shape) if at == place else None
        for at, (child, _) in enumerate(out.grad_fn.next_functions)
    ]
    for dim in (d for d in range(out.ndim) if out.shape[d] % N == 0):
        op = Op(out.grad_fn, Axis(dim), tuple(out.shape), shapes, N)
        claimed = input_states(op)[place]
        if not isinstance(claimed, Axis):
            continue
        for sample in range(N):
            cotangent = torch.rand_like(out) * owned(out.shape, Axis(dim), sample)
            (gradient,) = torch.autograd.grad(out, leaf, cotangent, retain_graph=True)
            stray = gradient.masked_fill(owned(leaf.shape, claimed, sample), 0.0)
            assert stray.count_nonzero() == 0, f"samples along {dim}, claimed {claimed}"


def test_every_kind_of_op_has_an_example():
    """A follower that no example exercises is unproven."""
    exercised = {AXES.get(made(name)[0].grad_fn.name()) for name in EXAMPLES}
    # the fused op of other backends; experts, in test_foreign_rules; what pooling does to its own
    # mean, in whole nets
    elsewhere = {"linear", "grouped_matmul", "as_strided"}
    assert {follower.__name__ for follower in set(AXES.values()) - exercised} <= elsewhere
