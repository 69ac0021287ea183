"""What a report says, against independent computations, and what it leaves out."""

import json

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from made_tables import made_scores
from parsed_page import captioned, rows_of
from sklearn.metrics import average_precision_score, roc_auc_score

from raygrad.confidence import CONFIDENCE
from raygrad.errors import TableError
from raygrad.ood.evaluation import evaluate
from raygrad.ood.report import sets
from raygrad.ood.report.contents import gather
from raygrad.ood.report.findings import notes
from raygrad.ood.report.heat import MISSING
from raygrad.ood.report.sets import Role
from raygrad.ood.rows import Rows
from raygrad.table.definitions import IN


def part(table: str, name: str) -> str:
    return f"{table}/scores/dataset={name}"


def test_measures_are_those_of_evaluate_and_scikit_learn(three, full):
    usual, far = Rows(part(three, "usual")), Rows(part(three, "far"))
    results = {r.score: r.detection[0] for r in evaluate(usual, [far]).results}
    table = captioned(full, "far against usual, the largest AUROC")
    shown = {
        row.all("th")[0].text: [float(c.attributes.get("data-value", 0)) for c in row.all("td")]
        for row in table.all("tbody")[0].all("tr")
    }
    assert shown.keys() == results.keys()
    for name, found in results.items():
        expected = [found.auroc, found.auroc_low, found.aupr_out, found.aupr_in]
        expected += [found.lost_at_95_caught, found.missed_at_95_kept]
        assert shown[name][1:] == pytest.approx(expected, rel=1e-14)
        sign = -1 if usual.scores[name].high == IN else 1
        values = [sign * rows.columns([name])[name] for rows in (usual, far)]
        truth = np.repeat([0, 1], [len(v) for v in values])
        assert found.auroc == pytest.approx(roc_auc_score(truth, np.concatenate(values)))
        assert found.aupr_out == pytest.approx(
            average_precision_score(truth, np.concatenate(values))
        )
    aurocs = [values[1] for values in shown.values()]
    assert aurocs == sorted(aurocs, reverse=True)


def test_the_best_score_is_named_with_its_interval(three, full):
    result = evaluate(Rows(part(three, "usual")), [Rows(part(three, "far"))])
    best = max(result.results, key=lambda r: r.detection[0].auroc)
    found = best.detection[0]
    interval = f"interval {found.auroc_low:.3f} to {found.auroc_high:.3f}"
    sentence = next(li.text for li in full.by_id("summary").all("li") if "tells far" in li.text)
    assert sentence.startswith(f"{best.score} tells far best")
    assert f"AUROC {found.auroc:.3f} (95 % {interval})" in sentence


def test_wrong_predictions_are_measured_where_there_are_labels(three, full):
    rows = Rows(part(three, "usual")).columns(["label", "prediction", "fc_l1"])
    wrong = rows["label"] != rows["prediction"]
    table = captioned(full, f"{wrong.sum()} wrong against {(~wrong).sum()} right")
    shown = {row[0]: row[1] for row in rows_of(table)}
    assert shown["fc_l1"] == f"{roc_auc_score(wrong, rows['fc_l1']):.3f}"


def test_sets_are_counted(three, full):
    found = {row[0]: row[1:5] for row in rows_of(captioned(full, "Sets of rows"))}
    accuracy = np.mean(np.diff(_labels(three, "usual"), axis=0) == 0)
    assert found["usual"] == ["in-distribution", "400", "7", f"{accuracy:.1%}".replace("%", " %")]
    assert found["far"] == ["out-of-distribution", "200", "0", "no labels"]
    figures = {d.all("dt")[0].text: d.all("dd")[0].text for d in full.by_id("summary").all("div")
               if d.all("dt")}  # fmt: skip
    assert (figures["Rows read"], figures["Scored"], figures["Failed"]) == ("900", "893", "7")


def _labels(table, name):
    rows = Rows(part(table, name)).columns(["label", "prediction"])
    return np.stack([rows["label"], rows["prediction"]])


def test_the_threshold_of_the_finding_flags_what_it_says(three):
    contents = gather(
        Rows(three), Rows(part(three, "usual")), [Rows(part(three, "far"))], score="msp"
    )
    usual = np.sort(Rows(part(three, "usual")).columns(["msp"])["msp"])
    far = Rows(part(three, "far")).columns(["msp"])["msp"]
    limit = usual[len(usual) - int(np.ceil((len(usual) + 1) * 0.95))]
    share = f"{np.mean(far < limit):.1%}".replace("%", "\N{NO-BREAK SPACE}%")
    assert f"flags {share} of far." in contents.findings[1]


