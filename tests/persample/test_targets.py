"""Targets that are no parameters, user metrics, transforms, and how much work they make."""

import pytest
import torch
from torch import nn

from raygrad import GradientMetricCollector
from raygrad.metrics import GradientMetric, Max, Mean, MeanStd, Min, PNorm


def net_and_input(samples=4):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5)).double()
    return net, torch.randn(samples, 2, 6, 6, dtype=torch.float64)


def metrics_of(target):
    return [Max(target), Min(target), MeanStd(target), PNorm(target), PNorm(target, p=2)]


def by_hand(gradients, make=metrics_of):
    target = nn.Linear(1, 1)
    rows = []
    for gradient in gradients:
        metrics = make(target)
        for metric in metrics:
            metric(gradient)
        rows.append(torch.cat([metric.data for metric in metrics]))
    return torch.stack(rows)


def activation_loss(net, x):
    hidden = net[0](x)
    return hidden, net[1:](hidden).sin().sum(1)


@pytest.mark.parametrize("count_other_samples", [False, True])
def test_an_activation_gives_each_sample_its_own_slice(count_other_samples):
    """With the flag, the zeros of the other samples count, as in gradient_metrics."""
    net, x = net_and_input()
    hidden, loss = activation_loss(net, x)
    rows = [torch.autograd.grad(loss[i], hidden, retain_graph=True)[0] for i in range(4)]
    expected = by_hand(rows if count_other_samples else [row[i] for i, row in enumerate(rows)])
    collector = GradientMetricCollector(metrics_of(hidden), count_other_samples=count_other_samples)
    torch.testing.assert_close(collector(loss), expected)


@pytest.mark.parametrize("count_other_samples", [False, True])
def test_the_input_gives_each_sample_its_own_slice(count_other_samples):
    net, x = net_and_input()
    x.requires_grad_()
    _, loss = activation_loss(net, x)
    rows = [torch.autograd.grad(loss[i], x, retain_graph=True)[0] for i in range(4)]
    expected = by_hand(rows if count_other_samples else [row[i] for i, row in enumerate(rows)])
    collector = GradientMetricCollector(metrics_of(x), count_other_samples=count_other_samples)
    torch.testing.assert_close(collector(loss), expected)


def test_an_activation_is_reduced_beside_parameters():
    net, x = net_and_input()
    hidden, loss = activation_loss(net, x)
    found = GradientMetricCollector([PNorm([hidden, net[3]]), PNorm(net[0])])(
        loss, retain_graph=True
    )
    single = [
        GradientMetricCollector(PNorm(target))(loss, retain_graph=True)
        for target in (hidden, net[3], net[0])
    ]
    torch.testing.assert_close(found, torch.cat([single[0] + single[1], single[2]], 1))


def test_one_sample_gives_the_same_as_many():
    net, x = net_and_input()
    hidden, loss = activation_loss(net, x)
    together = GradientMetricCollector(metrics_of(hidden))(loss)
    hidden, loss = activation_loss(net, x[:1])
    alone = GradientMetricCollector(metrics_of(hidden))(loss)
    torch.testing.assert_close(together[:1], alone)


class Median(GradientMetric):
    """A user's metric: the median of all entries, for which no statistics are enough."""

    def __init__(self, target_layers, grad_transform=None):
        super().__init__(target_layers, grad_transform)
        self.reset()

    def _collect(self, grad):
        self.entries.append(grad.flatten())

    def _get_metric(self):
        if not self.entries:
            return torch.tensor(0.0)
        return torch.cat(self.entries).median()

    def reset(self):
        self.entries = []


def user_metrics(target):
    return [
        Median(target),
        PNorm(target, p=2, grad_transform=lambda grad: grad[:1]),
        Mean(target),
        MeanStd(target, grad_transform=torch.abs),
    ]


def count_backwards(monkeypatch):
    calls = []
    original = torch.autograd.grad

    def counted(*args, **kwargs):
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    return calls


@pytest.mark.parametrize("memory_bytes", [None, 4096, 1])
def test_user_metrics_see_gradients_without_a_backward_a_sample(monkeypatch, memory_bytes):
    net, x = net_and_input(9)
    loss = net(x).sin().sum(1)
    rows = [
        torch.autograd.grad(loss[i], list(net.parameters()), retain_graph=True) for i in range(9)
    ]
    expected = by_hand(rows, user_metrics)
    collector = GradientMetricCollector(user_metrics(net), memory_bytes=memory_bytes)
    calls = count_backwards(monkeypatch)
    torch.testing.assert_close(collector(loss), expected, check_dtype=False)
    through_the_net = [call for call in calls if call[0][0] is loss]
    assert len(through_the_net) <= 1
    if memory_bytes is None:
        assert len(calls) < 9


def test_built_in_metrics_need_two_passes_at_most(monkeypatch):
    net, x = net_and_input(9)
    calls = count_backwards(monkeypatch)
    GradientMetricCollector(metrics_of(net))(net(x).sin().sum(1))
    assert len(calls) <= 2


def test_metrics_of_one_target_share_the_work(monkeypatch):
    from raygrad.persample.rules import linear

    made = []
    original = linear.OuterSum.__init__

    def counted(self, *args, **kwargs):
        made.append(self)
        original(self, *args, **kwargs)

    monkeypatch.setattr(linear.OuterSum, "__init__", counted)
    net, x = net_and_input()
    last = net[3]
    GradientMetricCollector([*metrics_of(last), *metrics_of(last.weight)])(net(x).sin().sum(1))
    assert len(made) == 1


def test_a_parameter_that_is_named_twice_counts_twice():
    net, x = net_and_input()
    found = GradientMetricCollector(
        [PNorm([net, net[3].weight]), PNorm(net), PNorm(net[3].weight)]
    )(net(x).sin().sum(1))
    torch.testing.assert_close(found[:, 0], found[:, 1] + found[:, 2])


def test_frozen_inputs_to_the_graph_are_no_obstacle():
    """Only the last layer is a target: backward ends there."""
    net, x = net_and_input()
    net[0].requires_grad_(False)
    found = GradientMetricCollector(PNorm(net))(net(x).sin().sum(1))
    net[0].requires_grad_(True)
    expected = GradientMetricCollector(PNorm(net[3]))(net(x).sin().sum(1))
    torch.testing.assert_close(found, expected)
