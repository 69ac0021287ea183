"""Digits: half precision, confident samples, high powers, shifted entries, other batches."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from raygrad import GradientMetricCollector
from raygrad.losses import pseudo_label_cross_entropy
from raygrad.metrics import Max, Mean, MeanStd, Min, PNorm
from raygrad.persample.reduction import Scratch, of_rows
from raygrad.persample.reference import per_sample_gradients
from raygrad.persample.statistics import Wanted, merge


def metrics_of(net):
    return [Max(net), Min(net), MeanStd(net), PNorm(net), PNorm(net, p=2), PNorm(net, p=3)]


def cnn():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 20, 3, padding=1, stride=2),
        nn.GroupNorm(4, 20),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(20, 10),
    ).eval()


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.position = nn.Parameter(torch.randn(1, 17, 16))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(16, 2, 32, 0.0, F.gelu, batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, 0])


def transformer():
    torch.manual_seed(0)
    return Transformer().eval()


def images(samples=5, seed=0):
    return torch.randn(samples, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def reference(net, loss):
    rows = []
    for gradients in per_sample_gradients(loss, list(net.parameters())):
        metrics = metrics_of(net)
        for metric in metrics:
            metric([g.double() for g in gradients])
        rows.append(torch.cat([metric.data for metric in metrics]))
    return torch.stack(rows)


def relative(found, expected):
    """Errors of each column, those of max, min and mean relative to the gradient's size."""
    size = expected.abs().clone()
    size[:, :2] = expected[:, :2].abs().amax(1, keepdim=True)
    size[:, 2] = expected[:, 3]
    return ((found.double() - expected).abs() / size).amax(0)


@pytest.mark.parametrize("make", [cnn, transformer])
def test_whole_nets_are_within_1e_4_of_float64(make):
    net = make()
    found = GradientMetricCollector(metrics_of(net))(pseudo_label_cross_entropy(net(images())))
    net.double()
    expected = reference(net, pseudo_label_cross_entropy(net(images().double())))
    assert relative(found, expected).max() < 1e-4


def test_channels_last_is_taken():
    net = cnn()
    expected = GradientMetricCollector(metrics_of(net))(pseudo_label_cross_entropy(net(images())))
    net.to(memory_format=torch.channels_last)
    x = images().to(memory_format=torch.channels_last)
    found = GradientMetricCollector(metrics_of(net))(pseudo_label_cross_entropy(net(x)))
    assert relative(found, expected.double()).max() < 1e-4


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.02), (torch.float16, 0.003)])
@pytest.mark.parametrize("make", [cnn, transformer])
def test_pure_half_precision_gives_float32_statistics(make, dtype, tolerance):
    """Relative to backwards of the same half precision graph, whose gradients are rounded."""
    net = make().to(dtype)
    x = images().to(dtype)

    def make_loss():
        return (net(x).float() * torch.arange(10)).sin().sum(1)

    found = GradientMetricCollector(metrics_of(net))(make_loss())
    assert found.dtype == torch.float32
    assert relative(found, reference(net, make_loss())).max() < tolerance


@pytest.mark.parametrize("make", [cnn, transformer])
def test_autocast_is_taken(make):
    net = make()

    def make_loss():
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(images())
        return (logits.float() * torch.arange(10)).sin().sum(1)

    found = GradientMetricCollector(metrics_of(net))(make_loss())
    assert relative(found, reference(net, make_loss())).max() < 0.02


@pytest.mark.parametrize("gap", [1.0, 20.0, 30.0, 40.0])
def test_confident_samples_keep_their_digits(gap):
    """Gradients of 1e-18, whose squares are 0 in float32."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    x = torch.randn(3, 4)
    shift = torch.tensor([gap, 0.0, -1.0])

    def make_loss(model, dtype):
        return pseudo_label_cross_entropy(model(x.to(dtype)) * 0.1 + shift.to(dtype))

    metrics = [*metrics_of(net), PNorm(net, p=10)]
    found = GradientMetricCollector(metrics)(make_loss(net, torch.float32))
    net.double()
    expected = GradientMetricCollector(metrics)(make_loss(net, torch.float64))
    assert (expected[:, 5] < 10 * torch.e ** -(gap - 2)).all()
    assert relative(found, expected).max() < 1e-4


def test_float16_gradients_do_not_underflow():
    """Losses are weighted by powers of two, so that half precision keeps small gradients."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).half()
    x = torch.randn(3, 4).half()
    found = GradientMetricCollector(PNorm(net, p=2))((net(x) * 2**-12).float().sin().sum(1))
    net.double()
    expected = GradientMetricCollector(PNorm(net, p=2))((net(x.double()) * 2**-12).sin().sum(1))
    torch.testing.assert_close(found.double(), expected, rtol=0.01, atol=0)


