"""Each sample gets its own gradient, wherever its slices lie; samples that mix are found."""

import pytest
import torch
import torch.nn.functional as F
from cases import loss_of
from torch import nn

from raygrad.collector import GradientMetricCollector
from raygrad.errors import SamplesInteractError
from raygrad.metrics import Max, Mean, MeanStd, Min, PNorm
from raygrad.persample.engine import Engine, Target
from raygrad.persample.reference import per_sample_gradients
from raygrad.persample.statistics import Wanted


def metrics_of(net):
    return [Max(net), Min(net), MeanStd(net), PNorm(net), PNorm(net, p=2)]


def plans_of(loss, net):
    return Engine(loss, [Target(p, Wanted(True)) for p in net.parameters()]).plans


def kinds(loss, net):
    return {plan.kind for plan in plans_of(loss, net)}


def expected(make_loss, net):
    rows = []
    for gradients in per_sample_gradients(make_loss(), list(net.parameters())):
        metrics = metrics_of(net)
        for metric in metrics:
            for parameter, gradient in zip(net.parameters(), gradients, strict=True):
                metric(torch.zeros_like(parameter) if gradient is None else gradient)
        rows.append(torch.cat([metric.data for metric in metrics]))
    return torch.stack(rows)


def assert_right(make_loss, net, kind="rule"):
    assert kinds(make_loss(), net) == {kind}
    found = GradientMetricCollector(metrics_of(net))(make_loss())
    torch.testing.assert_close(found, expected(make_loss, net), rtol=1e-9, atol=1e-14)


def small_net(inputs=5, outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs)).double()


def batch(*shape, seed=1):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_a_batch_of_one_is_one_plain_backward():
    net, x = small_net(), batch(1, 5)
    assert_right(lambda: loss_of(net(x)), net, kind="reference")


@pytest.mark.parametrize("axis", [0, 1])
def test_as_many_samples_as_positions(axis):
    """Shapes alone can't tell the axes apart."""
    net, x = small_net(), batch(4, 4, 5)
    assert_right(lambda: loss_of(net(x), axis), net)


def test_as_many_samples_as_features():
    net, x = small_net(5, 5), batch(5, 5)
    assert_right(lambda: loss_of(net(x)), net)


def test_sorted_samples():
    net, x = small_net(), batch(6, 5)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert_right(lambda: loss_of(net(x[order])[order.argsort()]), net)


def test_more_samples_than_one_pass_tells_apart():
    net, x = small_net(), batch(130, 5)
    order = torch.randperm(130, generator=torch.Generator().manual_seed(0))
    assert_right(lambda: loss_of(net(x[order])[order.argsort()]), net)


def test_packed_samples():
    """Sequences of other lengths, laid end to end without padding."""
    net, x = small_net(), batch(4, 6, 5)
    mask = torch.arange(6) < torch.tensor([[6], [2], [4], [1]])

    def make_loss():
        padded = torch.zeros(4, 6, 3, dtype=torch.float64).masked_scatter(
            mask[..., None], net(x[mask])
        )
        return loss_of(padded)

    assert_right(make_loss, net)


