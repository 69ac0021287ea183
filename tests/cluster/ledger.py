"""What became of the rows of jobs that faults were injected into."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from workplace import Workplace

from raygrad.table.verify import verify

HEADER = f"{'fault':<58}{'injected':>9}{'lost':>6}{'doubled':>9}{'different':>11}"


@dataclass
class Entry:
    """How often a fault was injected, and how many rows were lost, doubled or unlike others."""

    injected: int = 0
    lost: int = 0
    doubled: int = 0
    different: int = 0


class Ledger:
    """A table of faults; prints as one."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def settle(self, workplace: Workplace, undisturbed: pa.Table, **faults: int) -> Entry:
        """Compares a finished table with that of a run without faults, bit for bit.

        Args:
            workplace: Whose table it is.
            undisturbed: Rows of the same inputs, scored without faults.
            faults: How often each was injected; underscores stand for spaces.
        """
        table = workplace.table()
        found, expected = _by_identity(table), _by_identity(undisturbed)
        counts = Counter(_identities(table))
        entry = Entry(
            sum(faults.values()),
            len(expected.keys() - found.keys())
            + len(list(verify(str(workplace.folder / "table")))),
            sum(counts.values()) - len(counts),
            sum(found[key] != row for key, row in expected.items() if key in found),
        )
        for fault, times in faults.items():
            mine = self.entries.setdefault(fault.replace("_", " "), Entry())
            mine.injected += times
            mine.lost += entry.lost
            mine.doubled += entry.doubled
            mine.different += entry.different
        return entry

    def __str__(self) -> str:
        lines = [
            f"{fault:<58}{e.injected:>9}{e.lost:>6}{e.doubled:>9}{e.different:>11}"
            for fault, e in self.entries.items()
        ]
        return "\n".join([HEADER, *lines])


def _identities(table: pa.Table) -> list[tuple[str, int]]:
    sources = [Path(source).name for source in table["source"].to_pylist()]
    return list(zip(sources, table["row"].to_pylist(), strict=True))


def _by_identity(table: pa.Table) -> dict[tuple[str, int], str]:
    """Rows as texts, in which NaN equals itself and floats show all their digits."""
    rows = table.drop_columns(["source"]).to_pylist()
    return {key: repr(row) for key, row in zip(_identities(table), rows, strict=True)}
