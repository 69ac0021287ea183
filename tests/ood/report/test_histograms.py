"""Histograms, their axes and thresholds, and rank correlations, against slow computations."""

import math

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats
from made_tables import made_scores

from raygrad.ood.report.correlations import spearman
from raygrad.ood.report.histograms import BINS, histograms, threshold
from raygrad.ood.report.numbers import MINUS, fixed
from raygrad.ood.report.scales import Scale, scale_for
from raygrad.ood.report.sets import Role, counted
from raygrad.ood.rows import Rows, Score
from raygrad.table.definitions import IN, OUT

RANDOM = np.random.default_rng(0)


def drawn(rows: Rows, name: str, role: Role = Role.IN):
    part = counted(role, rows)
    (found,) = histograms([part], [rows.scores[name]], [part.sample([name])])
    return found


@pytest.mark.parametrize("name", ["fc_l1", "fc_mean", "msp", "entropy"])
def test_bars_are_those_of_numpy(table_of, name):
    rows = Rows(table_of({"": made_scores(3000, shift=0, seed=3, failed=9)}))
    found = drawn(rows, name)
    edges = [found.scale.value(bar / BINS) for bar in range(BINS + 1)]
    values = np.clip(rows.columns([name])[name].astype("f8"), edges[0], edges[-1])
    expected, _ = np.histogram(values, edges)
    assert found.shares[0] * 2991 == pytest.approx(expected, abs=1.01), "a value on an edge"
    assert np.abs(found.shares[0] * 2991 - expected).sum() <= 4
    assert found.shares[0].sum() == pytest.approx(1)


def test_scores_that_are_nan_are_counted_and_not_drawn(table_of):
    rows = made_scores(50, shift=0, seed=0)
    values = rows["fc_l1"].to_numpy().copy()
    values[:4], values[4] = np.nan, np.inf
    changed = rows.set_column(rows.column_names.index("fc_l1"), "fc_l1", pa.array(values))
    found = drawn(Rows(table_of({"": changed})), "fc_l1")
    assert found.missing == [4]
    assert found.shares[0].sum() == pytest.approx(1)
    assert found.shares[0][-1] >= 1 / 46, "an infinite score lies beyond the end"


@pytest.mark.parametrize(("name", "high"), [("fc_l1", OUT), ("msp", IN)])
def test_the_threshold_is_the_score_at_its_rank(table_of, name, high):
    rows = Rows(table_of({"": made_scores(99, shift=0, seed=0)}))
    suspicious_last = sorted(rows.columns([name])[name].tolist(), reverse=high == IN)
    assert threshold(rows, rows.scores[name]) == suspicious_last[math.ceil(100 * 0.95) - 1]


def test_no_threshold_without_a_direction_or_with_too_few_rows(table_of):
    rows = Rows(table_of({"": made_scores(18, shift=0, seed=0)}))
    assert threshold(rows, rows.scores["fc_mean"]) is None
    assert threshold(rows, rows.scores["fc_l1"]) is None, "rank 19 of 18"


def test_scores_that_are_nan_are_the_most_unusual_of_all(table_of):
    rows = made_scores(40, shift=0, seed=0)
    values = rows["fc_l1"].to_numpy().copy()
    values[:5] = np.nan
    changed = rows.set_column(rows.column_names.index("fc_l1"), "fc_l1", pa.array(values))
    table = Rows(table_of({"": changed}))
    assert threshold(table, table.scores["fc_l1"]) is None, "rank 39 of 40 is one of the five"


