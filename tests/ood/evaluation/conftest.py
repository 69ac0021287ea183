"""Arrays of scores, and blocks so small that ties and sets lie across them."""

from importlib import import_module

import numpy as np
import pytest


@pytest.fixture(params=[3, 7, 1 << 19], ids=["blocks of 3", "blocks of 7", "one block"])
def block_size(request, monkeypatch) -> int:
    """Sets how many rows are looked at together."""
    for module in ("misclassification", "pairs", "ranking"):
        found = import_module(f"raygrad.ood.evaluation.{module}")
        monkeypatch.setattr(found, "ROWS_AT_ONCE", request.param)
    return request.param


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)
