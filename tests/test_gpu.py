"""What only a GPU shows; skipped where there is none."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from raygrad.scorer import Scorer, decode_batch
from raygrad.spec import JobSpec

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

PIXELS = np.random.default_rng(0).normal(size=(64, 3 * 16 * 16)).astype(np.float32)


def network() -> nn.Module:
    torch.manual_seed(0)
    return (
        nn.Sequential(
            nn.Unflatten(1, (3, 16, 16)),
            nn.Conv2d(3, 16, 3, padding=1),
            nn.GroupNorm(4, 16),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 16 * 16, 10),
        )
        .eval()
        .requires_grad_(False)
    )


def scorer_and_batch(device: str, precision: str = "fp32") -> tuple[Scorer, pa.Table]:
    spec = JobSpec.model_validate(
        {
            "output": "table",
            "sources": [{"path": ["a.parquet"]}],
            "input": {"": {"column": "x", "shape": [3 * 16 * 16]}},
            "model": {"factory": "a:b"},
            "metrics": {"all": ["max", "min", "std", "l1", "l2"], "5": ["l1"]},
            "precision": precision,
        }
    )
    rows = pa.table(
        {
            "source": ["a.parquet"] * len(PIXELS),
            "row": pa.array(range(len(PIXELS)), pa.int64()),
            "x": pa.array(PIXELS.tolist(), pa.list_(pa.float32())),
        }
    )
    return Scorer(spec, network(), torch.device(device), []), decode_batch(rows, spec)


def values(table: pa.Table) -> np.ndarray:
    names = [field.name for field in table.schema if field.type == pa.float32()]
    return np.stack([table[name].to_numpy() for name in names])


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("tf32", 2e-2)])
def test_scores_are_those_of_the_cpu(precision, tolerance):
    gpu, batch = scorer_and_batch("cuda", precision)
    cpu, _ = scorer_and_batch("cpu")
    expected = values(cpu.score(batch))
    scale = np.abs(expected).max(1, keepdims=True)
    assert (np.abs(values(gpu.score(batch)) - expected) <= tolerance * scale).all()


def test_a_batch_that_was_uploaded_beforehand_has_the_same_scores():
    scorer, batch = scorer_and_batch("cuda")
    expected = values(scorer.score(batch))
    for _ in range(20):  # a race would show in one of them
        first, second = scorer.upload(batch), scorer.upload(batch)
        assert np.array_equal(values(scorer.score(batch, first)), expected)
        assert np.array_equal(values(scorer.score(batch, second)), expected)


def test_inputs_are_copied_from_pinned_memory():
    scorer, batch = scorer_and_batch("cuda")
    scorer.score(batch)
    with torch.profiler.profile() as profile:
        upload = scorer.upload(batch)
        coming = scorer.upload(batch)
        scorer.score(batch, upload)
        scorer.score(batch, coming)
    copies = [e for e in profile.events() if "Memcpy HtoD (Pinned" in e.name]
    assert len(copies) >= 2
