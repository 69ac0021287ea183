"""`raygrad run --retry-errors` after a fault that has passed: the table of a run without faults."""

import pytest

from raygrad.table.verify import verify

pytestmark = pytest.mark.cluster


@pytest.fixture
def fragile(workplace):
    workplace.fail_while_down(30, 90)
    return workplace


def test_a_passing_fault_leaves_no_trace_after_a_retry(fragile):
    flag = fragile.folder / "storage_is_down"
    flag.touch()
    first = fragile.run()
    assert first.returncode == 0, first.stderr
    assert "errors  2" in first.stdout
    failed = [row["row"] for row in fragile.table().to_pylist() if row["error_type"]]
    assert failed == [30, 90]
    before = fragile.files()

    flag.unlink()
    retried = fragile.run("--retry-errors")
    assert retried.returncode == 0, retried.stderr
    assert "retried 2 of 2 rows with errors, 2 have scores now" in retried.stdout
    assert fragile.run("--output", "undisturbed").returncode == 0
    assert fragile.files() == fragile.files("undisturbed"), "byte for byte"
    assert len([name for name, old in before.items() if fragile.files()[name] != old]) == 2
    assert list(verify(str(fragile.folder / "table"))) == []

    nothing = fragile.run("--retry-errors")
    assert nothing.returncode == 0, nothing.stderr
    assert "No published row holds an error, so there is nothing to retry." in nothing.stdout