def test_packed_embeddings():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(7, 5), nn.Linear(5, 3)).double()
    tokens = torch.randint(7, (4, 6), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(6) < torch.tensor([[6], [2], [4], [1]])

    def make_loss():
        flat = net(tokens[mask])
        rows = torch.arange(4)[:, None].expand(4, 6)[mask]
        return torch.zeros(4, dtype=torch.float64).index_add(0, rows, torch.sin(flat).sum(1))

    assert_right(make_loss, net)


class Routed(nn.Module):
    """Each sample's positions go to the expert that scores them highest."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(5, 3, bias=False)
        self.experts = nn.ModuleList([nn.Linear(5, 4) for _ in range(3)])

    def forward(self, x):
        scores = self.gate(x).softmax(-1)
        best = scores.argmax(-1)
        out = x.new_zeros(*x.shape[:-1], 4)
        for index, expert in enumerate(self.experts):
            chosen = best == index
            out[chosen] = expert(x[chosen]) * scores[chosen][:, index, None]
        return out


def test_routed_samples():
    """Experts that some samples don't reach get zeros for these."""
    torch.manual_seed(0)
    net, x = Routed().double(), batch(5, 3, 5)
    assert_right(lambda: loss_of(net(x)), net)


def test_folded_windows_and_heads():
    net, x = small_net(), batch(3, 8, 5)

    def make_loss():
        folded = x.view(3, 4, 2, 5).transpose(1, 2).reshape(6, 4, 5)
        return loss_of(net(folded).view(3, -1))

    assert_right(make_loss, net)


def test_views_of_one_sample_in_one_batch():
    """Two crops a sample, tiled after one another."""
    net, x = small_net(), batch(8, 5)
    assert_right(lambda: loss_of(sum(net(x).chunk(2))), net)


def test_pooling_at_the_last_token_is_followed_without_a_probe(monkeypatch):
    from raygrad.persample import decide

    monkeypatch.setattr(decide, "probe", None)
    net, x = small_net(), batch(4, 6, 5)
    last = torch.tensor([5, 1, 3, 0])
    assert_right(lambda: loss_of(net(x)[torch.arange(4), last]), net)


def test_common_nets_are_proven_without_a_probe(monkeypatch):
    from raygrad.persample import decide

    monkeypatch.setattr(decide, "probe", None)
    torch.manual_seed(0)
    net = nn.TransformerEncoderLayer(8, 2, 16, 0.0).double()
    head = nn.Linear(8, 3).double()
    x = batch(4, 5, 8)
    both = nn.ModuleList([net, head])

    def make_loss():
        logits = head(net(x).mean(0))
        return F.cross_entropy(logits, logits.argmax(1), reduction="none")

    assert kinds(make_loss(), both) == {"rule"}


def weak_mean(h):
    return h + 1e-4 * h.mean(0)


def sometimes(h):
    """The mean of tanh is below 1, so nothing mixes in this batch, or in any."""
    return h + torch.relu(h.mean(0) - 1)


def earlier_samples(h):
    return h + 1e-4 * h.cumsum(0)


def similarity(h):
    return (h @ h.t()).softmax(1) @ h


@pytest.mark.parametrize("mix", [weak_mean, sometimes, earlier_samples, similarity])
def test_interacting_samples_are_found(mix):
    torch.manual_seed(0)
    first, last = nn.Linear(5, 8).double(), nn.Linear(8, 3).double()
    net = nn.ModuleList([first, last])
    x = batch(4, 5)

    def make_loss():
        return loss_of(last(mix(torch.tanh(first(x)))))

    plans = plans_of(make_loss(), net)
    assert [plan.kind for plan in plans] == ["reference", "reference", "rule", "rule"]
    assert all(plan.mixed is not None for plan in plans[:2])
    collector = GradientMetricCollector(metrics_of(net))
    with pytest.warns(UserWarning, match=r"samples of the batch interact: .* above target|above"):
        found = collector(make_loss())
    torch.testing.assert_close(found, expected(make_loss, net), rtol=1e-9, atol=1e-14)


def twice_linear():
    net, x = nn.Linear(5, 3).double(), batch(4, 5)
    return net, lambda: loss_of(net(x) + 1e-4 * net(x).mean(0))


def twice_convolution():
    net, x = nn.Conv2d(2, 3, 3).double(), batch(4, 2, 5, 5)
    return net, lambda: loss_of(net(x).mean((2, 3)) + 1e-4 * net(x).mean((0, 2, 3)))


def twice_embedding():
    net = nn.Embedding(7, 3).double()
    tokens = torch.randint(7, (4, 6), generator=torch.Generator().manual_seed(0))
    return net, lambda: loss_of(net(tokens).mean(1) + 1e-4 * net(tokens).mean((0, 1)))


def through_a_view():
    net, x = nn.Linear(5, 3).double(), batch(4, 5)
    return net, lambda: loss_of(net(x) + 1e-4 * torch.tanh(net(x[:3])).amax(0))


@pytest.mark.parametrize("make", [twice_linear, twice_convolution, twice_embedding, through_a_view])
def test_a_layer_called_for_samples_and_for_the_batch_is_found(make):
    """The data has no graph, so the second call looks like something made from weights alone."""
    torch.manual_seed(0)
    net, make_loss = make()
    strict = GradientMetricCollector(Mean(net), on_interaction="raise")
    with pytest.raises(SamplesInteractError, match="reads the samples for a value that all"):
        strict(make_loss())
    with pytest.warns(UserWarning, match="reads the samples for a value that all of them share"):
        found = GradientMetricCollector(metrics_of(net))(make_loss())
    torch.testing.assert_close(found, expected(make_loss, net), rtol=1e-9, atol=1e-14)


def test_data_that_all_samples_share_may_be_read_by_both_sides():
    """One mask of the weights and, expanded, of the samples; one table's rows, for all of them."""
    torch.manual_seed(0)
    net = nn.ModuleDict({"lin": nn.Linear(6, 6), "table": nn.Embedding(6, 6)}).double()
    x, mask, places = batch(4, 6), batch(6), torch.arange(6)

    def make_loss():
        rows = net["table"](places.expand(4, 6)).mean(1) + net["table"](places).mean(0)
        return loss_of(F.linear(x * mask, net["lin"].weight * mask) + mask.expand(4, 6) * rows)

    assert {plan.mixed for plan in plans_of(make_loss(), net)} == {None}


def train_mode_net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)
    ).double()


