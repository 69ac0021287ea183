"""Rules for ops that this machine doesn't record, or not in float64, called as they would be."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from raygrad import GradientMetricCollector
from raygrad.metrics import Max, MeanStd, PNorm
from raygrad.persample.ownership import Axis
from raygrad.persample.reference import per_sample_gradients
from raygrad.persample.rules import RULES, Use


def gradients_of(use_of, saved, output, grad, parameter):
    """What the rule gives for a node that saved these values, shape (N, *parameter.shape)."""
    fake = SimpleNamespace(**{f"_saved_{name}": value for name, value in saved.items()})
    node, position = use_of
    samples = output.shape[0]
    use = Use(fake, position, Axis(0), samples, tuple(parameter.shape), tuple(output.shape))
    rule = RULES[node][position]
    assert rule.refuses(use) is None
    assert all(saved[name] is not None for name in rule.needs)
    return rule.gradient(use, grad).dense(0, samples)


def expected_of(output, grad, parameter):
    loss = (output * grad).flatten(1).sum(1)
    return torch.stack([row[0] for row in per_sample_gradients(loss, [parameter])])


@pytest.mark.parametrize("position", [1, 2])
def test_the_linear_op_of_other_backends(position):
    torch.manual_seed(0)
    layer = nn.Linear(4, 5)
    x = torch.randn(3, 2, 4)
    output = layer(x)
    grad = torch.randn_like(output)
    parameter = [None, layer.weight, layer.bias][position]
    found = gradients_of(("LinearBackward0", position), {"input": x}, output, grad, parameter)
    torch.testing.assert_close(found, expected_of(output, grad, parameter))


@pytest.mark.parametrize("position", [1, 2])
def test_batch_norm_of_cudnn(position):
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(3).eval()
    layer.running_mean.normal_()
    layer.running_var.uniform_(0.5, 2)
    x = torch.randn(4, 3, 2, 5)
    output = layer(x)
    grad = torch.randn_like(output)
    saved = {
        "input": x,
        "running_mean": layer.running_mean,
        "running_var": layer.running_var,
        "epsilon": layer.eps,
        "training": False,
    }
    parameter = [None, layer.weight, layer.bias][position]
    found = gradients_of(("CudnnBatchNormBackward0", position), saved, output, grad, parameter)
    torch.testing.assert_close(found, expected_of(output, grad, parameter))


def test_fused_rms_norm():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(6))
    x = torch.randn(3, 2, 6)
    output = F.rms_norm(x, (6,), weight, 1e-5)
    grad = torch.randn_like(output)
    saved = {
        "input": x,
        "result1": (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt(),
        "normalized_shape": (6,),
    }
    found = gradients_of(("FusedRmsNormBackward0", 1), saved, output, grad, weight)
    torch.testing.assert_close(found, expected_of(output, grad, weight))


@pytest.mark.skipif(not hasattr(torch, "_grouped_mm"), reason="torch has no grouped_mm")
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [3, 0, 4, 2, 1]])
def test_grouped_experts(order):
    """Rows sorted by expert; the middle expert gets none, so its gradients are zeros."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(3, 8, 8))
    x = torch.randn(5, 8)
    ends = torch.tensor([2, 2, 5], dtype=torch.int32)
    order = torch.tensor(order)

    def make_loss():
        return torch._grouped_mm(x, weight, offs=ends)[order].sin().sum(1)

    metrics = [Max(weight), MeanStd(weight), PNorm(weight)]
    found = GradientMetricCollector(metrics)(make_loss())
    rows = []
    for (gradient,) in per_sample_gradients(make_loss(), [weight]):
        for metric in metrics:
            metric.reset()
            metric(gradient)
        rows.append(torch.cat([metric.data for metric in metrics]))
    torch.testing.assert_close(found, torch.stack(rows))
