"""`raygrad threshold` and `raygrad query` as users type them."""

import json
import re
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from raygrad.cli import main

sys.path.append(str(Path(__file__).parents[1] / "ood"))
from made_tables import made_scores, write_table

KNOWN = "table/scores/dataset=known"


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    parts = {
        "dataset=known": made_scores(400, shift=0, seed=0, failed=2),
        "dataset=new": made_scores(100, shift=2, seed=1),
    }
    write_table(Path("table"), parts)


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def test_fit_and_apply():
    result = run("threshold", "fit", "--in-distribution", KNOWN, "--score", "fc_l1")
    assert result.exit_code == 0, result.output
    for text in ("flags      fc_l1 > ", "the table says so", "398 rows of", "2 rows that have an"):
        assert text in result.output
    assert json.loads(Path("threshold.json").read_text())["keep"] == 0.95
    result = run("threshold", "apply", "threshold.json", "table", "flags")
    assert result.exit_code == 0, result.output
    assert "of 498 rows flagged" in result.output
    assert "2 rows have an error, and null as their flag." in result.output
    result = run("threshold", "apply", "threshold.json", "table", "flags")
    assert "2 files were there already" in result.output


def test_by_class_with_a_condition():
    result = run(
        *("threshold", "fit", "--in-distribution", f"{KNOWN} where label < 5", "--score", "msp"),
        *("--keep", "0.9", "--by-class", "--where", "row > 10", "--output", "own.json"),
    )
    assert result.exit_code == 0, result.output
    assert "By predicted class" in result.output
    assert "others" in result.output
    found = json.loads(Path("own.json").read_text())["in_distribution"]
    assert found["where"] == "(label < 5) AND (row > 10)"


def test_p_values_and_a_false_discovery_rate():
    fit = ("threshold", "fit", "--in-distribution", KNOWN, "--score", "energy")
    assert run(*fit, "--method", "conformal").exit_code == 0
    result = run("threshold", "apply", "threshold.json", "table", "flags", "--fdr", "0.3")
    assert "Rows with a p-value of at most" in result.output
    result = run("threshold", "apply", "threshold.json", "table", "none", "--fdr", "0.001")
    assert "no p-value is small enough; none can be below 0.00251" in result.output


def test_logistic():
    result = run(
        *("threshold", "fit", "--in-distribution", KNOWN, "--method", "logistic"),
        *("--ood", "table/scores/dataset=new", "--score", "fc_l1", "--score", "msp"),
    )
    assert result.exit_code == 0, result.output
    assert "AUROC" in result.output
    assert "Features" in result.output
    assert re.search(r"flagged of /\S+/table/scores/dataset=new", result.output)


def test_the_view_runs_in_duckdb():
    run("threshold", "fit", "--in-distribution", KNOWN, "--score", "fc_l1")
    result = run("threshold", "apply", "threshold.json", "table", "--sql")
    connection = duckdb.connect()
    connection.execute(result.output)
    assert connection.sql("SELECT count(*), count(is_ood) FROM flags").fetchall() == [(500, 498)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "--in-distribution", KNOWN), "takes one --score, got 0"),
        (("fit", "--in-distribution", KNOWN, "--score", "fc_mean"), "give --ood TABLE"),
        (("fit", "--in-distribution", KNOWN, "--score", "x", "--keep", "1"), "0<x<1"),
        (("fit", "--in-distribution", "nowhere", "--score", "x"), "holds no score files"),
        (("apply", "nothing.json", "table", "flags"), "there is no such threshold file"),
        (("apply", "nothing.json", "table"), "Give either OUT, for files of flags, or --sql"),
    ],
)
def test_misuse_is_exit_code_2(arguments, message):
    result = run("threshold", *arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("command", ["fit", "apply"])
def test_options_have_help(command):
    for option in main.commands["threshold"].commands[command].params:
        assert option.param_type_name == "argument" or option.help.endswith(".")


def test_query():
    result = run("query", "SELECT dataset, count(*) AS n FROM scored GROUP BY ALL", "table")
    assert result.exit_code == 0
    assert "known   │ 398" in result.output


def test_query_says_what_it_does_not_show():
    result = run("query", "FROM scores", "table", "--rows", "3")
    assert "The first 3 rows; --rows N shows more" in result.output
    assert "No room for" in result.output
    assert max(map(len, result.output.splitlines()[:8])) <= 80


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("csv", 'a,b\n1,"[x]"\n'.replace('"', "")), ("json", '[\n\t{"a":1,"b":"[x]"}\n]\n')],
)
def test_query_for_other_programs(kind, expected):
    result = run("query", "SELECT 1 AS a, '[x]' AS b", "table", "--format", kind)
    assert result.output == expected


def test_query_to_a_file():
    result = run("query", "FROM errors", "table", "--output", "errors.parquet")
    assert result.output == "2 rows in errors.parquet\n"
    assert run("query", "FROM errors", "table", "--output", "errors.parquet").exit_code == 2


def test_query_of_named_tables():
    sql = "SELECT (SELECT count(*) FROM a.scored) - (SELECT count(*) FROM b)"
    result = run("query", sql, f"a={KNOWN}", "b=table where dataset = 'new'")
    assert "298" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("FROM score", "table"), "score does not exist"),
        (("DROP VIEW scores", "table"), "does more than read"),
        (("FROM scores", "table", "table"), "Name each of several tables"),
        (("FROM scores", "table", "--format", "parquet"), "give --output FILE"),
        (("FROM scores", "table", "--output", "x.txt"), "Say what x.txt is to be"),
    ],
)
def test_query_misuse_is_exit_code_2(arguments, message):
    result = run("query", *arguments)
    assert result.exit_code == 2
    assert message in result.output
