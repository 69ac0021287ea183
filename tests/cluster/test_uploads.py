"""While a batch is scored, the next one is on its way to the device."""

from types import SimpleNamespace

import pytest
import torch

from raygrad.cluster.actor import ScoringActor


class Scorer:
    """Notes what it is asked to do."""

    def __init__(self, full: tuple[int, ...] = ()):
        self.calls: list[str] = []
        self.full = full

    def upload(self, batch):
        self.calls.append(f"upload {batch}")
        if batch in self.full:
            raise torch.OutOfMemoryError("full")
        return batch

    def score(self, batch, upload=None):
        self.calls.append(f"score {batch} of {upload}")
        return batch


@pytest.mark.parametrize(
    ("full", "wary", "expected"),
    [
        ((), False, "upload 1, upload 2, score 1 of 1, upload 3, score 2 of 2, score 3 of 3"),
        ((2,), False, "upload 1, upload 2, score 1 of 1, upload 3, score 2 of None, score 3 of 3"),
        ((), True, "score 1 of None, score 2 of None, score 3 of None"),
    ],
    ids=["ahead", "full", "wary"],
)
def test_uploads_run_one_batch_ahead(full, wary, expected):
    scorer = Scorer(full)
    actor = SimpleNamespace(_wary=wary, _scorer=scorer)
    actor._uploaded = lambda batch: ScoringActor._uploaded(actor, batch)
    for batch, upload in ScoringActor._ahead(actor, [1, 2, 3]):
        scorer.score(batch, upload)
    assert ", ".join(scorer.calls) == expected


def test_no_batch_is_no_upload():
    actor = SimpleNamespace(_wary=False, _scorer=Scorer())
    assert list(ScoringActor._ahead(actor, [])) == []
