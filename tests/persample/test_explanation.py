"""explain says, target by target, what was done and why."""

import pytest
import torch
from torch import nn

from raygrad import GradientMetricCollector, explain
from raygrad.metrics import MeanStd, PNorm


def mixed_net():
    torch.manual_seed(0)
    return nn.ModuleDict({"linear": nn.Linear(4, 6), "recurrent": nn.LSTM(6, 5, batch_first=True)})


def loss_of(net):
    hidden, _ = net["recurrent"](torch.tanh(net["linear"](torch.randn(3, 7, 4))))
    return hidden.square().sum((1, 2))


def test_rows_name_consumer_rule_and_reason():
    net = mixed_net()
    collector = GradientMetricCollector([MeanStd(net), PNorm(net["linear"])])
    with pytest.warns(UserWarning, match="one backward a sample, which is slow"):
        explanation = explain(collector, loss_of(net))
    rows = {row.target: row for row in explanation.rows}
    weight = rows["ModuleDict.linear.weight"]
    assert (weight.consumer, weight.kind, weight.how) == ("AddmmBackward0", "rule", "tiles")
    recurrent = rows["ModuleDict.recurrent.weight_ih_l0"]
    assert (recurrent.kind, recurrent.how) == ("reference", "reference")
    assert "has no rule" in recurrent.why
    assert 0 < explanation.referred < 1
    assert sum(row.share for row in explanation.rows) + explanation.elsewhere == pytest.approx(1)
    text = str(explanation)
    assert text.splitlines()[0].split() == [
        "target",
        "shape",
        "consumer",
        "by",
        "how",
        "share",
    ]
    assert "ModuleDict.linear.weight" in text
    assert "6x4" in text


def test_one_position_is_a_closed_form():
    net = nn.Linear(4, 6)
    explanation = explain(
        GradientMetricCollector(PNorm(net)), torch.sin(net(torch.randn(3, 4))).sum(1)
    )
    assert explanation.rows[0].how == "closed form"
    assert explanation.referred == 0
