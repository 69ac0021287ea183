"""Tiny inputs that many tests share: images, Parquet files, and a whole job in a folder."""

import io
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

NETWORK = '''
"""A linear classifier of two inputs and three classes."""
from torch import nn


def classifier(classes=3):
    model = nn.Sequential()
    model.add_module("fc", nn.Linear(2, classes))
    return model
'''


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """An array as the bytes of an image file."""

    def encode(pixels: Any, kind: str = "PNG", **options: Any) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(pixels)).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture
def write_parquet() -> Callable[..., str]:
    """Writes columns, a mapping or a table, to a file, and returns its path."""

    def write(path: Any, columns: Any, row_group_size: int | None = None) -> str:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        pq.write_table(table, path, row_group_size=row_group_size)
        return str(path)

    return write


class JobFolder:
    """A folder that holds all that a job needs, and is the working directory.

    The input ``x`` has two floats a row; the model is a linear classifier of three classes whose
    prediction is the larger of the two, as the label is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.module = f"network_{uuid.uuid4().hex}"
        (root / f"{self.module}.py").write_text(NETWORK)
        self.model = nn.Sequential()
        self.model.add_module("fc", nn.Linear(2, 3))
        with torch.no_grad():
            self.model[0].weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 2.0], [-1.0, -1.0]]))
            self.model[0].bias.copy_(torch.tensor([0.1, 0.0, -0.1]))
        torch.save(self.model.state_dict(), root / "weights.pt")
        self.document: dict[str, Any] = {
            "output": "table",
            "sources": [{"path": "data/a.parquet", "constants": {"dataset": "a"}}],
            "input": {"column": "x"},
            "model": {"factory": f"{self.module}:classifier", "checkpoint": "weights.pt"},
            "metrics": {"all": ["max", "l1"], "fc": ["l2"]},
            "keep": ["label"],
            "label": "label",
            "batch_size": 4,
            "rows_per_file": 6,
        }

    @staticmethod
    def columns(rows: int, seed: int = 0) -> dict[str, pa.Array]:
        values = np.random.default_rng(seed).normal(size=(rows, 2)).astype(np.float32)
        return {
            "x": pa.array(values.tolist(), pa.list_(pa.float32())),
            "label": pa.array(values.argmax(1), pa.int64()),
        }

    def write(self, name: str, rows: int = 10, seed: int = 0, **columns: Any) -> str:
        """Writes a Parquet file; columns that are given replace the usual ones, None drops one."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {**self.columns(rows, seed), **columns}
        table = pa.table({key: value for key, value in whole.items() if value is not None})
        pq.write_table(table, path, row_group_size=3)
        return str(path)

    def module_with(self, source: str) -> str:
        """Writes a Python module into the folder and returns its name."""
        name = f"module_{uuid.uuid4().hex}"
        (self.root / f"{name}.py").write_text(source)
        return name

    def spec(self, changes: Mapping[str, Any] | None = None, drop: tuple[str, ...] = ()) -> str:
        """Writes the spec with some sections replaced or dropped, and returns its path."""
        document = {**self.document, **(changes or {})}
        for key in drop:
            del document[key]
        (self.root / "job.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        return "job.yaml"


@pytest.fixture
def job_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobFolder:
    """A job that is sound, with ten rows in data/a.parquet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = JobFolder(tmp_path)
    folder.write("data/a.parquet")
    return folder
