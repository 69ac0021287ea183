"""Ranks keep what they promise, by theory and by simulation."""

import numpy as np
import pytest
from scipy.stats import beta

from raygrad.errors import TableError
from raygrad.ood.thresholds.rank import kept_share, rank_of, refuse_too_few, rows_needed


@pytest.mark.parametrize(
    ("rows", "keep", "rank"),
    [
        (19, 0.95, 19),
        (20, 0.95, 20),
        (99, 0.95, 95),
        (100, 0.95, 96),
        (99, 0.07, 7),  # 100 * 0.07 is 7.000000000000001 in floats
        (999, 0.29, 290),  # 1000 * 0.29 is 290 or 289.99..., by the order of operations
        (9, 0.5, 5),
    ],
)
def test_rank(rows, keep, rank):
    assert rank_of(rows, keep) == rank


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.95, 0.99, 0.999, 0.07])
def test_rows_needed_are_the_fewest_whose_rank_is_among_them(keep):
    needed = rows_needed(keep)
    assert rank_of(needed, keep) <= needed
    assert rank_of(needed - 1, keep) > needed - 1


def test_too_few_rows_are_refused_with_the_number_that_is_needed():
    refuse_too_few(19, 0.95, "table")
    with pytest.raises(TableError, match=r"18 rows with scores are too few .* it takes 19"):
        refuse_too_few(18, 0.95, "table")


def test_interval_against_scipy():
    expected = beta(475, 25).interval(0.95) if rank_of(499, 0.95) == 475 else None
    assert kept_share(499, 475) == pytest.approx(expected)


def test_coverage_and_interval_by_simulation():
    """New rows are kept with probability rank / (n + 1), and the interval holds 95 % of draws."""
    random, rows, keep = np.random.default_rng(0), 60, 0.9
    rank = rank_of(rows, keep)
    draws = np.sort(random.random((20_000, rows)), axis=1)
    kept = draws[:, rank - 1]  # of uniform scores the threshold is the share that it keeps
    assert kept.mean() == pytest.approx(rank / (rows + 1), abs=0.001)
    low, high = kept_share(rows, rank)
    assert np.mean((kept >= low) & (kept <= high)) == pytest.approx(0.95, abs=0.005)
