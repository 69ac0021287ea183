"""Every column of scores is defined, and says which of its ends is the suspicious one."""

import pytest

from raygrad.confidence import CONFIDENCE, LAST_LAYER
from raygrad.losses import LOSSES
from raygrad.metrics import METRICS
from raygrad.table import schema
from raygrad.table.definitions import IN, OUT, STATISTICS, definitions

LARGE = {
    "pseudo_label": OUT,
    "uniform": IN,
    "confounding": None,
    "target": None,
    "exgrad": OUT,
    "mine:loss": None,
}
HIGH = {
    "msp": IN,
    "max_logit": IN,
    "energy": IN,
    "entropy": OUT,
    "margin": IN,
    "gen": OUT,
    "gradnorm": IN,
    "feature_l1": IN,
    "gradnorm_output": IN,
    "exgrad": OUT,
}


def test_every_loss_metric_and_forward_score_is_defined():
    assert set(LARGE) == {*LOSSES, "mine:loss"}
    assert set(HIGH) == {*CONFIDENCE, *LAST_LAYER}
    assert set(STATISTICS) == set(METRICS)


@pytest.mark.parametrize("last_layer", [None, "fc"])
def test_every_column_of_scores_is_defined(last_layer):
    metrics = {"all": ["max", "l1"], "features.0": ["l0.5"]}
    columns = schema.score_columns(schema.scores([], metrics, last_layer))
    assert list(definitions("uniform", metrics, last_layer=last_layer)) == columns


@pytest.mark.parametrize("loss", LARGE)
@pytest.mark.parametrize("metric", ["l1", "l0.5", "linf", "std", "max", "min", "mean"])
def test_a_direction_belongs_to_loss_and_metric_together(loss, metric):
    column = schema.metric_column("fc", metric)
    high = None if metric in ("max", "min", "mean") else LARGE[loss]
    assert definitions(loss, {"fc": [metric]})[column]["high"] == high


def test_a_metric_is_defined_in_full():
    assert definitions("uniform", {"fc": ["l1"]})["fc_l1"] == {
        "definition": "p-norm of the gradient, p = 1",
        "high": "in-distribution",
        "loss": "uniform",
        "target": "fc",
        "metric": "l1",
    }


def test_a_temperature_is_told_where_it_counts():
    found = definitions("uniform", {"fc": ["l1"]}, temperature=2.5, last_layer="fc")
    for column in ("fc_l1", *LAST_LAYER):
        assert found[column]["definition"].endswith("; softmax temperature 2.5")
    assert all("temperature" not in found[name]["definition"] for name in CONFIDENCE)


def test_an_expectation_over_some_labels_is_called_approximate():
    assert "approximate" in definitions("exgrad", {"fc": ["l1"]})["fc_l1"]["definition"]
    assert "approximate" not in definitions("target", {"fc": ["l1"]})["fc_l1"]["definition"]


def test_the_last_layer_is_named():
    found = definitions("uniform", {}, last_layer="head.fc")
    assert all("; last layer head.fc" in found[name]["definition"] for name in LAST_LAYER)


@pytest.mark.parametrize("column", HIGH)
def test_the_direction_of_each_forward_score(column):
    assert definitions("target", {}, last_layer="fc")[column]["high"] == HIGH[column]
