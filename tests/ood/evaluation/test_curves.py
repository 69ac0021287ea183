"""Thinned curves: exact points, few of them, ends included."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from raygrad.ood.evaluation import curve
from raygrad.table.definitions import IN


@pytest.fixture
def scores(random):
    return random.normal(0, 1, 9000).round(3).astype("f4"), random.normal(1, 1, 4000).astype("f4")


def labelled(inside, outside):
    return np.r_[np.zeros(len(inside)), np.ones(len(outside))], np.r_[inside, outside]


def test_every_point_is_one_of_scikit_learns(scores, block_size):
    inside, outside = (part[:300] for part in scores)
    found = curve(inside, outside, points=40)
    lost, caught, thresholds = roc_curve(*labelled(inside, outside), drop_intermediate=False)
    exact = dict(zip(thresholds, zip(lost, caught, strict=True), strict=True))
    for place, threshold in enumerate(found.thresholds):
        assert (found.lost[place], found.caught[place]) == pytest.approx(exact[threshold])
    precision, _, levels = precision_recall_curve(*labelled(inside, outside))
    exact_precision = dict(zip(levels, precision[:-1], strict=True))
    for place, threshold in enumerate(found.thresholds[1:], 1):
        assert found.precision_out[place] == pytest.approx(exact_precision[threshold])


def test_the_ends_are_there_and_the_points_are_few(scores):
    found = curve(*scores, points=100)
    assert 100 <= len(found.lost) <= 203
    assert (found.lost[0], found.caught[0], found.precision_out[0]) == (0, 0, 1)
    assert (found.lost[-1], found.caught[-1]) == (1, 1)
    assert found.precision_out[-1] == pytest.approx(4 / 13)
    assert found.precision_in[0] == pytest.approx(9 / 13)
    assert max(np.diff(found.lost).max(), np.diff(found.caught).max()) < 0.011
    area = np.trapezoid(found.caught, found.lost)
    assert area == pytest.approx(roc_auc_score(*labelled(*scores)), abs=2e-4)


def test_thresholds_are_on_the_scores_own_scale(scores):
    inside, outside = scores
    found = curve(-inside, -outside, IN)
    middle = len(found.thresholds) // 2
    assert found.lost[middle] == np.mean(-inside <= found.thresholds[middle])
    assert found.caught[middle] == np.mean(-outside <= found.thresholds[middle])


def test_float64_thresholds(scores):
    inside, outside = (part.astype("f8") + 1e-9 for part in scores)
    found = curve(inside, outside)
    assert found.caught[50] == np.mean(outside >= found.thresholds[50])


def test_constant_scores():
    found = curve(np.ones(5, "f4"), np.ones(7, "f4"))
    assert found.thresholds.tolist() == [np.inf, 1]
    assert (found.lost.tolist(), found.caught.tolist()) == ([0, 1], [0, 1])