def test_layers_by_metrics_hold_the_aurocs(full):
    (row,) = rows_of(captioned(full, "AUROC of near"))
    measures = {r[0]: r[2] for r in rows_of(captioned(full, "near against usual, the largest"))}
    assert row == ["fc", measures["fc_l1"], measures["fc_l2"], MISSING], "fc_mean has no direction"


def test_other_rows_beside_in_distribution_ones_are_compared_by_medians(three, page_of):
    page = page_of(part(three, "far"), part(three, "usual"))
    (row,) = rows_of(captioned(page, "Median of far, as a multiple"))
    medians = [
        np.median(Rows(part(three, name)).columns(["fc_l1"])["fc_l1"]) for name in ("far", "usual")
    ]
    assert row[1] == f"{medians[0] / medians[1]:.3g}"


def test_a_table_alone(three, page_of):
    page = page_of(three)
    assert "No other rows were given" in page.by_id("summary").text
    present = [section.attributes["id"] for section in page.all("section")]
    assert "curves" not in present
    assert "measures" in present, "there are labels, so wrong predictions are told from right ones"


def test_without_labels(table_of, page_of):
    table = table_of({"": made_scores(40, shift=0, seed=0).drop_columns(["label"])})
    page = page_of(table)
    assert "no labels" in page.by_id("summary").text
    assert "measures" not in [section.attributes["id"] for section in page.all("section")]


def test_labels_that_are_names_are_no_numbers_to_compare(table_of, page_of):
    rows = made_scores(40, shift=0, seed=0)
    names = pa.array([f"class {label}" for label in rows["label"].to_pylist()])
    rows = rows.set_column(rows.column_names.index("label"), "label", names)
    table = table_of({"dataset=a": rows, "dataset=b": rows}, spec={"label": "label"})
    page = page_of(part(table, "a"), None, [part(table, "b")])
    assert "no labels" in page.by_id("summary").text
    assert ", label class" in page.by_id("unusual").text
    assert captioned(page, "b against a, the largest AUROC")


def test_no_row_was_scored(table_of, page_of):
    page = page_of(table_of({"": made_scores(5, shift=0, seed=0, failed=5)}))
    assert "No row was scored." in page.by_id("summary").text
    present = [section.attributes["id"] for section in page.all("section")]
    assert present == ["summary", "errors", "runs", "provenance"]
    assert rows_of(captioned(page, "could not be scored"))[0][1:4] == ["x", "x", "5"]


def test_one_set_without_scores_says_so_and_the_others_are_compared(table_of, page_of):
    table = table_of(
        {
            "dataset=usual": made_scores(60, shift=0, seed=0),
            "dataset=broken": made_scores(5, shift=0, seed=0, failed=5),
            "dataset=far": made_scores(50, shift=2, seed=1),
        }
    )
    page = page_of(table, part(table, "usual"), [part(table, "broken"), part(table, "far")])
    assert "No row of broken was scored" in page.by_id("summary").text
    assert captioned(page, "far against usual, the largest")


def test_errors_by_stage_and_type(table_of, page_of):
    rows = made_scores(20, shift=0, seed=0, failed=3)
    kinds = pa.array(["DecodeError", "DecodeError", "ShapeError"] + [None] * 17)
    place = rows.column_names.index("error_type")
    table = table_of({"": rows.set_column(place, "error_type", kinds)})
    found = rows_of(captioned(page_of(table), "could not be scored"))
    assert [row[2:] for row in found] == [
        ["DecodeError", "2", ".parquet, row 0: x"],
        ["ShapeError", "1", ".parquet, row 2: x"],
    ]


def test_runs_and_provenance(table_of, tmp_path, page_of):
    table = table_of({"dataset=near": made_scores(9, shift=0, seed=0)}, spec={"label": "label"})
    private = tmp_path / "table" / "_raygrad"
    (private / "runs").mkdir(parents=True)
    (private / "identity.json").write_text("{}")
    run = {"run": "r1", "rows": 900, "errors": 7, "seconds": 12.34, "rate": 81.2}
    (private / "runs" / "r1.json").write_text(json.dumps({**run, "interrupted": True}))
    page = page_of(part(table, "near"))
    found = rows_of(captioned(page, "Runs that came to an end"))
    assert found == [["r1", "900", "7", "12.3", "81", "interrupted"]]
    assert "label: label" in page.by_id("provenance").all("pre")[0].text


