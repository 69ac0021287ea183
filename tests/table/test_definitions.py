"""Every column of scores is defined, and says which of its ends is the suspicious one."""

import pytest

from raygrad.confidence import CONFIDENCE
from raygrad.losses import LOSSES
from raygrad.metrics import METRICS
from raygrad.table import schema
from raygrad.table.definitions import FORWARD, IN, LARGE_GRADIENTS, OUT, STATISTICS, definitions


def test_every_loss_metric_and_forward_score_is_defined():
    assert set(LARGE_GRADIENTS) == set(LOSSES)
    assert set(STATISTICS) == set(METRICS)
    assert set(FORWARD) == set(CONFIDENCE)


def test_every_column_of_scores_is_defined():
    metrics = {"all": ["max", "l1"], "features.0": ["l0.5"]}
    wanted = {*FORWARD, *schema.metric_columns(metrics)}
    assert set(definitions("uniform", metrics)) == wanted


@pytest.mark.parametrize(
    ("loss", "metric", "high"),
    [
        ("pseudo_label", "l1", OUT),
        ("pseudo_label", "linf", OUT),
        ("pseudo_label", "std", OUT),
        ("uniform", "l1", IN),
        ("uniform", "l0.5", IN),
        *((loss, metric, None) for loss in LOSSES for metric in ("max", "min", "mean")),
    ],
)
def test_a_direction_belongs_to_loss_and_metric_together(loss, metric, high):
    column = schema.metric_column("fc", metric)
    assert definitions(loss, {"fc": [metric]})[column]["high"] == high


def test_a_metric_is_defined_in_full():
    assert definitions("uniform", {"fc": ["l1"]})["fc_l1"] == {
        "definition": "p-norm of the gradient, p = 1",
        "high": "in-distribution",
        "loss": "uniform",
        "target": "fc",
        "metric": "l1",
    }


def test_of_the_forward_scores_entropy_alone_is_high_for_unusual_samples():
    found = definitions("uniform", {})
    assert {name: found[name]["high"] for name in FORWARD} == {
        "msp": IN,
        "max_logit": IN,
        "energy": IN,
        "entropy": OUT,
    }
