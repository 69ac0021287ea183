"""Small nets, at least one for every rule, that the engine and the reference both run."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Case(NamedTuple):
    """A net and its input; samples along axis 0 of the output unless ``axis`` says otherwise."""

    name: str
    net: Callable[[], nn.Module]
    shape: tuple[int, ...]
    axis: int = 0
    tokens: int = 0


class Parameters(nn.Module):
    """A net from a function and parameters of given shapes."""

    def __init__(self, function, **shapes) -> None:
        super().__init__()
        self.function = function
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape) * 0.5 + 0.3))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def with_parameters(function, **shapes):
    return lambda: Parameters(function, **shapes)


class Attention(nn.Module):
    def __init__(self, batch_first: bool, need_weights: bool = False) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.need_weights = need_weights

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x.flip(-1), x * 2, need_weights=self.need_weights)[0] + x


class SelfAttention(Attention):
    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x, x, need_weights=self.need_weights)[0] + x


class Tied(nn.Module):
    """A table that embeds tokens and turns features back into logits."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 6)
        self.middle = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(torch.tanh(self.middle(self.table(x))), self.table.weight)


class Twice(nn.Module):
    """One layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.tanh(self.layer(x)))


class Bag(nn.Module):
    def __init__(self, mode: str, weighted: bool = False) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(9, 4, mode=mode, padding_idx=2)
        self.weighted = weighted

    def forward(self, x: Tensor) -> Tensor:
        if self.weighted:
            return self.bag(x, per_sample_weights=(x + 1).to(self.bag.weight) / 7)
        return self.bag(x)


class ImageBatchNorm(nn.Sequential):
    """In eval mode, with running statistics far from what the batch has."""

    def __init__(self, dims: int = 2) -> None:
        norm = [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d][dims - 1](3)
        with torch.no_grad():
            norm.running_mean.uniform_(-3, 3)
            norm.running_var.uniform_(0.5, 2)
            norm.weight.uniform_(0.5, 2)
        super().__init__(norm)
        self.eval()


def weight_normed(layer):
    return lambda: torch.nn.utils.parametrizations.weight_norm(layer())


def spectral_normed(layer):
    return lambda: torch.nn.utils.parametrizations.spectral_norm(layer()).eval()


class StandardizedConv(nn.Conv2d):
    """Weights that are standardised at each call, by batch norm in train mode as timm does."""

    def forward(self, x: Tensor) -> Tensor:
        weight = F.batch_norm(
            self.weight.reshape(1, self.out_channels, -1), None, None, training=True
        ).reshape_as(self.weight)
        return self._conv_forward(x, weight, self.bias)


def class_token(self, x):
    return torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position


def windows(self, x):
    """Folds windows of an image into the batch, as Swin does."""
    n, h, w, c = x.shape
    x = x.view(n, h // 2, 2, w // 2, 2, c).transpose(2, 3).reshape(-1, 4, c)
    x = torch.relu(x @ self.weight + self.bias)
    return x.view(n, -1)


def written(self, x):
    x = x * 2
    x[:, :1] += self.token
    x[1:2, 1:3] *= self.scale
    return x


def conv(cls, *args, **kwargs):
    return lambda: cls(*args, **kwargs)


CASES = [
    Case("linear", lambda: nn.Linear(7, 5), (4, 7)),
    Case("linear-no-bias", lambda: nn.Linear(7, 5, bias=False), (4, 7)),
    Case("linear-3d", lambda: nn.Linear(7, 5), (4, 3, 7)),
    Case("linear-square", lambda: nn.Linear(4, 4), (4, 4, 4)),
    Case("linear-many-positions", lambda: nn.Linear(3, 2), (3, 40, 3)),
    Case("linear-few-positions", lambda: nn.Linear(40, 30), (3, 4, 40)),
    Case("linear-4d", lambda: nn.Linear(5, 6), (3, 2, 4, 5)),
    Case("linear-time-first", lambda: nn.Linear(5, 6), (4, 3, 5), axis=1),
    Case("mlp", lambda: nn.Sequential(nn.Linear(6, 9), nn.GELU(), nn.Linear(9, 4)), (5, 6)),
    Case("matmul-left", with_parameters(lambda m, x: (m.w @ x.t()).t(), w=(4, 6)), (5, 6)),
    Case("matvec", with_parameters(lambda m, x: (x @ m.v)[:, None], v=(6,)), (5, 6)),
    Case(
        "einsum",
        with_parameters(lambda m, x: torch.einsum("nti,hio->nhto", x, m.w), w=(3, 5, 2)),
        (4, 3, 5),
    ),
    Case("matmul-stack", with_parameters(lambda m, x: x[:, None] @ m.w, w=(3, 5, 2)), (4, 3, 5)),
    Case(
        "experts",
        with_parameters(
            lambda m, x: torch.bmm(x.transpose(0, 1), m.w).transpose(0, 1), w=(3, 5, 2)
        ),
        (4, 3, 5),
    ),
    Case(
        "experts-left",
        with_parameters(
            lambda m, x: torch.bmm(m.w, x.permute(1, 2, 0)).permute(2, 0, 1), w=(3, 2, 5)
        ),
        (4, 3, 5),
    ),
    Case(
        "baddbmm",
        with_parameters(
            lambda m, x: torch.baddbmm(m.b, x.transpose(0, 1), m.w, beta=0.5, alpha=2).transpose(
                0, 1
            ),
            b=(3, 1, 2),
            w=(3, 5, 2),
        ),
        (4, 3, 5),
    ),
    Case(
        "baddbmm-left",
        with_parameters(
            lambda m, x: torch.baddbmm(m.b, m.w, x.permute(1, 2, 0), alpha=2).permute(2, 0, 1),
            b=(3, 2, 1),
            w=(3, 2, 5),
        ),
        (4, 3, 5),
    ),
    Case(
        "addmm-left",
        with_parameters(
            lambda m, x: torch.addmm(m.b, m.w, x.t(), beta=2, alpha=3).t(), b=(4, 1), w=(4, 6)
        ),
        (5, 6),
    ),
    Case("conv1d", conv(nn.Conv1d, 3, 4, 3, padding=1), (4, 3, 9)),
    Case("conv2d", conv(nn.Conv2d, 3, 4, 3), (4, 3, 7, 6)),
    Case("conv2d-wide", conv(nn.Conv2d, 17, 5, 3, padding=1), (3, 17, 6, 7)),
    Case("conv2d-wide-no-padding", conv(nn.Conv2d, 16, 5, (2, 3)), (3, 16, 6, 7)),
    Case("conv2d-wide-small-map", conv(nn.Conv2d, 32, 24, 3, padding=1), (3, 32, 2, 2)),
    Case("conv1d-wide", conv(nn.Conv1d, 18, 5, 3, padding=2), (3, 18, 9)),
    Case("conv3d-wide", conv(nn.Conv3d, 16, 3, (1, 2, 3), padding=(0, 1, 1)), (2, 16, 3, 4, 5)),
    Case("conv2d-same", conv(nn.Conv2d, 3, 4, (3, 5), padding="same"), (4, 3, 7, 6)),
    Case("conv2d-pointwise", conv(nn.Conv2d, 6, 4, 1), (4, 6, 3, 5)),
    Case("conv2d-stride", conv(nn.Conv2d, 17, 4, 3, stride=2, padding=1), (4, 17, 8, 7)),
    Case("conv2d-stride-rest", conv(nn.Conv2d, 2, 4, 3, stride=(3, 2)), (4, 2, 9, 8)),
    Case("conv2d-dilation", conv(nn.Conv2d, 17, 4, 3, dilation=2, padding=2), (4, 17, 7, 6)),
    Case("conv2d-groups", conv(nn.Conv2d, 6, 4, 3, groups=2, padding=1), (4, 6, 5, 6)),
    Case("conv2d-depthwise", conv(nn.Conv2d, 6, 6, 3, groups=6, padding=1), (4, 6, 5, 6)),
    Case("conv3d", conv(nn.Conv3d, 2, 3, (2, 3, 1), padding=(1, 0, 0)), (3, 2, 4, 5, 3)),
    Case("conv-transpose1d", conv(nn.ConvTranspose1d, 3, 4, 3, stride=2, padding=1), (4, 3, 6)),
    Case(
        "conv-transpose2d",
        conv(nn.ConvTranspose2d, 4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        (3, 4, 5, 4),
    ),
    Case("conv-transpose2d-wide", conv(nn.ConvTranspose2d, 5, 17, 3, padding=1), (3, 5, 5, 4)),
    Case("conv-transpose3d", conv(nn.ConvTranspose3d, 2, 3, 2, dilation=2), (3, 2, 3, 4, 3)),
    Case("batch-norm-1d", lambda: ImageBatchNorm(1), (4, 3)),
    Case("batch-norm-2d", lambda: ImageBatchNorm(2), (4, 3, 5, 4)),
    Case("batch-norm-3d", lambda: ImageBatchNorm(3), (4, 3, 2, 3, 4)),
    Case("layer-norm", lambda: nn.LayerNorm(6), (4, 3, 6)),
    Case("layer-norm-2-axes", lambda: nn.LayerNorm((3, 6)), (4, 2, 3, 6)),
    Case("group-norm", lambda: nn.GroupNorm(2, 6), (4, 6, 3, 2)),
    Case("instance-norm", lambda: nn.InstanceNorm2d(3, affine=True), (4, 3, 5, 4)),
    Case("rms-norm", lambda: nn.RMSNorm(6), (4, 3, 6)),
    Case("embedding", lambda: nn.Embedding(9, 4, padding_idx=2), (4, 5), tokens=9),
    Case("embedding-all-rows", lambda: nn.Embedding(3, 4), (4, 9), tokens=3),
    Case("embedding-bag-sum", lambda: Bag("sum"), (4, 5), tokens=9),
    Case("embedding-bag-mean", lambda: Bag("mean"), (4, 5), tokens=9),
    Case("embedding-bag-weighted", lambda: Bag("sum", weighted=True), (4, 5), tokens=9),
    Case(
        "indexed-table",
        with_parameters(lambda m, x: m.t[x - 3] * m.t[x[:, :1]], t=(9, 2, 3)),
        (4, 5),
        tokens=9,
    ),
    Case("written-in-place", with_parameters(written, token=(1, 4), scale=(2, 4)), (3, 5, 4)),
    Case(
        "written-in-place-time-first",
        with_parameters(written, token=(1, 4), scale=(2, 4)),
        (5, 3, 4),
        axis=1,
    ),
    Case("tied", Tied, (4, 5), tokens=11),
    Case("twice", Twice, (4, 6)),
    Case("add", with_parameters(lambda m, x: x + m.b, b=(3, 1)), (4, 3, 5)),
    Case("add-left", with_parameters(lambda m, x: torch.add(m.b, x, alpha=2), b=(5,)), (4, 3, 5)),
    Case("add-alpha", with_parameters(lambda m, x: torch.add(x, m.b, alpha=2), b=(5,)), (4, 5)),
    Case(
        "sub",
        with_parameters(lambda m, x: m.a - torch.sub(x, m.b, alpha=3), a=(1, 5), b=(5,)),
        (4, 5),
    ),
    Case(
        "rsub",
        with_parameters(
            lambda m, x: torch.rsub(m.a, torch.rsub(x, m.b, alpha=2)), a=(5,), b=(1, 5)
        ),
        (4, 5),
    ),
    Case("mul", with_parameters(lambda m, x: x * m.a * m.s, a=(3, 1, 1), s=()), (4, 3, 5, 2)),
    Case("mul-left", with_parameters(lambda m, x: m.a * x, a=(5,)), (4, 5)),
    Case("div", with_parameters(lambda m, x: m.a / (x.square() + 1) / m.s, a=(5,), s=(1,)), (4, 5)),
    Case(
        "addcmul",
        with_parameters(
            lambda m, x: torch.addcmul(m.b, torch.addcmul(x, m.a, x, value=2), m.c, value=0.5),
            a=(5,),
            b=(5,),
            c=(3, 1),
        ),
        (4, 3, 5),
    ),
    Case("addcmul-2", with_parameters(lambda m, x: torch.addcmul(x, x, m.c), c=(5,)), (4, 3, 5)),
    Case("prelu", lambda: nn.Sequential(nn.PReLU(3)), (4, 3, 5)),
    Case("prelu-single", lambda: nn.Sequential(nn.PReLU(), nn.Linear(5, 3)), (4, 3, 5)),
    Case(
        "gem",
        with_parameters(
            lambda m, x: x.abs().clamp(min=1e-3).pow(m.p).mean(-1).pow(1 / m.p) * m.a,
            p=(1,),
            a=(3,),
        ),
        (4, 3, 5),
    ),
    Case(
        "class-token", with_parameters(class_token, token=(1, 1, 5), position=(1, 4, 5)), (4, 3, 5)
    ),
    Case(
        "where",
        with_parameters(
            lambda m, x: torch.where(x > 0, m.a, torch.where(x < -1, x, m.b)), a=(5,), b=(3, 1)
        ),
        (4, 3, 5),
    ),
    Case("repeat", with_parameters(lambda m, x: x * m.a.repeat(4, 2, 1), a=(1, 3, 5)), (4, 6, 5)),
    Case("attention", lambda: Attention(batch_first=True), (4, 3, 8)),
    Case("attention-weights", lambda: Attention(True, need_weights=True), (4, 3, 8)),
    Case("self-attention", lambda: SelfAttention(batch_first=True), (4, 3, 8)),
    Case("self-attention-time-first", lambda: SelfAttention(False), (4, 4, 8), axis=1),
    Case(
        "encoder-layer",
        lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True),
        (4, 4, 8),
    ),
    Case("windows", with_parameters(windows, weight=(3, 4), bias=(4,)), (2, 4, 4, 3)),
    Case("weight-norm", weight_normed(lambda: nn.Linear(5, 4)), (4, 3, 5)),
    Case("weight-norm-conv", weight_normed(lambda: nn.Conv2d(3, 4, 3)), (4, 3, 5, 6)),
    Case("spectral-norm", spectral_normed(lambda: nn.Linear(5, 4)), (4, 5)),
    Case("standardized-conv", lambda: StandardizedConv(3, 4, 3, padding=1), (4, 3, 5, 5)),
    Case(
        "bias-table",
        with_parameters(
            lambda m, x: x + m.t[torch.tensor([[0, 2], [1, 0]])].permute(2, 0, 1), t=(3, 5)
        ),
        (4, 5, 2, 2),
    ),
    Case(
        "slices",
        with_parameters(
            lambda m, x: x[..., :2] @ m.w[:2] + x[..., 2:] @ m.w[2:].exp().clamp(max=1.5), w=(5, 3)
        ),
        (4, 5),
    ),
    Case(
        "cat-of-parameters",
        with_parameters(
            lambda m, x: F.linear(x, torch.cat([m.a, m.b.squeeze(0).repeat(2, 1)])),
            a=(2, 5),
            b=(1, 3, 5),
        ),
        (4, 5),
    ),
]


def input_of(case: Case, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if case.tokens:
        return torch.randint(case.tokens, case.shape, generator=generator)
    return torch.randn(case.shape, generator=generator, dtype=torch.float64).to(dtype)


def loss_of(output: Tensor, axis: int = 0) -> Tensor:
    """Neither linear nor symmetric in the output, of order one."""
    rows = output.movedim(axis, 0).flatten(1)
    ramp = torch.linspace(-0.5, 1.5, rows.shape[1], dtype=rows.dtype)
    return (torch.sin(rows + ramp) * (1 + ramp)).sum(1)