def test_a_copy_knows_of_no_runs(three, page_of):
    assert "These files are a copy" in page_of(three).by_id("runs").text


def test_large_sets_are_sampled_and_it_is_said(three, monkeypatch):
    monkeypatch.setattr(sets, "SAMPLE", 50)
    contents = gather(Rows(part(three, "near")))
    (found,) = contents.sets
    taken = found.sample(["fc_l1"])["fc_l1"]
    assert 25 < len(taken) < 90, "about one row in six"
    assert np.array_equal(taken, found.sample(["fc_l1"])["fc_l1"]), "the same rows each time"
    assert any("near: one row in 6" in note for note in notes(contents.sets, None))
    assert contents.histograms[0].shares[0].sum() == pytest.approx(1)


def test_which_sets_are_compared(three):
    """The table is a set of its own unless it is the whole of which others are parts."""

    def roles(table, usual=None, out=()):
        inner = Rows(part(three, usual)) if usual else None
        found = gather(Rows(table), inner, [Rows(part(three, name)) for name in out]).sets
        return [(s.name, s.role) for s in found]

    assert roles(three) == [("table", Role.UNKNOWN)]
    assert roles(three, "usual", ["far"]) == [("usual", Role.IN), ("far", Role.OUT)]
    assert roles(part(three, "usual"), None, ["far"]) == [("usual", Role.IN), ("far", Role.OUT)]
    assert roles(part(three, "near"), "usual", ["far"]) == [
        ("usual", Role.IN),
        ("near", Role.UNKNOWN),
        ("far", Role.OUT),
    ]


def test_sets_of_one_name_are_told_apart(table_of):
    first = table_of({"dataset=a": made_scores(20, shift=0, seed=0)}, name="one")
    second = table_of({"dataset=a": made_scores(20, shift=1, seed=1)}, name="two")
    contents = gather(Rows(part(first, "a")), None, [Rows(part(second, "a"))])
    assert [found.name for found in contents.sets] == ["a (1)", "a (2)"]


def test_rows_on_both_sides_are_refused(three):
    with pytest.raises(TableError, match="have 200 rows in common"):
        gather(Rows(three), None, [Rows(part(three, "far"))])


def test_a_score_that_is_not_there(three):
    with pytest.raises(TableError, match='has no score "fc_l9"; it has '):
        gather(Rows(three), score="fc_l9")


def test_tables_without_a_score_in_common(table_of, three):
    other = table_of({"": made_scores(5, shift=0, seed=0)}, name="other", scores={"row": {
        "definition": "x", "high": None}})  # fmt: skip
    with pytest.raises(TableError, match="have no score in common"):
        gather(Rows(three), Rows(other))


def test_of_many_scores_the_first_and_the_forward_ones_are_correlated(three, page_of, monkeypatch):
    monkeypatch.setattr("raygrad.ood.report.contents.MOST_CORRELATED", 6)
    page = page_of(three, score="fc_l2")
    names = [row[0] for row in rows_of(captioned(page, "Spearman"))]
    forward = [name for name in Rows(three).scores if name in CONFIDENCE]
    assert names == ["fc_l2", "fc_l1", *forward]
    assert f"These are 6 of {3 + len(forward)} scores" in page.by_id("correlations").text


def test_a_table_in_a_store(three, page_of):
    memory = fsspec.filesystem("memory")
    memory.put(three, "/reported/table", recursive=True)
    memory.pipe("/reported/table/_raygrad/identity.json", b"{}")
    page = page_of("memory://reported/table")
    assert "893" in page.by_id("summary").text
    assert "No run of this table has come to an end yet." in page.by_id("runs").text


def test_more_sets_than_colours(table_of, page_of):
    names = [f"s{number}" for number in range(10)]
    table = table_of({f"dataset={n}": made_scores(25, shift=0, seed=0) for n in names})
    page = page_of(table, part(table, "s0"), [part(table, name) for name in names[1:]])
    (first, *_) = (svg for svg in page.all("svg") if svg.attributes.get("role") == "img")
    lines = [p.attributes["class"] for p in first.all("path") if "line" in p.attributes["class"]]
    assert lines == [f"line s{number % 8}" for number in range(10)]
