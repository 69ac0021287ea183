"""The table of faults sees what it is there for."""

import pyarrow as pa
import pytest
from ledger import Ledger


class Finished:
    """Stands for a workplace whose table is given."""

    def __init__(self, folder, table):
        self.folder, self._table = folder, table

    def table(self):
        return self._table


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([(0, 0.5), (1, 1.5)], (0, 0, 0)),
        ([(0, 0.5)], (1, 0, 0)),
        ([(0, 0.5), (0, 0.5), (1, 1.5)], (0, 1, 0)),
        ([(0, 0.5), (1, 1.5000001)], (0, 0, 1)),
    ],
)
def test_lost_doubled_and_different_rows_are_counted(rows, found, tmp_path, monkeypatch):
    def table(rows):
        row, score = zip(*rows, strict=True)
        return pa.table({"source": ["/x/a"] * len(row), "row": row, "score": score})

    monkeypatch.setattr("ledger.verify", lambda root: [])
    ledger = Ledger()
    entry = ledger.settle(Finished(tmp_path, table(rows)), table([(0, 0.5), (1, 1.5)]), a_kill=2)
    assert (entry.lost, entry.doubled, entry.different) == found
    assert str(ledger).splitlines()[1].split() == ["a", "kill", "2", *map(str, found)]
