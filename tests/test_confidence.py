"""Forward-only scores equal their definitions, computed here entry by entry."""

import math

import pytest
import torch

from raygrad.confidence import CONFIDENCE

LOGITS = [[2.0, 1.0, -1.0], [0.0, 0.0, 0.0], [30.0, -30.0, 0.0]]


def by_hand(name: str, row: list[float]) -> float:
    exponentials = [math.exp(z) for z in row]
    probabilities = [e / sum(exponentials) for e in exponentials]
    return {
        "msp": max(probabilities),
        "max_logit": max(row),
        "energy": math.log(sum(exponentials)),
        "entropy": -sum(p * math.log(p) for p in probabilities),
    }[name]


@pytest.mark.parametrize("name", CONFIDENCE)
def test_scores_equal_their_definition(name):
    found = CONFIDENCE[name](torch.tensor(LOGITS, dtype=torch.float64))
    assert found.tolist() == pytest.approx([by_hand(name, row) for row in LOGITS])
