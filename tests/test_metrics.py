"""Metrics called on gradients directly behave as those of gradient_metrics 0.5.0."""

import math

import pytest
import torch
from torch import Tensor, nn

from raygrad.metrics import GradientMetric, Max, Mean, MeanStd, Min, PNorm

BUILT_IN = [Max, Min, Mean, MeanStd, PNorm]


def test_a_bare_subclass_has_no_behaviour():
    """The base leaves collecting, reading and resetting to subclasses."""
    metric = GradientMetric([])
    for call in (lambda: metric._collect(torch.ones(1)), metric._get_metric, metric.reset):
        with pytest.raises(NotImplementedError):
            call()


class CountPositive(GradientMetric):
    """A user's metric, written as for gradient_metrics."""

    def __init__(self, target_layers, grad_transform=None):
        super().__init__(target_layers, grad_transform)
        self.reset()

    def _collect(self, grad: Tensor) -> None:
        self.count += (grad > 0).sum()

    def _get_metric(self) -> Tensor:
        return self.count

    def reset(self) -> None:
        self.count = torch.tensor(0)


def test_a_user_subclass_accumulates_until_reset():
    metric = CountPositive([])
    metric(torch.tensor([1.0, -1.0]))
    metric([torch.tensor([[2.0]]), torch.tensor([3.0, 0.0])])
    assert metric.data.tolist() == [3]
    metric.reset()
    assert metric.data.tolist() == [0]


@pytest.mark.parametrize("p", [0, -1.0, "test", float("nan"), -math.inf])
def test_pnorm_refuses_p(p):
    with pytest.raises(ValueError, match=r"use a number in \(0, inf\]"):
        PNorm([], p=p)


@pytest.mark.parametrize("eps", [0.0, -1.0, float("nan")])
def test_meanstd_refuses_eps(eps):
    with pytest.raises(ValueError, match="greater than 0"):
        MeanStd([], eps=eps)


@pytest.mark.parametrize("metric", BUILT_IN)
def test_a_foreign_target_is_refused(metric):
    with pytest.raises(ValueError, match=r"target_layers\[1\] is a str"):
        metric([torch.ones(1, requires_grad=True), "fc"])


@pytest.mark.parametrize("metric", BUILT_IN)
def test_a_frozen_tensor_named_itself_is_refused(metric):
    with pytest.raises(ValueError, match="is frozen"):
        metric(torch.ones(3))


def test_frozen_parameters_of_a_module_are_left_out_as_long_as_they_are_frozen():
    layer = nn.Linear(2, 3)
    metric = Max(layer)
    layer.weight.requires_grad_(False)
    assert [id(p) for p in metric.target_parameters] == [id(layer.bias)]
    layer.weight.requires_grad_(True)
    assert len(metric.target_parameters) == 2


def test_a_parameter_reached_twice_stands_twice():
    layer = nn.Linear(2, 3)
    assert len(Max([layer, layer.weight]).target_parameters) == 3


START = {Max: [-math.inf], Min: [math.inf], Mean: [0.0], MeanStd: [0.0, 1e-16], PNorm: [0.0]}


@pytest.mark.parametrize("metric", BUILT_IN)
def test_start_values(metric):
    assert metric([]).data.tolist() == pytest.approx(START[metric], rel=1e-6)


CASES = {
    "max": (Max, {}, lambda g: [g.max()]),
    "min": (Min, {}, lambda g: [g.min()]),
    "mean": (Mean, {}, lambda g: [g.mean()]),
    "meanstd": (MeanStd, {}, lambda g: [g.mean(), g.std()]),
    "std": (MeanStd, {"return_mean": False}, lambda g: [g.std()]),
    "l1": (PNorm, {}, lambda g: [g.abs().sum()]),
    "l0.5": (PNorm, {"p": 0.5}, lambda g: [g.abs().sqrt().sum() ** 2]),
    "l3": (PNorm, {"p": 3}, lambda g: [g.norm(3)]),
    "linf": (PNorm, {"p": "inf"}, lambda g: [g.abs().max()]),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", CASES)
def test_pieces_add_up_to_the_whole(case, dtype):
    """Feeding a gradient in pieces of any shape gives the statistics of all entries."""
    metric_class, kwargs, expected = CASES[case]
    generator = torch.Generator().manual_seed(0)
    pieces = [
        (torch.randn(shape, generator=generator, dtype=torch.float64) * scale + shift).to(dtype)
        for shape, scale, shift in [((3, 4), 1, 0), ((1,), 5, 0), ((2, 3, 5), 0.1, 2), ((), 1, 0)]
    ]
    metric = metric_class([], **kwargs)
    metric(pieces)
    whole = torch.cat([piece.flatten().double() for piece in pieces])
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    assert metric.data.tolist() == pytest.approx([float(v) for v in expected(whole)], rel=tolerance)
    assert metric.data.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("case", CASES)
def test_channels_last_gradients_are_taken(case):
    metric_class, kwargs, expected = CASES[case]
    grad = torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)
    metric = metric_class([], **kwargs)
    metric(grad)
    assert metric.data.tolist() == pytest.approx([float(v) for v in expected(grad)])


def test_high_powers_of_small_entries_do_not_underflow():
    metric = PNorm([], p=10)
    metric([torch.full((4,), 1e-6), torch.full((4,), 1e-7)])
    assert float(metric.data) == pytest.approx(1e-6 * 4 ** (1 / 10), rel=1e-5)


def test_std_of_shifted_entries_keeps_its_digits():
    """The textbook form, E[x^2] - E[x]^2, gives 0 or worse here."""
    grad = torch.tensor([10000.0, 10000.25, 10000.5, 10000.75])
    metric = MeanStd([], return_mean=False)
    metric([grad, grad])
    assert float(metric.data) == pytest.approx(float(grad.double().repeat(2).std()), rel=1e-6)


@pytest.mark.parametrize("metric", BUILT_IN)
def test_a_transform_may_return_another_shape_and_dtype(metric):
    instance = metric([], grad_transform=lambda grad: torch.tensor([100, 100]))
    instance(torch.zeros(5))
    expected = {Max: [100], Min: [100], Mean: [100], MeanStd: [100, 1e-16], PNorm: [200]}
    assert instance.data.tolist() == pytest.approx(expected[metric])


@pytest.mark.parametrize("metric", BUILT_IN)
def test_meta_tensors_are_taken(metric):
    instance = metric([])
    instance(torch.empty(3, device="meta"))
    assert instance.data.device == torch.device("meta")


@pytest.mark.parametrize("metric", BUILT_IN)
def test_the_gradient_is_never_modified(metric):
    grad = torch.tensor([1.0, -2.0])
    metric([])(grad)
    assert grad.tolist() == [1.0, -2.0]
