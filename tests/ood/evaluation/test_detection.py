"""Measures of detection equal scikit-learn's on the same numbers, ties and infinities included."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from raygrad.ood.evaluation import MEASURES, detection
from raygrad.table.definitions import IN, OUT


def by_sklearn(inside, outside) -> dict[str, float]:
    is_ood = np.r_[np.zeros(len(inside)), np.ones(len(outside))]
    # scikit-learn refuses infinities; its order is all that counts.
    suspicion = np.unique(np.r_[inside, outside], return_inverse=True)[1].astype(float)
    lost, caught, _ = roc_curve(is_ood, suspicion, drop_intermediate=False)
    missed, kept, _ = roc_curve(1 - is_ood, -suspicion, drop_intermediate=False)
    return {
        "auroc": roc_auc_score(is_ood, suspicion),
        "aupr_in": average_precision_score(1 - is_ood, -suspicion),
        "aupr_out": average_precision_score(is_ood, suspicion),
        "lost_at_95_caught": lost[np.argmax(caught >= 0.95 - 1e-12)],
        "missed_at_95_kept": missed[np.argmax(kept >= 0.95 - 1e-12)],
    }


def assert_equal(found, expected) -> None:
    for name in MEASURES:
        assert getattr(found, name) == pytest.approx(expected[name], rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("kind", ["distinct", "ties", "float64", "integers", "half", "infinite"])
def test_equal_to_scikit_learn(kind, random, block_size):
    inside, outside = random.normal(0, 1, 400), random.normal(1, 1.5, 130)
    change = {
        "distinct": lambda x: x.astype("f4"),
        "ties": lambda x: x.round(1).astype("f4"),
        "float64": lambda x: 1 + x * 1e-12,  # all the same in float32
        "integers": lambda x: (3 * x).astype(int),
        "half": lambda x: x.astype("f2"),
        "infinite": lambda x: np.where(np.abs(x) > 1.5, np.copysign(np.inf, x), x).astype("f4"),
    }[kind]
    inside, outside = change(inside), change(outside)
    found = detection(inside, outside)
    assert_equal(found, by_sklearn(inside, outside))
    assert (found.usual, found.unusual) == (400, 130)


FEW_VALUES = st.sampled_from([-np.inf, -2.0, -0.0, 0.0, 1e-40, 1.0, 3.5, np.inf])
SCORES = st.lists(FEW_VALUES, min_size=1, max_size=30).map(lambda x: np.array(x, "f4"))


@settings(deadline=None)
@given(SCORES, SCORES)
def test_equal_to_scikit_learn_on_any_sets(inside, outside):
    found = detection(inside, outside)
    assert_equal(found, by_sklearn(inside, outside))
    assert 0 <= found.auroc_low <= found.auroc <= found.auroc_high <= 1


@settings(deadline=None)
@given(SCORES, SCORES)
def test_the_other_direction_is_the_mirror_image(inside, outside):
    found, mirrored = detection(inside, outside, IN), detection(outside, inside, OUT)
    assert found.auroc == pytest.approx(mirrored.auroc, rel=1e-12, abs=1e-12)
    assert_equal(found, by_sklearn(-inside, -outside))


@pytest.mark.parametrize("high", [IN, OUT])
def test_nan_is_the_most_suspicious(high):
    inside, outside = np.array([1, 2, 3], "f4"), np.array([np.nan, 2], "f4")
    worst = np.float32(-np.inf if high == IN else np.inf)
    found = detection(inside, outside, high)
    assert found == detection(inside, np.array([worst, 2], "f4"), high)
    assert found.auroc == (3 + 1.5) / 6


@pytest.mark.parametrize("rows", [20, 40, 60, 100, 140])
def test_95_percent_of_a_round_number_of_rows_is_no_row_too_many(rows):
    """0.95 * 20 is 19 rows; of a threshold that catches 19, the one row below is lost."""
    outside = np.arange(rows, dtype="f4")
    spared = rows // 20
    inside = np.array([spared - 0.5, spared + 0.5], "f4")
    assert detection(inside, outside).lost_at_95_caught == 0.5
    assert detection(-outside, -inside).missed_at_95_kept == 0.5


def test_a_score_that_knows_nothing():
    found = detection(np.ones(40, "f4"), np.ones(10, "f4"))
    assert (found.auroc, found.aupr_in, found.aupr_out) == (0.5, 0.8, 0.2)
    assert (found.lost_at_95_caught, found.missed_at_95_kept) == (1, 1)
    assert found.auroc_low + found.auroc_high == pytest.approx(1)
    assert found.auroc_low == pytest.approx(0.025**0.1 / 2)


@pytest.mark.parametrize(("shift", "auroc"), [(9, 1), (-9, 0)])
def test_sets_that_do_not_overlap(shift, auroc, random, block_size):
    found = detection(random.random(50), random.random(30) + shift)
    assert (found.auroc, found.lost_at_95_caught) == (auroc, 1 - auroc)
    end = 0.025 ** (1 / 30)  # 30 pairs of rows came out alike
    low, high = (end, 1) if auroc else (0, 1 - end)
    assert (found.auroc_low, found.auroc_high) == pytest.approx((low, high))


@pytest.mark.parametrize(("inside", "outside"), [([], [1]), ([1], []), ([[1]], [1])])
def test_arrays_of_another_shape(inside, outside):
    with pytest.raises(ValueError, match=r"expected \(N,\), N at least 1"):
        detection(np.array(inside, "f4"), np.array(outside, "f4"))


def test_another_direction():
    with pytest.raises(ValueError, match='high is "up"; expected "in-distribution" or "out-of'):
        detection(np.ones(1), np.ones(1), "up")


def test_a_million_rows_in_several_blocks(random):
    """Large ties, too: half of the confidences are exactly 1."""
    inside = random.normal(0, 1, 800_000).clip(0).astype("f4")
    outside = random.normal(1, 1, 700_000).clip(0).astype("f4")
    found = detection(inside, outside)
    assert_equal(found, by_sklearn(inside, outside))
    assert math.isclose(found.auroc_high - found.auroc_low, 2 * 1.96 * 4.3e-4, rel_tol=0.2)
