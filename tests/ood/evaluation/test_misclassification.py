"""AURC against its definition, with ties in every order."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from raygrad.ood.evaluation import misclassification
from raygrad.table.definitions import IN


def aurc_of_an_order(wrong) -> float:
    """The error rate among the first k rows, averaged over k."""
    return float(np.mean([np.mean(wrong[: k + 1]) for k in range(len(wrong))]))


def slow_aurc(scores, wrong) -> float:
    """Averaged over all orders that the scores allow."""
    orders = [
        order
        for order in itertools.permutations(range(len(scores)))
        if all(scores[a] <= scores[b] for a, b in itertools.pairwise(order))
    ]
    return float(np.mean([aurc_of_an_order(np.array(wrong)[list(order)]) for order in orders]))


ROWS = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=2, max_size=6)


@settings(deadline=None, max_examples=60)
@given(ROWS.filter(lambda rows: len({wrong for _, wrong in rows}) == 2))
def test_ties_are_the_expectation_over_all_orders(rows):
    scores, wrong = (np.array(column) for column in zip(*rows, strict=True))
    found = misclassification(scores.astype("f4"), wrong)
    assert found.aurc == pytest.approx(slow_aurc(scores, wrong))
    best = aurc_of_an_order(np.sort(wrong))
    assert found.excess_aurc == pytest.approx(found.aurc - best, abs=1e-12)


def test_many_rows(random, block_size):
    scores = random.normal(0, 1, 500)
    wrong = random.random(500) < 1 / (1 + np.exp(3 - scores))
    found = misclassification(-scores, wrong, IN)
    assert found.aurc == pytest.approx(aurc_of_an_order(wrong[np.argsort(scores)]))
    assert found.excess_aurc == pytest.approx(found.aurc - aurc_of_an_order(np.sort(wrong)))
    assert found.auroc == pytest.approx(roc_auc_score(wrong, scores))
    assert (found.right, found.wrong) == (500 - wrong.sum(), wrong.sum())


def test_a_constant_score_gives_the_error_rate(block_size):
    found = misclassification(np.zeros(40, "f4"), np.arange(40) < 10)
    assert found.aurc == pytest.approx(0.25)
    assert found.auroc == 0.5


def test_the_best_order_has_no_excess():
    found = misclassification(np.arange(40.0), np.arange(40) >= 30)
    assert (found.auroc, found.excess_aurc) == (1, pytest.approx(0, abs=1e-15))


def test_all_predictions_right():
    with pytest.raises(ValueError, match="3 right and 0 wrong rows; expected both"):
        misclassification(np.arange(3.0), np.zeros(3, bool))
