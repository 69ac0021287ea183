"""Rules over a grid of shapes, settings and memory layouts that nobody chose by hand."""

import torch
from cases import loss_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rules import assert_close, metrics_of, reference_of
from torch import nn

from raygrad.collector import GradientMetricCollector
from raygrad.persample.engine import Engine, Target
from raygrad.persample.statistics import Wanted

few = settings(max_examples=60, deadline=None, derandomize=True)


def assert_engine_is_right(net, x, axis=0):
    """Against a backward a sample, in float64; never by way of the reference itself."""
    net = net.double()
    gradients = reference_of(loss_of(net(x), axis), net)
    engine = Engine(loss_of(net(x), axis), [Target(p, Wanted(True)) for p in net.parameters()])
    assert {plan.kind for plan in engine.plans} == {"rule"}
    found = GradientMetricCollector(metrics_of(net))(loss_of(net(x), axis))
    assert_close(found, gradients, 1e-10)


def laid_out(shape, layout):
    """Entries of one shape in memory of another order."""
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    if layout == "last axis first":
        return x.movedim(-1, 0).contiguous().movedim(0, -1)
    if layout == "channels last" and x.ndim == 4:
        return x.to(memory_format=torch.channels_last)
    if layout == "every second":
        return torch.stack([x, x + 1], -1).flatten(-2)[..., ::2]
    return x


layouts = st.sampled_from(["plain", "last axis first", "channels last", "every second"])


@few
@given(
    samples=st.integers(2, 4),
    groups=st.integers(1, 3),
    per_group=st.sampled_from([1, 2, 17, 48]),
    outputs=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    transposed=st.booleans(),
    layout=layouts,
)
def test_convolutions(
    *, samples, groups, per_group, outputs, kernel, stride, padding, dilation, transposed, layout
):
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d if transposed else nn.Conv2d
    padding = min(padding, *(dilation * (size - 1) for size in kernel))
    net = layer(
        groups * per_group,
        groups * outputs,
        kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    assert_engine_is_right(net, laid_out((samples, groups * per_group, 6, 5), layout))


@few
@given(
    samples=st.integers(2, 5),
    positions=st.lists(st.integers(1, 4), max_size=2),
    inputs=st.sampled_from([2, 5, 40]),
    outputs=st.sampled_from([2, 3, 30]),
    bias=st.booleans(),
    time_first=st.booleans(),
    layout=layouts,
)
def test_linear_layers(*, samples, positions, inputs, outputs, bias, time_first, layout):
    torch.manual_seed(0)
    axis = 1 if time_first and positions else 0
    shape = [*positions, inputs]
    shape.insert(axis, samples)
    assert_engine_is_right(nn.Linear(inputs, outputs, bias=bias), laid_out(shape, layout), axis)


@few
@given(
    samples=st.integers(2, 5),
    length=st.integers(1, 6),
    rows=st.integers(2, 7),
    padding=st.booleans(),
    seed=st.integers(0, 3),
)
def test_embeddings(samples, length, rows, padding, seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Embedding(rows, 3, padding_idx=0 if padding else None), nn.Linear(3, 2))
    assert_engine_is_right(net, torch.randint(rows, (samples, length)))


@few
@given(
    samples=st.integers(2, 4),
    channels=st.sampled_from([2, 4, 6]),
    spatial=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    norm=st.sampled_from(["batch", "group", "layer"]),
    layout=layouts,
)
def test_normalisation(samples, channels, spatial, norm, layout):
    torch.manual_seed(0)
    if norm == "batch":
        net = [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d][len(spatial) - 1](channels).eval()
        net.running_mean.normal_()
    elif norm == "group":
        net = nn.GroupNorm(2, channels)
    else:
        net = nn.LayerNorm([channels, *spatial])
    mixed = nn.Sequential(net, nn.Flatten(), nn.Linear(channels * torch.Size(spatial).numel(), 2))
    assert_engine_is_right(mixed, laid_out((samples, channels, *spatial), layout))
