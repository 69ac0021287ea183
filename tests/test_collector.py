"""The collector gives what gradient_metrics 0.5.0 gives, and is kinder where that one fails."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from raygrad import GradientMetricCollector
from raygrad.errors import UnreachedParameterError
from raygrad.metrics import Max, Mean, MeanStd, Min, PNorm


def small_cnn() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5), nn.Tanh()
    )


def losses(net: nn.Module, samples: int = 6) -> torch.Tensor:
    torch.manual_seed(1)
    logits = net(torch.randn(samples, 1, 8, 8))
    return F.cross_entropy(logits, logits.argmax(1), reduction="none")


@pytest.mark.parametrize("metrics", [[], (), "max", None])
def test_metrics_must_be_a_metric_or_a_list(metrics):
    with pytest.raises(ValueError, match="use a GradientMetric"):
        GradientMetricCollector(metrics)


def test_a_tuple_of_metrics_is_refused():
    with pytest.raises(ValueError, match="metrics is a tuple"):
        GradientMetricCollector((Max(nn.Linear(1, 1)),))


def test_a_foreign_element_is_named():
    with pytest.raises(ValueError, match=r"metrics\[1\] is a str"):
        GradientMetricCollector([Max(nn.Linear(1, 1)), "test"])


def test_a_loss_without_graph_is_refused():
    with pytest.raises(ValueError, match="doesn't require grad"):
        GradientMetricCollector(Max(nn.Linear(1, 1)))(torch.ones(3))


@pytest.mark.parametrize("shape", [(), (1, 1), (2, 3)])
def test_a_loss_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="one loss a sample"):
        GradientMetricCollector(Max(nn.Linear(1, 1)))(torch.ones(shape, requires_grad=True))


def all_metrics(package, net):
    targets = [net, net[0], net[3].weight, [net[0], net[0].bias]]
    return [
        metric(target, grad_transform=transform, **kwargs)
        for target in targets
        for transform in (None, torch.abs, lambda g: g[:1])
        for metric, kwargs in [
            (package.Max, {}),
            (package.Min, {}),
            (package.Mean, {}),
            (package.MeanStd, {}),
            (package.MeanStd, {"return_mean": False, "eps": 1e-3}),
            (package.PNorm, {}),
            (package.PNorm, {"p": 2}),
            (package.PNorm, {"p": 3.5}),
            (package.PNorm, {"p": "inf"}),
        ]
    ]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="gradient_metrics 0.5.0 ends at 3.11")
def test_every_metric_equals_that_of_gradient_metrics():
    import gradient_metrics
    import gradient_metrics.metrics as theirs

    import raygrad.metrics as ours

    net = small_cnn().double()
    loss = losses_double(net)
    expected = gradient_metrics.GradientMetricCollector(all_metrics(theirs, net))(
        loss, retain_graph=True
    )
    collector = GradientMetricCollector(all_metrics(ours, net))
    found = collector(loss)
    assert found.shape == (6, collector.dim) == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-12)


def losses_double(net):
    torch.manual_seed(1)
    logits = net(torch.randn(6, 1, 8, 8, dtype=torch.float64))
    return F.cross_entropy(logits, logits.argmax(1), reduction="none")


def test_retain_graph_allows_a_second_call():
    net = small_cnn()
    loss = losses(net)
    collector = GradientMetricCollector(Mean(net))
    first = collector(loss, retain_graph=True)
    assert torch.equal(first, collector(loss))
    with pytest.raises(RuntimeError, match="second time"):
        collector(loss)


def test_data_and_reset():
    net = small_cnn()
    collector = GradientMetricCollector([Max(net), MeanStd(net)])
    assert collector.dim == 3
    collector._metrics[0](torch.ones(2))
    assert collector.data[0] == 1
    collector.reset()
    assert collector.data[0] == -torch.inf


def test_an_unreached_parameter_has_gradient_zero():
    used, unused = nn.Linear(3, 2), nn.Linear(3, 2)
    loss = used(torch.ones(4, 3)).sum(1)
    collector = GradientMetricCollector([Max(unused), Min([used, unused]), PNorm(unused)])
    assert collector(loss).tolist() == [[0.0, 0.0, 0.0]] * 4


def test_strict_names_the_unreached_parameter():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.used = nn.Linear(3, 2)
            self.unused = nn.Linear(3, 2)

    net = TwoHeads()
    collector = GradientMetricCollector(Max(net), strict=True)
    with pytest.raises(
        UnreachedParameterError, match=r"TwoHeads\.unused\.weight, TwoHeads\.unused\.bias"
    ):
        collector(net.used(torch.ones(4, 3)).sum(1))


def test_channels_last_networks_work():
    net = small_cnn()
    plain = GradientMetricCollector([MeanStd(net), Mean(net)])(losses(net))
    net = net.to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        GradientMetricCollector([MeanStd(net), Mean(net)])(losses(net)), plain
    )


def test_frozen_parameters_are_left_out():
    net = small_cnn()
    net[0].requires_grad_(False)
    collector = GradientMetricCollector(PNorm(net))
    whole = collector(losses(net))
    assert torch.equal(whole, GradientMetricCollector(PNorm(net[3]))(losses(net)))


def test_a_module_without_trainable_parameters_warns():
    net = small_cnn()
    collector = GradientMetricCollector([PNorm(net), Max(nn.ReLU())])
    with pytest.warns(UserWarning, match="Max has no parameter that requires grad"):
        assert collector(losses(net))[:, 1].tolist() == [-torch.inf] * 6


def test_a_tensor_frozen_after_the_metric_was_made_is_refused():
    net = small_cnn()
    collector = GradientMetricCollector(PNorm(net[0].weight))
    net[0].weight.requires_grad_(False)
    with pytest.raises(ValueError, match="is frozen"):
        collector(losses(net))


def test_no_samples_give_no_rows():
    net = nn.Linear(3, 2)
    collector = GradientMetricCollector([Max(net), MeanStd(net)])
    assert collector(net(torch.ones(0, 3)).sum(1)).shape == (0, 3)


def test_meta_device():
    net = small_cnn().to("meta")
    loss = net(torch.empty(2, 1, 8, 8, device="meta")).sum(1)
    found = GradientMetricCollector([Max(net), MeanStd(net), PNorm(net)])(loss)
    assert found.shape == (2, 4)
    assert found.device == torch.device("meta")


def test_user_subclasses_work():
    class NonZero(Max):
        def _collect(self, grad):
            super()._collect(torch.count_nonzero(grad).float())

    net = nn.Linear(3, 2)
    found = GradientMetricCollector(NonZero(net))(net(torch.ones(2, 3)).sum(1))
    assert found.tolist() == [[6.0], [6.0]]
