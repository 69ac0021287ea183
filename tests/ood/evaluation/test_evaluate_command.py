"""`raygrad evaluate` as users see it."""

import csv
import io
import json
import math
import re

import pyarrow as pa
import pytest
from click.testing import CliRunner
from made_tables import made_scores

from raygrad.cli import main


@pytest.fixture
def table(table_of) -> str:
    return table_of(
        {
            "dataset=mnist": made_scores(400, shift=0, seed=0, failed=3),
            "dataset=photos": made_scores(150, shift=2, seed=1),
            "dataset=digits": made_scores(100, shift=0.5, seed=2),
        }
    )


@pytest.fixture
def run(table, monkeypatch):
    def invoke(*arguments: str, width: int = 100, code: int = 0) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        result = CliRunner().invoke(
            main,
            ["evaluate", "--in-distribution", f"{table} where dataset = 'mnist'", *arguments],
        )
        assert result.exit_code == code, result.output
        return result.output

    return invoke


@pytest.fixture
def photos(table) -> str:
    return f"{table}/scores/dataset=photos"


@pytest.fixture
def digits(table) -> str:
    return f"{table} where dataset = 'digits'"


def scores_in(block: str) -> list[str]:
    return re.findall(r"^(\w+) +[01]\.\d{3}", block, re.MULTILINE)


def test_a_block_for_each_set_and_a_mean(run, photos, digits):
    text = run("--ood", photos, "--ood", digits)
    assert f"OOD 1            {photos}: 150 rows" in text
    assert "397 rows; 3 more have an error instead of scores" in text
    first, second, mean = re.split(r"\nOOD 1: |\nOOD 2: |\nMean over the 2 OOD sets", text)[1:]
    for block in (first, second, mean):
        assert sorted(scores_in(block)) == [
            "energy", "entropy", "fc_l1", "fc_l2", "max_logit", "msp"
        ]  # fmt: skip
    values = [float(v) for v in re.findall(r"^\w+ +([01]\.\d{3})", first, re.MULTILINE)]
    assert values == sorted(values, reverse=True)
    assert "lost at 95 % caught  share of in-distribution lost at 95 % of OOD caught" in text
    assert "Note: left out: fc_mean; which end is OOD isn't known" in text


@pytest.mark.parametrize("width", [80, 100])
def test_it_fits(run, photos, width):
    text = run("--ood", photos, "--label", "label", width=width)
    tables = [line for line in text.splitlines() if "/" not in line and "Note" not in line]
    assert max(map(len, tables)) <= width
    assert len(scores_in(text)) == 12, "no score's name is broken"
    assert ("p that of one paired test" in text) == (width == 100)


def test_the_order_of_the_table(run, photos):
    text = run("--ood", photos, "--sort", "table")
    assert scores_in(text) == ["msp", "max_logit", "energy", "entropy", "fc_l1", "fc_l2"]


def test_labels(run):
    text = run("--label", "label")
    assert re.search(r"accuracy \d\d\.\d\d%: \d+ of 397 in-distribution rows with a label", text)
    assert "excess AURC" in text
    assert "AUPR" not in text


def test_a_baseline_and_chosen_scores(run, photos):
    text = run("--ood", photos, "--score", "fc_l1", "--score", "energy", "--baseline", "energy")
    assert sorted(scores_in(text)) == ["energy", "fc_l1"]
    assert "to energy" in text
    assert re.search(r"fc_l1 .* [+-]0\.\d{3} ±0\.\d{3} ", text)


def test_a_fitted_direction_is_said(run, photos, digits, table):
    half = f"{table} where dataset = 'mnist' and row % 2 = 1"
    fit = ("--fit-in-distribution", half, "--fit-ood", photos)
    text = run("--ood", digits, *fit, "--where", "dataset != 'mnist' or row % 2 = 1", code=2)
    assert "rows to fit on and rows to evaluate have" in text
    lines = CliRunner().invoke(
        main,
        [
            *("evaluate", "--in-distribution", f"{table} where dataset = 'mnist' and row % 2 = 0"),
            *("--ood", digits, *fit),
        ],
    )
    assert "Note: fc_mean: high is taken as in-distribution, since on the rows" in lines.output
    assert "fc_mean" in scores_in(lines.output)


def test_half_of_a_fit_is_refused(run, photos):
    text = run("--ood", photos, "--fit-ood", photos, code=2)
    assert "--fit-in-distribution and --fit-ood are given together or not" in text


def test_json(run, photos):
    document = json.loads(run("--ood", photos, "--format", "json"))
    assert [result["score"] for result in document["results"]][:2] == ["msp", "max_logit"]
    assert document["ood"][0] == {"name": photos, "scored": 150, "failed": 0}


def test_csv(run, photos):
    lines = list(csv.DictReader(io.StringIO(run("--ood", photos, "--format", "csv"))))
    assert len(lines) == 6
    assert lines[0]["score"] == "msp"
    assert 0.5 < float(lines[0]["auroc_low"]) < float(lines[0]["auroc"]) < 1


def test_one_condition_for_all_tables(run, photos):
    document = json.loads(run("--ood", photos, "--where", "row < 100", "--format", "json"))
    assert document["in_distribution"]["scored"] == 97
    assert document["ood"][0]["scored"] == 100


def test_a_table_that_is_not_there(run, tmp_path):
    text = run("--ood", str(tmp_path / "nowhere"), code=2)
    assert "nowhere holds no score files" in text


def test_a_score_that_is_not_there(run, photos):
    text = run("--ood", photos, "--score", "fc_l7", code=2)
    assert 'has no score "fc_l7"; it has msp' in text


def test_scores_that_are_no_numbers_are_named(run, table_of):
    rows = made_scores(4, shift=0, seed=0)
    odd = pa.array([math.nan, None, math.inf, 1], pa.float32())
    rows = rows.set_column(rows.column_names.index("energy"), "energy", odd)
    other = table_of({"": rows}, name="other")
    text = run("--ood", other)
    assert (
        f"energy of {other}: 1 NaN and 1 null scores, taken as the most suspicious; 1 inf" in text
    )
