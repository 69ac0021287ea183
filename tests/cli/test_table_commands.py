"""`raygrad status`, `verify` and `errors` print what the library finds."""

import pytest
from click.testing import CliRunner

from raygrad import plan, storage
from raygrad.cli import main
from raygrad.plan import Group
from raygrad.table import identity


@pytest.fixture
def empty_table(tmp_path, write_parquet) -> str:
    root = str(tmp_path / "table")
    files = storage.list_files(write_parquet(tmp_path / "a.parquet", {"x": [1, 2, 3]}))
    plan.save(root, plan.make([Group("parquet", "", files)], 2))
    identity.claim(root, {})
    return root


def test_status(empty_table):
    result = CliRunner().invoke(main, ["status", empty_table])
    assert result.exit_code == 0
    assert "0 of 3 done (0.0%), 0 of them failed" in result.output


def test_verify_of_an_unfinished_table_is_exit_code_1(empty_table):
    result = CliRunner().invoke(main, ["verify", empty_table])
    assert result.exit_code == 1
    assert result.output == "1 of 1 units are open, 3 rows; run the job again\n"


def test_errors(empty_table):
    assert CliRunner().invoke(main, ["errors", empty_table]).output == "No row failed.\n"


@pytest.mark.parametrize("command", ["status", "verify", "errors"])
def test_a_folder_that_is_no_table_is_exit_code_2(command, tmp_path):
    result = CliRunner().invoke(main, [command, str(tmp_path)])
    assert result.exit_code == 2
    assert "is no table" in result.output


def test_export_of_a_table_without_rows_is_exit_code_2(empty_table, tmp_path):
    result = CliRunner().invoke(main, ["export", empty_table, str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "has no rows yet" in result.output
