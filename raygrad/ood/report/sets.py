"""The sets of rows that a report compares, and how many of them were scored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from raygrad import storage
from raygrad.ood.evaluation.reading import label_of_the_job
from raygrad.ood.evaluation.sets import refuse_shared
from raygrad.ood.rows import Rows, quoted
from raygrad.table import hive

SAMPLE = 50_000
"""About so many rows of a set are taken for medians, correlations and the ends of axes."""

LONGEST_NAME = 40


class Role(Enum):
    """What is known of a set's rows."""

    IN = "in-distribution"
    OUT = "out-of-distribution"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class SampleSet:
    """Rows that are shown as one.

    Attributes:
        name: A short name, unlike that of every other set.
        role: What is known of them.
        rows: Which they are.
        read: How many, those with errors included.
        failed: Those that hold an error instead of scores.
        labelled: Scored rows that have a label.
        correct: Those of them whose prediction is the label.
    """

    name: str
    role: Role
    rows: Rows
    read: int
    failed: int
    labelled: int
    correct: int

    @property
    def scored(self) -> int:
        """Rows with scores."""
        return self.read - self.failed

    @property
    def accuracy(self) -> float | None:
        """The share of right predictions; None without labels."""
        return self.correct / self.labelled if self.labelled else None

    @property
    def one_in(self) -> int:
        """1 if the sample is all rows, else one row in so many is taken."""
        return max(1, -(-self.scored // SAMPLE))

    def sample(self, names: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
        """Whole columns of all rows, or of those that a hash picks, the same ones each time."""
        picked = ", ".join(map(quoted, names))
        found = self.rows.sql(
            f"SELECT {picked} FROM selected WHERE error_type IS NULL "
            f"AND hash(source, row) % {self.one_in} = 0"
        ).to_arrow_table()
        return {name: found[name].to_numpy() for name in names}


def sample_sets(table: Rows, in_distribution: Rows | None, out: Sequence[Rows]) -> list[SampleSet]:
    """What is compared: in-distribution rows first, then the table's own, then the OOD ones.

    The table's own rows are the in-distribution ones if no others are named beside OOD rows. They
    are left out if other sets are parts of them.

    Args:
        table: What the report is about.
        in_distribution: Rows known to be in-distribution.
        out: Sets of rows known to be out-of-distribution.

    Raises:
        TableError: If in-distribution rows are among the out-of-distribution ones.
    """
    chosen: list[tuple[Role, Rows]] = []
    if in_distribution is not None:
        chosen.append((Role.IN, in_distribution))
    elif out:
        chosen.append((Role.IN, table))
    if not chosen or (chosen[0][1] is not table and not _holds(table, out)):
        chosen.append((Role.UNKNOWN, table))
    for place, rows in enumerate(out, 1):
        refuse_shared([("the in-distribution rows", chosen[0][1]), (f"OOD set {place}", rows)])
        chosen.append((Role.OUT, rows))
    return _named_apart([counted(role, rows) for role, rows in chosen])


def label_column(rows: Rows) -> str | None:
    """The spec's column of true classes, numbers or names, if it was kept."""
    name = rows.footer.get("spec", {}).get("label")
    return name if name in rows.names else None


def counted(role: Role, rows: Rows) -> SampleSet:
    """A set with its counts, by one pass over the rows."""
    label = label_of_the_job(rows)
    column = "NULL" if label is None else quoted(label)
    ((read, failed, labelled, correct),) = rows.sql(
        f"SELECT count(*), count(error_type), count({column}) FILTER (error_type IS NULL), "
        f"count(*) FILTER (error_type IS NULL AND {column} = prediction) FROM selected"
    ).fetchall()
    return SampleSet(_name(rows), role, rows, read, failed, labelled, correct)


def _name(rows: Rows) -> str:
    """The condition, or the partition's values, or the table's folder."""
    if rows.where is not None:
        return _short(rows.where)
    keys = [value for value in hive.values(f"{rows.uri}/").values() if value]
    return _short(", ".join(keys) or rows.uri.removesuffix("/scores").split("/")[-1])


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def _named_apart(sets: list[SampleSet]) -> list[SampleSet]:
    names = [found.name for found in sets]
    return [
        replace(found, name=f"{found.name} ({place})") if names.count(found.name) > 1 else found
        for place, found in enumerate(sets, 1)
    ]


def share_files(some: Rows, others: Rows) -> bool:
    """Whether a file is among both."""
    return not _files(some).isdisjoint(_files(others))


def _holds(table: Rows, others: Sequence[Rows]) -> bool:
    return any(share_files(table, rows) for rows in others)


def _files(rows: Rows) -> set[str]:
    return {storage.join(rows.folder, name) for name in rows.files}
