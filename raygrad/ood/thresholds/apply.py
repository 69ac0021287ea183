"""Flags for all rows of a table: as files beside it, one for each of its own, or as SQL."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raygrad import failpoints, storage
from raygrad.errors import IdentityError, TableError
from raygrad.ood.rows import Rows, literal, reach
from raygrad.ood.thresholds import file
from raygrad.ood.thresholds.conformal import benjamini_hochberg, calibration_uri, groups_of
from raygrad.ood.thresholds.file import Conformal, Logistic, Threshold
from raygrad.ood.thresholds.origin import refuse_other_identity
from raygrad.ood.thresholds.rank import exact
from raygrad.ood.thresholds.sql import IDENTITY, Applied
from raygrad.table import hive, identity, reader
from raygrad.table.publish import to_parquet

POSITION = "file_row_number"
"""DuckDB's name for a row's place in its file."""


@dataclass(frozen=True)
class Flags:
    """What was written.

    Attributes:
        files: How many files of flags there are.
        already: Those of them that were there before.
        rows: Rows in the files written now.
        flagged: Those of them that are flagged.
        unscored: Those of them that have an error, and so no flag.
        largest_p: Conformal: the largest p-value that is flagged; None if none is.
        smallest_p: Conformal: the smallest that a row can have, 1 / (n + 1).
    """

    files: int
    already: int
    rows: int
    flagged: int
    unscored: int
    largest_p: float | None
    smallest_p: float | None


class Application:
    """A threshold file and the table that it is applied to, checked.

    Args:
        uri: The threshold file.
        table: A table or one of its partitions.
        fdr: Bounds the expected share of in-distribution rows among the flagged; conformal only.

    Raises:
        TableError: If a file isn't there or isn't what it should be.
        IdentityError: If the table is of another model, loss or input, with the difference.
    """

    def __init__(self, uri: str, table: Rows, fdr: float | None = None) -> None:
        self.uri, self.rows, self.fdr = uri, table, fdr
        self.threshold = file.read(uri)
        _refuse(self.threshold, table, fdr)
        self._refuse_identity(table.footer, table.uri)
        calibration = None
        if isinstance(self.threshold, Conformal):
            calibration = calibration_uri(self.threshold, uri)
            reach(table.connection, calibration)
        self._applied = Applied(self.threshold, calibration)
        most = self._most()
        self._applied = Applied(self.threshold, calibration, most)

    def view(self, name: str = "flags") -> str:
        """A statement for DuckDB that makes a view with the flags of all rows and the Hive keys."""
        keys = [*IDENTITY, *self._hive_keys()]
        said = f"-- {' '.join(self.threshold.meaning.split())}\n"
        if self.fdr is not None:
            said += (
                f"-- False discovery rate {self.fdr:g} over the rows that the table had when this "
                "was written; write it anew when it has more.\n"
            )
        return f"{said}CREATE OR REPLACE VIEW {name} AS\n{self._applied.flags(self._all(), keys)};"

    def write(self, out: str) -> Flags:
        """Writes a file of flags for each score file, of the same name in the same Hive folders.

        Files that are there already are left, so that the same command goes on after an
        interruption. Memory holds one file's rows.

        Raises:
            TableError: If the place holds anything else, or lies in the table.
            IdentityError: If it holds flags of another threshold or table.
        """
        _, above = hive.at_the_end(self.rows.folder)
        names = {name: f"{above}{name}" for name in self.rows.files}
        there = self._claim(out)
        counts: Counter[str] = Counter()
        for name, target in names.items():
            if target in there:
                continue
            flags, footer = self._flags_of(name)
            failpoints.reach("flags.before")
            content = to_parquet(flags, footer)
            storage.publish(storage.join(out, target), content, _scratch(out))
            counts.update(footer["rows"])
        return Flags(
            files=len(names),
            already=len(there & set(names.values())),
            rows=counts["read"],
            flagged=counts["flagged"],
            unscored=counts["failed"],
            largest_p=self._largest_p(),
            smallest_p=self._smallest_p(),
        )

    def _flags_of(self, name: str) -> tuple[pa.Table, dict[str, Any]]:
        uri = storage.join(self.rows.folder, name)
        with storage.open_read(uri) as stream:
            footer = reader.footer_in(name, pq.read_metadata(stream))
        self._refuse_identity(footer.metadata, uri)
        relation = f"read_parquet({literal(uri)}, {POSITION} = true)"
        query = self._applied.flags(relation, [*IDENTITY, POSITION])
        found = self.rows.sql(f"SELECT * EXCLUDE ({POSITION}) FROM ({query}) ORDER BY {POSITION}")
        flags = found.to_arrow_table()
        if len(flags) != footer.rows:
            raise TableError(
                f"{uri}: {len(flags)} flags came out for {footer.rows} rows; the file changed"
            )
        failed = flags["is_ood"].null_count
        counts = {
            "read": len(flags),
            "scored": len(flags) - failed,
            "failed": failed,
            "flagged": pc.sum(flags["is_ood"]).as_py() or 0,
        }
        return flags, {**self._said, "rows": counts}

    @property
    def _said(self) -> dict[str, Any]:
        """What the footers say beside counts."""
        large = {"by_class", "too_few"}
        said = self.threshold.model_dump(mode="json", exclude_none=True, exclude=large)
        return {"threshold": {**said, **self._claimed()}}

    def _claimed(self) -> dict[str, Any]:
        """What all files of flags in one place have in common."""
        text = file.to_json(self.threshold)
        return {
            "threshold_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "table": self.rows.folder,
            "fdr": self.fdr,
            "largest_p": self._largest_p() if self.fdr is not None else None,
        }

    def _claim(self, out: str) -> set[str]:
        """Takes the place for these flags, and says which files are there."""
        if storage.within(storage.absolute(out), self.rows.root):
            raise TableError(f"{out} lies in the table {self.rows.uri}; choose a place beside it")
        marker = storage.join(out, "_raygrad", "flags.json")
        there = storage.names_below(out)
        if there and "_raygrad/flags.json" not in there:
            raise TableError(f"{out} isn't empty: it holds {min(there)}; choose a new place")
        content = json.dumps(self._claimed(), indent=2).encode()
        if not storage.publish(marker, content, _scratch(out)):
            found = json.loads(storage.read_bytes(marker))
            owners = (f"{out}", "this command")
            lines = list(identity.differences(found, self._claimed(), owners=owners))
            if lines:
                raise IdentityError(
                    f"{out} holds flags of another threshold or table:\n"
                    + "\n".join(f"  {line}" for line in lines)
                    + "\nchoose a new place"
                )
        return there

    def _most(self) -> dict[int, int] | None:
        """By class the largest 1 + c that is flagged."""
        if not isinstance(self.threshold, Conformal):
            return None
        groups = groups_of(self.threshold)
        if self.fdr is None:
            return {number: cut.rows + 1 - cut.rank for number, cut in groups.items()}
        largest = self._rejected(exact(self.fdr))
        return {number: math.floor(largest * (cut.rows + 1)) for number, cut in groups.items()}

    def _rejected(self, level: Fraction) -> Fraction:
        """One pass over all files for how many rows have each p-value."""
        parts = [np.zeros((3, 0), np.int64)]
        for name in self.rows.files:
            uri = storage.join(self.rows.folder, name)
            query = self._applied.p_values(f"read_parquet({literal(uri)})", ["row"])
            counted = self.rows.sql(
                f"SELECT p, n, count(*) AS rows FROM ({query}) WHERE p IS NOT NULL GROUP BY p, n"
            ).fetchnumpy()
            parts.append(np.stack([counted[c].astype(np.int64) for c in ("p", "n", "rows")]))
        p, n, counts = np.concatenate(parts, axis=1)
        return benjamini_hochberg(p, n, counts, level)

    def _largest_p(self) -> float | None:
        if self._applied.most is None:
            return None
        assert isinstance(self.threshold, Conformal)
        groups = groups_of(self.threshold)
        largest = max(most / (groups[g].rows + 1) for g, most in self._applied.most.items())
        return largest or None

    def _smallest_p(self) -> float | None:
        if not isinstance(self.threshold, Conformal):
            return None
        return 1 / (1 + max(cut.rows for cut in groups_of(self.threshold).values()))

    def _refuse_identity(self, footer: Mapping[str, Any], uri: str) -> None:
        refuse_other_identity(self.threshold.identity, footer, (self.uri, uri))

    def _hive_keys(self) -> list[str]:
        _, above = hive.at_the_end(self.rows.folder)
        keys = [key for name in self.rows.files for key in hive.values(f"{above}{name}")]
        return list(dict.fromkeys(keys))

    def _all(self) -> str:
        """All files: by a glob, or by their names where they have different Hive keys."""
        alike = len({tuple(hive.values(name)) for name in self.rows.files}) == 1
        if not alike:
            return f"({self.rows.every_row_sql()})"
        glob = storage.join(self.rows.folder, "**", "*.parquet")
        return f"read_parquet({literal(glob)}, hive_partitioning = true)"


def _refuse(threshold: Threshold, table: Rows, fdr: float | None) -> None:
    if table.where is not None:
        raise TableError(
            f"{table}: flags have a row for each row of a table; name a table or a partition, and "
            "put the condition into the query that reads the flags"
        )
    if fdr is not None and not isinstance(threshold, Conformal):
        raise TableError(
            f"--fdr needs p-values, and this threshold's method is {threshold.method}; fit one "
            "with --method conformal"
        )
    scores = (
        [feature.score for feature in threshold.features]
        if isinstance(threshold, Logistic)
        else [threshold.score]
    )
    classes = not isinstance(threshold, Logistic) and threshold.by_class
    table.require([*IDENTITY, "error_type", *scores, *(["prediction"] if classes else [])])


def _scratch(out: str) -> str:
    return storage.join(out, "_raygrad", "tmp")
