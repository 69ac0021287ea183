"""How far a table is: rows planned, done and failed, files, sizes, the last run."""

import json
from dataclasses import dataclass
from typing import Any

from raygrad import storage
from raygrad.table import layout, reader


@dataclass(frozen=True)
class Status:
    """A table's state.

    Attributes:
        planned: Rows of the plan, as far as it can count them, and of archives that are done.
        done: Rows whose unit has its file, failed ones included.
        failed: Rows that hold an error instead of scores.
        units: Units of the plan.
        files: Files that are there.
        size: Bytes of all of them.
        uncounted: Open units of archives, whose rows nobody knows yet.
        last_run: The summary of the run that ended last; None before the first.
    """

    planned: int
    done: int
    failed: int
    units: int
    files: int
    size: int
    uncounted: int
    last_run: dict[str, Any] | None


def status(root: str) -> Status:
    """Looks at a table; also while a job is writing it.

    Raises:
        TableError: If there is no table.
    """
    units = reader.plan(root)
    sizes = storage.sizes_below(layout.scores(root))
    done = [unit for unit in units if unit.path in sizes]
    footers = list(reader.footers(root, [unit.path for unit in done]))
    still_open = [unit.rows for unit in units if unit.path not in sizes]
    rows = sum(footer.rows for footer in footers)
    return Status(
        planned=rows + sum(filter(None, still_open)),
        done=rows,
        failed=sum(footer.metadata.get("rows", {}).get("failed", 0) for footer in footers),
        units=len(units),
        files=len(done),
        size=sum(sizes[unit.path] for unit in done),
        uncounted=still_open.count(None),
        last_run=_last_run(root),
    )


def _last_run(root: str) -> dict[str, Any] | None:
    names = [name for name in storage.names_below(layout.runs(root)) if name.endswith(".json")]
    if not names:
        return None
    found: dict[str, Any] = json.loads(
        storage.read_bytes(storage.join(layout.runs(root), max(names)))
    )
    return found
