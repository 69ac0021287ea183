"""DeLong's variance and paired test against the definition, the bootstrap and a simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from raygrad.ood.evaluation import detection
from raygrad.ood.evaluation.delong import Z, difference, interval
from raygrad.ood.evaluation.detection import Sweep
from raygrad.ood.evaluation.pairs import Pair, Placements
from raygrad.ood.evaluation.ranking import Ranking


def components(inside, outside):
    """Structural components by comparing each row with each, N x M (DeLong et al. 1988, eq. 4)."""
    wins = (outside[:, None] > inside) + 0.5 * (outside[:, None] == inside)
    return wins.mean(0), wins.mean(1)


def slow_covariance(a, b) -> np.ndarray:
    """Of two AUROCs (eq. 5 and 6)."""
    (a_in, a_out), (b_in, b_out) = components(*a), components(*b)
    return np.cov([a_in, b_in]) / len(a_in) + np.cov([a_out, b_out]) / len(a_out)


def placements(inside, outside) -> Placements:
    ranking = Ranking.of([inside, outside])
    pair = Pair(len(inside), len(inside), len(ranking.keys))
    sweep = Sweep(pair, Placements(pair))
    for block in ranking.blocks():
        sweep.add(block, *pair.counts(block))
    return sweep.placements


def two_scores(random, n=120, m=70, digits=1):
    base = [random.normal(0, 1, n), random.normal(1, 1, m)]
    noisy = [x + random.normal(0, 0.7, len(x)) for x in base]
    return [[x.round(digits).astype("f4") for x in score] for score in (base, noisy)]


@pytest.mark.parametrize("digits", [0, 1, 6], ids=["many ties", "ties", "distinct"])
def test_the_variance_is_that_of_the_definition(digits, random, block_size):
    score, _ = two_scores(random, digits=digits)
    found = detection(*score)
    variance = slow_covariance(score, score)[0, 0]
    low, high = interval(found.auroc, variance, 120, 70)
    assert (found.auroc_low, found.auroc_high) == pytest.approx((low, high), rel=1e-10)


@pytest.mark.parametrize("digits", [0, 1, 6], ids=["many ties", "ties", "distinct"])
def test_the_paired_test_is_that_of_the_definition(digits, random, block_size):
    ours, theirs = two_scores(random, digits=digits)
    covariance = slow_covariance(ours, theirs)
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    value = components(*ours)[1].mean() - components(*theirs)[1].mean()
    found = difference("theirs", placements(*ours), placements(*theirs))
    assert found.to == "theirs"
    assert found.value == pytest.approx(value, rel=1e-10)
    assert (found.low, found.high) == pytest.approx((value - Z * error, value + Z * error))
    assert found.p == pytest.approx(2 * norm.sf(abs(value) / error), rel=1e-8)


VALUES = st.lists(st.integers(0, 4), min_size=2, max_size=12).map(lambda x: np.array(x, "f4"))


@settings(deadline=None)
@given(VALUES, VALUES)
def test_placements_of_any_sets(inside, outside):
    found = placements(inside, outside).values
    n, m = len(inside), len(outside)
    expected_in, expected_out = components(inside, outside)
    assert found[:n] / (2 * m) == pytest.approx(expected_in)
    assert found[n:] / (2 * n) == pytest.approx(expected_out)


def test_a_score_beside_one_of_the_same_order(random):
    score, _ = two_scores(random)
    found = difference("b", placements(*score), placements(*[np.exp(x) for x in score]))
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_perfect_beside_constant_can_not_be_told(random):
    perfect = placements(np.zeros(5, "f4"), np.ones(5, "f4"))
    constant = placements(np.ones(5, "f4"), np.ones(5, "f4"))
    found = difference("constant", perfect, constant)
    assert found.value == 0.5
    assert math.isnan(found.p)
    assert math.isnan(found.low)


def test_single_rows_give_no_test(random):
    found = difference(
        "b", placements(np.array([1.0, 2]), np.array([1.5])), placements(*[np.zeros(2), np.ones(1)])
    )
    assert found.value == -0.5
    assert math.isnan(found.p)


@pytest.mark.parametrize("sets", [(1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize("auroc", [0.0, 0.3, 0.5, 1.0])
def test_an_interval_from_single_rows_says_next_to_nothing(sets, auroc):
    low, high = interval(auroc, math.nan, *sets)
    assert high - low == pytest.approx(0.975)
    assert 0 <= low <= auroc <= high <= 1


def test_the_error_is_the_bootstraps(random):
    (inside, outside), _ = two_scores(random, n=150, m=100, digits=6)
    found = detection(inside, outside)
    again = [
        components(random.choice(inside, 150), random.choice(outside, 100))[0].mean()
        for _ in range(1500)
    ]
    error = math.sqrt(slow_covariance((inside, outside), (inside, outside))[0, 0])
    assert np.std(again) == pytest.approx(error, rel=0.08)
    assert np.quantile(again, 0.025) == pytest.approx(found.auroc_low, abs=0.01)
    assert np.quantile(again, 0.975) == pytest.approx(found.auroc_high, abs=0.01)


@pytest.mark.parametrize(("auroc", "n", "m"), [(0.7, 40, 30), (0.95, 40, 30), (0.99, 200, 100)])
def test_95_percent_of_intervals_cover_the_truth(auroc, n, m, random):
    """Binormal scores. 1,000 repetitions: the standard error of the coverage is 0.7 %."""
    shift = math.sqrt(2) * norm.ppf(auroc)
    covered = 0
    for _ in range(1000):
        found = detection(random.normal(0, 1, n), random.normal(shift, 1, m))
        covered += found.auroc_low <= auroc <= found.auroc_high
    assert 0.91 <= covered / 1000 <= 0.98


def test_95_percent_of_paired_intervals_cover_the_truth(random):
    covered = rejected = 0
    for _ in range(600):
        base = [random.normal(0, 1, 60), random.normal(1, 1, 40)]
        ours, theirs = (
            placements(*[x + random.normal(0, 0.5, len(x)) for x in base]) for _ in range(2)
        )
        found = difference("b", ours, theirs)  # both have the same AUROC
        covered += found.low <= 0 <= found.high
        rejected += found.p < 0.05
    assert 0.92 <= covered / 600 <= 0.98
    assert rejected == 600 - covered