def train_mode_loss(net):
    return loss_of(net(batch(4, 2, 4, 4)))


def test_batch_norm_in_train_mode_goes_to_the_reference_with_a_warning_that_names_it():
    net = train_mode_net()
    with pytest.warns(UserWarning, match=r"NativeBatchNormBackward0 normalises over the batch"):
        found = GradientMetricCollector(metrics_of(net))(train_mode_loss(net))
    torch.testing.assert_close(
        found, expected(lambda: train_mode_loss(net), net), rtol=1e-9, atol=1e-14
    )


def test_the_warning_comes_once():
    net = train_mode_net()
    collector = GradientMetricCollector(Mean(net))
    with pytest.warns(UserWarning, match="interact"):
        collector(train_mode_loss(net))
    collector(train_mode_loss(net))


def test_interaction_can_raise():
    net = train_mode_net()
    collector = GradientMetricCollector(Mean(net), on_interaction="raise")
    with pytest.raises(SamplesInteractError, match=r"above Sequential\.0\.weight.*model\.eval"):
        collector(train_mode_loss(net))
    GradientMetricCollector(Mean(net[4]), on_interaction="raise")(train_mode_loss(net))


def test_interaction_can_give_nan_for_these_targets_only():
    net = train_mode_net()
    collector = GradientMetricCollector([Mean(net), MeanStd(net[4])], on_interaction="nan")
    with pytest.warns(UserWarning, match="interact"):
        found = collector(train_mode_loss(net))
    assert found[:, 0].isnan().all()
    assert found[:, 1:].isfinite().all()


def test_a_wrong_policy_is_refused():
    with pytest.raises(ValueError, match="use 'reference', 'raise' or 'nan'"):
        GradientMetricCollector(Mean(nn.Linear(1, 1)), on_interaction="ignore")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_probe_works_in_every_precision(dtype):
    net, x = small_net().to(dtype), batch(70, 5).to(dtype)
    order = torch.randperm(70, generator=torch.Generator().manual_seed(0))
    loss = loss_of(net(x[order])[order.argsort()])
    assert kinds(loss, net) == {"rule"}
