"""``raygrad report`` as users call it."""

import pytest
from click.testing import CliRunner
from parsed_page import captioned, parsed, rows_of

from raygrad.cli import main


def call(*arguments: str):
    return CliRunner().invoke(main, ["report", *arguments])


def test_writes_a_page_and_says_what_is_in_it(three, tmp_path):
    out = tmp_path / "page.html"
    usual, far = (f"{three} where dataset = '{name}'" for name in ("usual", "far"))
    result = call(three, "--in-distribution", usual, "--ood", far, "--output", str(out))
    assert result.exit_code == 0, result.output
    assert "AUROC" in result.output
    assert f"report  {out}, " in result.output
    page = parsed(out.read_text(encoding="utf-8"))
    names = [row[0] for row in rows_of(captioned(page, "Sets of rows"))]
    assert names == ["dataset = 'usual'", "dataset = 'far'"]


def test_a_condition_holds_for_every_table(three, tmp_path):
    out = tmp_path / "page.html"
    usual, far = (f"{three}/scores/dataset={name}" for name in ("usual", "far"))
    options = ["--in-distribution", usual, "--ood", far, "--where", "row < 50"]
    assert call(three, *options, "--output", str(out)).exit_code == 0
    found = rows_of(captioned(parsed(out.read_text()), "Sets of rows"))
    assert [row[2] for row in found] == ["50", "50"]


def test_a_page_that_is_there_is_replaced(three, tmp_path):
    out = tmp_path / "page.html"
    out.write_text("old")
    assert call(three, "--output", str(out)).exit_code == 0
    assert out.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--score", "fc_l9"], 'has no score "fc_l9"'),
        (["--ood", "{table}/scores/dataset=far"], "rows in common"),
        (["--output", "/nowhere/page.html"], "there is no folder /nowhere; make it first"),
        (["--unusual", "101"], "--unusual"),
        (["--where", "nonsense = 1"], "can't be read"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(three, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = call(three, *(argument.format(table=three) for argument in arguments))
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "report.html").exists()
