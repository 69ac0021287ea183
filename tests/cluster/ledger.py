"""What became of the rows of jobs that faults were injected into; a plugin of pytest's, too."""

from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
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
            self.add(fault.replace("_", " "), [times, entry.lost, entry.doubled, entry.different])
        return entry

    def add(self, fault: str, counts: list[int]) -> None:
        """Adds to a fault's entry."""
        before = self.entries.get(fault, Entry())
        self.entries[fault] = Entry(*map(sum, zip(astuple(before), counts, strict=True)))

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


LEDGER = Ledger()
"""That of this process's tests."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of pytest-xdist hands its entries over."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = {
            fault: list(astuple(entry)) for fault, entry in LEDGER.entries.items()
        }


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """The process that started it adds them to its own."""
    for fault, counts in getattr(node, "workeroutput", {}).get("faults", {}).items():
        LEDGER.add(fault, counts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the table of faults, if there were any."""
    if LEDGER.entries:
        terminalreporter.section("faults")
        terminalreporter.write_line(str(LEDGER))
