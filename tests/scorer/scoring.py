"""A job of two floats a row and three classes, and what its scorer gives."""

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from raygrad.metrics import METRICS
from raygrad.scorer import Scorer, decode_batch
from raygrad.spec import JobSpec

CPU = torch.device("cpu")
EVERY_METRIC = [*METRICS, "l0.5", "l1", "l2", "linf"]


def job(**changes) -> JobSpec:
    document = {
        "output": "table",
        "sources": [{"path": ["a.parquet"]}],
        "input": {"": {"column": "x", "shape": [2]}},
        "model": {"factory": "a:b"},
        "metrics": {"all": ["max", "l1"], "1.weight": ["std"]},
        "keep": ["label"],
        **changes,
    }
    return JobSpec.model_validate(document)


KEPT = [pa.field("label", pa.int32())]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 3)).eval().requires_grad_(False)


def rows(values: list, **columns) -> pa.Table:
    count = len(values)
    return pa.table(
        {
            "source": ["a.parquet"] * count,
            "row": pa.array(range(10, 10 + count), pa.int64()),
            "label": pa.array(range(count), pa.int32()),
            "x": pa.array(values, pa.list_(pa.float32())),
            **columns,
        }
    )


VALUES = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)


def score(spec: JobSpec, model: nn.Module, table: pa.Table, kept=KEPT) -> pa.Table:
    return Scorer(spec, model, CPU, kept).score(decode_batch(table, spec))


def column(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy()
