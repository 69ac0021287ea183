"""A small table of two units with one failed row, made without Ray."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from raygrad import plan, storage
from raygrad.confidence import CONFIDENCE
from raygrad.plan import Group, Units
from raygrad.table import identity, schema
from raygrad.table.publish import publish_unit

METRICS = {"all": ["l1"]}
IDENTITY = {"loss": "pseudo_label", "schema_version": schema.VERSION, "metrics": METRICS}


@dataclass
class SmallTable:
    """Where it is, and its units, of 3 and 2 rows."""

    root: str
    units: Units

    def rows(self, index: int, failed: tuple[int, ...] = ()) -> pa.Table:
        """The rows of a unit as a scorer gives them."""
        (segment,) = self.units[index].segments
        count = segment.rows
        errors = [place in failed for place in range(count)]
        columns = {
            "source": [segment.uri] * count,
            "row": range(segment.first_row, segment.first_row + count),
            "prediction": [None if bad else 1 for bad in errors],
            **{name: [None if bad else 0.5 for bad in errors] for name in (*CONFIDENCE, "all_l1")},
            "error_stage": ["decode" if bad else None for bad in errors],
            "error_type": ["DecodeError" if bad else None for bad in errors],
            "error_message": ["no image" if bad else None for bad in errors],
        }
        wanted = schema.scores([], METRICS)
        return pa.table(
            {name: pa.array(columns[name], wanted.field(name).type) for name in wanted.names}
        )

    def publish(self, index: int, rows: pa.Table, metadata: dict | None = None) -> Path:
        """Publishes rows as a unit's file, and says where it is."""
        path = self.units[index].path
        publish_unit(
            self.root, path, rows, {"identity": IDENTITY} if metadata is None else metadata
        )
        return Path(self.root) / "scores" / path


@pytest.fixture
def small_table(tmp_path, write_parquet) -> SmallTable:
    root = str(tmp_path / "table")
    paths = [
        write_parquet(tmp_path / "a.parquet", {"x": [1, 2, 3]}),
        write_parquet(tmp_path / "b.parquet", {"x": [4, 5]}),
    ]
    files = storage.Listing.of(storage.list_files(path)[0] for path in paths)
    units = plan.save(root, plan.make([Group("parquet", "set=a", files)], 2))
    identity.claim(root, IDENTITY)
    return SmallTable(root, units)
