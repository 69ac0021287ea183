"""check finds what couples samples behind autograd's back."""

import math

import pytest
import torch
from torch import nn

from raygrad import check
from raygrad.losses import pseudo_label_cross_entropy


class DetachedScale(nn.Module):
    """Divides by a scale of the batch that autograd doesn't see."""

    def __init__(self, strength):
        super().__init__()
        self.layer = nn.Linear(5, 4)
        self.strength = strength

    def forward(self, x):
        hidden = self.layer(x)
        return hidden / (1 + self.strength * hidden.detach().abs().amax(0))


def images(samples=6):
    return torch.randn(samples, 5, generator=torch.Generator().manual_seed(0))


def test_an_honest_model_passes_with_float32_accuracy():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Linear(8, 4))
    result = check(net, pseudo_label_cross_entropy, images())
    assert result.passed
    assert result.error < 1e-4
    assert result.samples == (0, 2, 4)
    assert next(net.parameters()).dtype == torch.float32


def test_a_detached_batch_scale_is_caught():
    torch.manual_seed(0)
    result = check(DetachedScale(1.0), pseudo_label_cross_entropy, images())
    assert not result.passed
    assert result.error > 0.1


def test_tokens_stay_integers():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(20, 3))
    tokens = torch.randint(9, (4, 5), generator=torch.Generator().manual_seed(0))
    assert check(net, pseudo_label_cross_entropy, tokens, samples=10).samples == (0, 1, 2, 3)


def test_nan_does_not_pass():
    net = nn.Linear(5, 4)
    x = images()
    x[0, 0] = math.nan
    result = check(net, pseudo_label_cross_entropy, x)
    assert math.isnan(result.error)
    assert not result.passed


def test_targets_restrict_what_is_looked_at():
    torch.manual_seed(0)
    net = nn.Sequential(DetachedScale(1.0), nn.Linear(4, 3))
    with pytest.raises(ValueError, match="no parameters of the model"):
        check(net, pseudo_label_cross_entropy, images(), targets=[nn.Linear(1, 1).weight])
    assert check(
        net, pseudo_label_cross_entropy, images(), targets=[net[1].weight], samples=1
    ).samples == (0,)


def test_nothing_to_check_is_refused():
    with pytest.raises(ValueError, match="use 1 or more"):
        check(nn.Linear(5, 4), pseudo_label_cross_entropy, images(0))
    with pytest.raises(ValueError, match="no parameter requires grad"):
        check(nn.Linear(5, 4).requires_grad_(False), pseudo_label_cross_entropy, images())
