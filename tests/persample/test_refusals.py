"""What autograd refuses is refused with a reason and a cure; what it can do, the reference does."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from raygrad import GradientMetricCollector
from raygrad.errors import RefusedModelError
from raygrad.metrics import Max, Mean, MeanStd, PNorm
from raygrad.persample.refusals import REFUSED


def net_and_input():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)), torch.randn(4, 5)


def test_every_refusal_has_a_reason_and_a_cure():
    assert all(refusal.reason and refusal.cure for refusal in REFUSED.values())


def test_complex_parameters():
    weight = nn.Parameter(torch.randn(3, 5, dtype=torch.complex64))
    loss = (torch.randn(4, 5) @ weight.t().real).sum(1)
    with pytest.raises(RefusedModelError, match=r"is complex.*leave it out"):
        GradientMetricCollector(Max(weight))(loss)


def test_sharded_parameters():
    layer = nn.Linear(5, 3)
    layer.weight._is_flat_param = True  # what FSDP marks its flat parameters with
    with pytest.raises(RefusedModelError, match="score an unsharded replica"):
        GradientMetricCollector(Max(layer))(layer(torch.randn(4, 5)).sum(1))


def test_reentrant_checkpoints():
    net, x = net_and_input()
    hidden = checkpoint(net[:2], x.requires_grad_(), use_reentrant=True)
    with pytest.raises(RefusedModelError, match="use_reentrant=False"):
        GradientMetricCollector(Mean(net))(net[2](hidden).sin().sum(1))


def test_other_checkpoints_go_to_the_reference():
    net, x = net_and_input()
    expected = GradientMetricCollector([MeanStd(net), PNorm(net)])(net(x).sin().sum(1))
    loss = net[2](checkpoint(net[:2], x, use_reentrant=False)).sin().sum(1)
    collector = GradientMetricCollector([MeanStd(net), PNorm(net)])
    with pytest.warns(UserWarning, match=r"saved tensors are recomputed"):
        torch.testing.assert_close(collector(loss), expected)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return 2 * x * weight

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        return 2 * grad * weight, (2 * grad * x).sum(0)


def test_custom_functions_go_to_the_reference_for_their_parameters_only():
    net, x = net_and_input()
    scale = nn.Parameter(torch.randn(3))
    both = nn.ParameterList([*net.parameters(), scale])
    expected = GradientMetricCollector([MeanStd(both), PNorm(both)])(
        (net(x) * 2 * scale).sin().sum(1)
    )
    collector = GradientMetricCollector([MeanStd(both), PNorm(both)])
    with pytest.warns(UserWarning, match="DoubledBackward has no rule") as caught:
        found = collector(Doubled.apply(net(x), scale).sin().sum(1))
    torch.testing.assert_close(found, expected)
    assert len(caught) == 1
    assert "Sequential" not in str(caught[0].message)


def recurrent_losses(net, x):
    return lambda rows=slice(None): net(x[rows])[0].sin().sum((1, 2))


def alone(net, make_loss, samples):
    single = GradientMetricCollector([MeanStd(net), PNorm(net)])
    return torch.cat([single(make_loss(slice(i, i + 1))) for i in range(samples)])


def test_recurrent_kernels_go_to_the_reference():
    torch.manual_seed(0)
    net = nn.LSTM(4, 5, batch_first=True)
    make_loss = recurrent_losses(net, torch.randn(3, 6, 4))
    collector = GradientMetricCollector([MeanStd(net), PNorm(net)])
    with pytest.warns(UserWarning, match="one backward a sample"):
        found = collector(make_loss())
    torch.testing.assert_close(found, alone(net, make_loss, 3))


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_that_pytorch_spells_out_have_rules(layer):
    """In float64 there is no kernel, so weights are simply used once a step."""
    torch.manual_seed(0)
    net = layer(4, 5, batch_first=True).double()
    make_loss = recurrent_losses(net, torch.randn(3, 6, 4, dtype=torch.float64))
    found = GradientMetricCollector([MeanStd(net), PNorm(net)])(make_loss())
    torch.testing.assert_close(found, alone(net, make_loss, 3))
