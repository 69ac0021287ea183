"""Tables of made-up scores, as jobs write them, made without Ray."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raygrad.table import schema
from raygrad.table.definitions import definitions
from raygrad.table.publish import publish_unit

METRICS = {"fc": ["l1", "l2", "mean"]}


def write_table(
    root: Path, parts: Mapping[str, pa.Table], loss: str = "pseudo_label", **footer: Any
) -> str:
    """One file a partition, such as ``dataset=mnist``; its scores are those that are given."""
    scores = set(definitions(loss, METRICS))
    for number, (partition, rows) in enumerate(parts.items()):
        kept = [field for field in rows.schema if field.name not in schema.reserved(METRICS)]
        missing = scores - set(rows.column_names)
        wanted = pa.schema([f for f in schema.scores(kept, METRICS) if f.name not in missing])
        given = {
            "source": pa.array([f"{partition}.parquet"] * len(rows)),
            "row": pa.array(range(len(rows))),
            **{name: rows[name] for name in rows.column_names},
        }
        columns = {
            field.name: given[field.name].cast(field.type)
            if field.name in given
            else pa.nulls(len(rows), field.type)
            for field in wanted
        }
        defined = definitions(loss, METRICS)
        metadata = {
            "scores": {name: defined[name] for name in defined if name not in missing},
            "identity": {"loss": loss},
            **footer,
        }
        publish_unit(
            str(root), schema.unit_path(0, number, partition), pa.table(columns, wanted), metadata
        )
    return str(root)


def made_scores(rows: int, *, shift: float, seed: int, failed: int = 0) -> pa.Table:
    """Scores that overlap: unusual rows have larger gradients and less confidence.

    Args:
        rows: How many.
        shift: How unusual they are, 0 for in-distribution.
        seed: Of the random numbers.
        failed: How many of the first rows have an error instead.
    """
    random = np.random.default_rng(seed)
    unusual = random.normal(shift, 1, rows)
    labels = random.integers(0, 10, rows)
    wrong = random.random(rows) < 1 / (1 + np.exp(2 - unusual))
    bad = np.arange(rows) < failed
    scores: dict[str, Any] = {
        "fc_l1": np.exp(unusual),
        "fc_l2": np.exp(unusual / 2 + random.normal(0, 0.2, rows)),
        "fc_mean": -unusual + random.normal(0, 1, rows),
        "msp": 1 / (1 + np.exp(unusual - 2)),
        "max_logit": 5 - unusual + random.normal(0, 0.3, rows),
        "energy": 6 - unusual + random.normal(0, 0.2, rows),
        "entropy": np.log1p(np.exp(unusual)),
    }
    columns = {name: pa.array(values.astype("f4"), mask=bad) for name, values in scores.items()}
    return pa.table(
        {
            **columns,
            "label": labels,
            "prediction": pa.array(np.where(wrong, (labels + 1) % 10, labels), mask=bad),
            **{name: pa.array(["x"] * rows, mask=~bad) for name in schema.ERROR_COLUMNS},
        }
    )