@pytest.mark.parametrize(
    ("values", "sign", "origin"),
    [
        (RANDOM.normal(0, 1, 5000), 0, 0),
        (RANDOM.lognormal(0, 2, 5000), 1, 0),
        (-RANDOM.lognormal(0, 2, 5000), -1, 0),
        (1 - np.minimum(RANDOM.lognormal(-7, 2, 5000), 1), -1, 1),
        (RANDOM.uniform(0.4, 0.6, 5000), 0, 0),
    ],
    ids=["symmetric", "sizes", "negative sizes", "probabilities near 1", "uniform"],
)
def test_axes_are_logarithmic_where_scores_are_skewed(values, sign, origin):
    scale = scale_for(values)
    assert (scale.sign, scale.origin) == (sign, origin)
    places = scale.place(np.sort(values))
    assert (np.diff(places) >= 0).all(), "larger is to the right"
    assert 0.001 <= np.mean(places == 1) <= 0.0022
    inside = values[(scale.place(values) > 0) & (scale.place(values) < 1)][:50]
    back = [scale.value(place) for place in scale.place(inside)]
    assert back == pytest.approx(inside)


@pytest.mark.parametrize(
    ("scale", "texts"),
    [
        (Scale(0, 10), ["0", "2", "4", "6", "8", "10"]),
        (Scale(-0.05, 0.05), ["-0.04", "-0.02", "0", "0.02", "0.04"]),
        (Scale(-4, 2, 1), ["10⁻⁴", "0.001", "0.01", "0.1", "1", "10", "100"][::2]),
        (Scale(0, 1, 1), ["1", "2", "5", "10"]),
        (Scale(0, 5, -1, 1), ["0", "0.9", "0.99", "0.999", "0.9999", "1-10⁻⁵"]),
        (Scale(-3, -1, -1), ["-1000", "-100", "-10"]),
        (Scale(5, 7, 1), ["10⁵", "10⁶", "10⁷"]),
    ],
)
def test_ticks_are_round_numbers_at_their_places(scale, texts):
    ticks = sorted(scale.ticks())
    assert [text.replace(MINUS, "-") for _, text in ticks] == texts
    assert not any("-" in text for _, text in ticks), "a minus sign is no hyphen"
    assert all(-1e-9 <= place <= 1 + 1e-9 for place, _ in ticks)


@pytest.mark.parametrize("values", [[], [3.0], [0.0] * 9, [1e-12] * 4, [-5.0, -5.0], [1.0] * 3])
def test_axes_of_few_or_equal_scores_have_a_width_and_ticks(values):
    scale = scale_for(np.array(values, np.float32))
    assert scale.low < scale.high
    assert scale.ticks()
    assert np.isfinite(scale.place(np.array([-np.inf, 0, np.inf]))).all()


def test_correlations_are_those_of_scipy():
    sample = {
        "a": RANDOM.normal(size=500).astype("f4"),
        "b": RANDOM.integers(0, 5, 500).astype("f4"),  # many ties
        "c": RANDOM.lognormal(size=500).astype("f4"),
    }
    sample["c"] += sample["a"]
    expected = scipy.stats.spearmanr(np.stack(list(sample.values()), axis=1)).statistic
    assert spearman(sample, list(sample)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"), [(-0.001, "0.00"), (-0.128, f"{MINUS}0.13"), (1, "1.00"), (0.995, "0.99")]
)
def test_what_rounds_to_zero_has_no_sign(value, text):
    assert fixed(value, 2) == text


def test_correlations_without_rows_or_variation_are_unknown():
    assert np.isnan(spearman({"a": np.ones(1), "b": np.ones(1)}, ["a", "b"])).all()
    found = spearman({"a": np.ones(9), "b": np.arange(9.0)}, ["a", "b"])
    assert np.isnan(found[0, 1])
    assert found[1, 1] == pytest.approx(1)


def test_rows_with_nan_are_left_out_of_correlations():
    sample = {"a": np.array([1, 2, 3, np.nan]), "b": np.array([3, 2, 1, 0.0])}
    assert spearman(sample, ["a", "b"])[0, 1] == pytest.approx(-1)


def test_a_score_without_rows_is_an_empty_picture(table_of):
    from raygrad.ood.report.svg.histogram import draw

    rows = Rows(table_of({"": made_scores(5, shift=0, seed=0, failed=5)}), "true")
    part = counted(Role.UNKNOWN, rows)
    score = Score("fc_l1", "x", OUT)
    (found,) = histograms([part], [score], [part.sample(["fc_l1"])])
    assert "nothing: no scores." in draw(found, ["nothing"], "h")
