"""The fixtures of every end-to-end test."""

from pathlib import Path

import pyarrow as pa
import pytest
from ledger import LEDGER, Ledger
from workplace import PAUSES, Workplace


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture
def paused(workplace: Workplace) -> Workplace:
    """A job of which a reader and an actor wait for `go`."""
    workplace.break_rows(PAUSES)
    return workplace


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """What the job of :func:`paused` gives without faults."""
    workplace = Workplace(tmp_path_factory.mktemp("undisturbed"))
    workplace.break_rows(PAUSES)
    workplace.go()
    finished = workplace.run()
    assert finished.returncode == 0, finished.stderr
    return workplace.table()


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return LEDGER