def test_a_sample_scores_the_same_in_any_batch():
    net = cnn()
    collector = GradientMetricCollector(metrics_of(net))
    x = images(7)
    together = collector(pseudo_label_cross_entropy(net(x)))
    pairs = [collector(pseudo_label_cross_entropy(net(x[i : i + 2]))) for i in range(0, 6, 2)]
    alone = collector(pseudo_label_cross_entropy(net(x[6:])))
    assert relative(torch.cat([*pairs, alone]), together.double()).max() < 1e-4


def test_runs_repeat_bit_by_bit():
    net = transformer()
    collector = GradientMetricCollector(metrics_of(net))
    first = collector(pseudo_label_cross_entropy(net(images())))
    assert torch.equal(first, collector(pseudo_label_cross_entropy(net(images()))))


EVERYTHING = Wanted(True, True, True, True, frozenset({0.5, 1.0, 2.0, 3.0, 10.0, torch.inf}))


def test_std_of_shifted_entries_keeps_its_digits():
    rows = torch.randn(2, 50, dtype=torch.float64) * 1e-2 + 1.0
    parts = [of_rows(part.float(), EVERYTHING, Scratch()) for part in rows.split([20, 30], 1)]
    spread = merge(parts, EVERYTHING).spread
    torch.testing.assert_close(
        spread.double(), rows.float().double().var(1) * 49, rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("magnitude", [1e-12, 1.0, 1e12])
def test_norms_neither_underflow_nor_overflow(magnitude):
    rows = torch.randn(2, 50, dtype=torch.float64) * magnitude
    parts = [of_rows(part.float(), EVERYTHING, Scratch()) for part in rows.split([20, 30], 1)]
    for p, norm in merge(parts, EVERYTHING).norms.items():
        expected = torch.linalg.vector_norm(rows, p, 1)
        torch.testing.assert_close(norm.double(), expected, rtol=1e-5, atol=0)


def test_long_rows_keep_their_digits():
    rows = torch.randn(1, 2_000_000, generator=torch.Generator().manual_seed(0)) + 0.1
    found = of_rows(rows, EVERYTHING, Scratch())
    exact = of_rows(rows.double(), EVERYTHING, Scratch())
    for p in EVERYTHING.norms:
        torch.testing.assert_close(found.norms[p].double(), exact.norms[p], rtol=1e-5, atol=0)
    torch.testing.assert_close(found.spread.double(), exact.spread, rtol=1e-5, atol=0)
    torch.testing.assert_close(found.total.double(), exact.total, rtol=1e-5, atol=0)


def test_the_mean_of_outer_products_that_cancel_in_the_gram_form():
    """Positions that nearly annihilate each other: the Gram form alone would lose all digits."""
    torch.manual_seed(0)
    net = nn.Linear(40, 30, bias=False)
    x = torch.randn(3, 1, 40)
    x = torch.cat([x, -x * (1 + 1e-4)], 1)
    found = GradientMetricCollector([PNorm(net, p=2), MeanStd(net)])(net(x).sum((1, 2)))
    net.double()
    expected = GradientMetricCollector([PNorm(net, p=2), MeanStd(net)])(net(x.double()).sum((1, 2)))
    torch.testing.assert_close(found[:, 0].double(), expected[:, 0], rtol=1e-3, atol=0)
    torch.testing.assert_close(found[:, 2].double(), expected[:, 2], rtol=1e-3, atol=0)


def test_mean_alone_is_right():
    net = cnn()
    loss = pseudo_label_cross_entropy(net(images()))
    found = GradientMetricCollector([Mean(net)])(loss, retain_graph=True)
    expected = reference(net, loss)
    assert (
        (found[:, 0].double() - expected[:, 2]).abs() / expected[:, 2].abs().clamp(min=1e-4)
    ).max() < 1e-2
