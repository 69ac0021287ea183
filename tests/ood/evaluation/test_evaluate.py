"""Evaluation of tables: against scikit-learn, what is refused, what is left out and said."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pyarrow as pa
import pytest
from made_tables import made_scores
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from raygrad.errors import IdentityError, TableError
from raygrad.ood.evaluation import NonFinite, detection, evaluate, misclassification
from raygrad.ood.evaluation.formats import records, to_csv, to_json
from raygrad.ood.evaluation.sets import counted
from raygrad.ood.rows import Rows, parse
from raygrad.table.definitions import IN, OUT

DIRECTIONS = {"msp": -1, "max_logit": -1, "energy": -1, "entropy": 1, "fc_l1": 1, "fc_l2": 1}


@pytest.fixture
def table(table_of) -> str:
    return table_of(
        {
            "dataset=mnist": made_scores(400, shift=0, seed=0, failed=3),
            "dataset=photos": made_scores(150, shift=2, seed=1, failed=1),
            "dataset=digits": made_scores(100, shift=0.5, seed=2),
        }
    )


@pytest.fixture
def sets(table) -> dict[str, Rows]:
    return {name: Rows(f"{table}/scores/dataset={name}") for name in ("mnist", "photos", "digits")}


def test_every_score_equals_scikit_learn(sets):
    found = evaluate(sets["mnist"], [sets["photos"], sets["digits"]], label="label")
    assert [result.score for result in found.results] == list(DIRECTIONS)
    for place, name in enumerate(("photos", "digits")):
        for result in found.results:
            inside, outside = (
                sets[s].columns([result.score])[result.score] for s in ("mnist", name)
            )
            is_ood = np.r_[np.zeros(len(inside)), np.ones(len(outside))]
            suspicion = DIRECTIONS[result.score] * np.r_[inside, outside]
            measured = result.detection[place]
            assert measured.auroc == pytest.approx(roc_auc_score(is_ood, suspicion))
            assert measured.aupr_out == pytest.approx(average_precision_score(is_ood, suspicion))
            assert measured.aupr_in == pytest.approx(
                average_precision_score(1 - is_ood, -suspicion)
            )


def test_tables_and_arrays_give_the_same(sets):
    found = evaluate(sets["mnist"], [sets["photos"], sets["digits"]], ["energy"], label="label")
    (result,) = found.results
    columns = sets["mnist"].columns(["energy", "label", "prediction"])
    for place, name in enumerate(("photos", "digits")):
        outside = sets[name].columns(["energy"])["energy"]
        assert result.detection[place] == detection(columns["energy"], outside, IN)
    wrong = columns["prediction"] != columns["label"]
    assert result.misclassification == misclassification(columns["energy"], wrong, IN)
    assert found.accuracy == pytest.approx(1 - wrong.mean())
    assert (found.wrong, found.right, found.unlabelled) == (wrong.sum(), (~wrong).sum(), 0)


def test_rows_with_errors_are_counted_apart(sets):
    found = evaluate(sets["mnist"], [sets["photos"]])
    assert (found.in_distribution.scored, found.in_distribution.failed) == (397, 3)
    assert (found.ood[0].scored, found.ood[0].failed) == (149, 1)
    assert found.in_distribution.name == str(sets["mnist"])
    assert found.results[0].detection[0].usual == 397


def placement_by_comparison(mine, others):
    return (mine[:, None] > others).mean(1) + (mine[:, None] == others).mean(1) / 2


@pytest.mark.parametrize("baseline", ["msp", "fc_l2"])
def test_each_score_is_compared_with_the_baseline_on_the_same_rows(baseline, sets):
    """Both pairs of sets: OOD rows are in-distribution's second set, wrong rows lie among right."""
    found = evaluate(
        sets["mnist"], [sets["digits"], sets["photos"]], label="label", baseline=baseline
    )
    assert found.baseline == baseline
    names = list(DIRECTIONS)
    data = {name: rows.columns([*names, "label", "prediction"]) for name, rows in sets.items()}
    wrong = data["mnist"]["label"] != data["mnist"]["prediction"]

    def suspicion(of, score):
        return DIRECTIONS[score] * data[of][score].astype("f8")

    for result in found.results:
        if result.score == baseline:
            assert result.detection[0].difference is None
            continue
        for measured, unusual, usual in [
            (
                result.detection[1],
                lambda s: suspicion("photos", s),
                lambda s: suspicion("mnist", s),
            ),
            (
                result.misclassification,
                lambda s: suspicion("mnist", s)[wrong],
                lambda s: suspicion("mnist", s)[~wrong],
            ),
        ]:
            of_unusual = [
                placement_by_comparison(unusual(s), usual(s)) for s in (result.score, baseline)
            ]
            of_usual = [
                1 - placement_by_comparison(usual(s), unusual(s)) for s in (result.score, baseline)
            ]
            value = np.mean(of_unusual[0]) - np.mean(of_unusual[1])
            variance = sum(np.var(a - b, ddof=1) / len(a) for a, b in (of_unusual, of_usual))
            assert measured.difference.to == baseline
            assert measured.difference.value == pytest.approx(value, abs=1e-12)
            expected = 2 * norm.sf(abs(value) / np.sqrt(variance)) if variance else 1
            assert measured.difference.p == pytest.approx(expected, rel=1e-6)


def test_a_baseline_that_is_named_is_evaluated_too(sets):
    found = evaluate(sets["mnist"], [sets["photos"]], ["fc_l1", "fc_l1"], baseline="energy")
    assert [result.score for result in found.results] == ["fc_l1", "energy"]
    assert found.results[0].detection[0].difference.to == "energy"
    with pytest.raises(TableError, match='no score "enrgy"'):
        evaluate(sets["mnist"], [sets["photos"]], ["fc_l1"], baseline="enrgy")
    with pytest.raises(TableError, match='no score "enrgy"'):
        evaluate(sets["mnist"], [sets["photos"]], baseline="enrgy")


def test_no_baseline_among_the_scores(sets):
    found = evaluate(sets["mnist"], [sets["photos"]], ["energy", "entropy"])
    assert found.baseline is None
    assert found.results[0].detection[0].difference is None


def test_scores_without_a_direction_are_left_out(sets):
    found = evaluate(sets["mnist"], [sets["photos"]])
    assert "which end is OOD isn't known" in found.left_out["fc_mean"]
    assert "fc_mean" not in [result.score for result in found.results]


@pytest.mark.parametrize("fit_ood", ["photos", "odd"])
def test_a_direction_is_fitted_on_other_rows(fit_ood, table, sets, table_of):
    """Of the odd rows the mean is high, so the direction that they give is the other one."""
    odd = made_scores(80, shift=-3, seed=4)
    other = Rows(table_of({"dataset=odd": odd}, name="odd"))
    fit = (
        parse(f"{table} where dataset = 'mnist' AND row % 2 = 1"),
        other if fit_ood == "odd" else sets["photos"],
    )
    inside = parse(f"{table} where dataset = 'mnist' AND row % 2 = 0")
    found = evaluate(inside, [sets["digits"]], fit=fit)
    result = next(result for result in found.results if result.score == "fc_mean")
    assert result.high == (OUT if fit_ood == "odd" else IN)
    assert (result.fitted.auroc > 0.5) == (fit_ood == "odd")
    assert result.fitted == detection(*(rows.columns(["fc_mean"])["fc_mean"] for rows in fit))
    columns = [rows.columns(["fc_mean"])["fc_mean"] for rows in (inside, sets["digits"])]
    assert result.detection[0].auroc == detection(*columns, result.high).auroc
    assert all(r.fitted is None for r in found.results if r.score != "fc_mean")


def test_rows_that_a_direction_is_fitted_on_are_not_evaluated(table, sets):
    fit = (Rows(table, "dataset = 'mnist'"), sets["digits"])
    with pytest.raises(TableError, match="rows to fit on and rows to evaluate have 400 rows"):
        evaluate(sets["mnist"], [sets["photos"]], fit=fit)
    with pytest.raises(
        TableError, match="in-distribution rows to fit on and those of OOD have 100"
    ):
        evaluate(sets["mnist"], [sets["photos"]], fit=(sets["digits"], sets["digits"]))


def test_a_row_is_not_in_distribution_and_ood(table, sets):
    with pytest.raises(TableError, match="the in-distribution rows and OOD set 2 have 150 rows"):
        evaluate(Rows(table, "dataset != 'digits'"), [sets["digits"], sets["photos"]])


def test_scores_of_another_loss_are_refused(sets, table_of):
    other = Rows(table_of({"": made_scores(20, shift=1, seed=3)}, name="other", loss="uniform"))
    with pytest.raises(IdentityError, match='loss: one has "pseudo_label", the other "uniform"'):
        evaluate(sets["mnist"], [other])


def test_what_can_not_be_named(sets):
    with pytest.raises(TableError, match='no score "label"; it has msp, max_logit'):
        evaluate(sets["mnist"], [sets["photos"]], ["label"])
    with pytest.raises(TableError, match='has no column "class"'):
        evaluate(sets["mnist"], [sets["photos"]], label="class")
    with pytest.raises(TableError, match="has no labels, and there are no OOD rows"):
        evaluate(sets["mnist"], [])
    with pytest.raises(
        TableError, match=r"where row < 3 has no rows with scores \(3 with an error"
    ):
        evaluate(Rows(sets["mnist"].uri, "row < 3"), [sets["photos"]])


@pytest.mark.parametrize(("kind", "expected"), [(pa.int64(), "class"), (pa.string(), None)])
def test_the_label_of_the_jobs_spec(kind, expected, table_of, sets, monkeypatch):
    rows = made_scores(60, shift=0, seed=0)
    table = Rows(
        table_of({"": rows.append_column("class", rows["label"].cast(kind))}, name="named")
    )
    table.footer["spec"] = {"label": "class"}
    assert evaluate(table, [sets["photos"]]).label == expected
    table.footer["spec"] = {"label": "not_kept"}
    assert evaluate(table, [sets["photos"]]).label is None


def test_more_rows_than_can_be_ranked(sets, monkeypatch):
    module = import_module("raygrad.ood.evaluation.evaluate")
    monkeypatch.setattr(module, "MOST_ROWS", 546)
    with pytest.raises(TableError, match="there are 546 rows; at most 545 can be evaluated"):
        evaluate(sets["mnist"], [sets["photos"]])


def test_labels_that_are_no_class_numbers(table_of, sets):
    rows = made_scores(9, shift=0, seed=0)
    table = table_of({"": rows.append_column("name", pa.array(["cat"] * 9))}, name="named")
    with pytest.raises(TableError, match="column name can't be compared with the prediction"):
        evaluate(Rows(table), [], label="name")


def test_rows_without_a_label(table_of):
    rows = made_scores(60, shift=0, seed=0)
    labels = pa.array(rows["label"].to_pylist(), mask=np.arange(60) % 3 == 0)
    rows = rows.set_column(rows.column_names.index("label"), "label", labels)
    found = evaluate(Rows(table_of({"": rows})), [], label="label")
    assert found.unlabelled == 20
    assert found.results[0].misclassification.right == found.right
    assert found.right + found.wrong == 40
    assert found.results[0].detection == ()


def test_all_predictions_right(table_of):
    rows = made_scores(9, shift=0, seed=0)
    place = rows.column_names.index("prediction")
    rows = rows.set_column(place, "prediction", rows["label"])
    found = evaluate(Rows(table_of({"": rows})), [], label="label")
    assert found.accuracy == 1
    assert found.results[0].misclassification is None


def test_scores_that_are_no_numbers_are_counted(table_of, sets):
    rows = made_scores(8, shift=1, seed=3)
    odd = pa.array([np.nan, np.inf, -np.inf, 1, 1, 1, None, None], pa.float32())
    rows = rows.set_column(rows.column_names.index("energy"), "energy", odd)
    other = Rows(table_of({"": rows}, name="other"))
    found = evaluate(sets["mnist"], [other], ["energy"])
    (result,) = found.results
    assert result.non_finite == (NonFinite(), NonFinite(nan=1, null=2, infinite=2))
    inside = sets["mnist"].columns(["energy"])["energy"]
    worst = np.array([-np.inf] * 4 + [np.inf, 1, 1, 1], "f4")
    assert result.detection[0] == detection(inside, worst, IN)


@pytest.mark.parametrize("more", [-1, 1])
def test_rows_that_change_while_they_are_read(more, sets, monkeypatch):
    """One row less of the first set and one more of the second are as many rows in all."""
    module = import_module("raygrad.ood.evaluation.evaluate")

    def miscounted(rows):
        found = counted(rows)
        change = more if rows is sets["mnist"] else -more
        return replace(found, scored=found.scored + change)

    monkeypatch.setattr(module, "counted", miscounted)
    with pytest.raises(TableError, match="mnist gave another number of rows than before"):
        evaluate(sets["mnist"], [sets["photos"]])


def test_json_and_records_hold_all_numbers(sets):
    found = evaluate(sets["mnist"], [sets["photos"], sets["digits"]], label="label")
    document = json.loads(to_json(found))
    assert document["accuracy"] == found.accuracy
    assert document["results"][0]["detection"][1]["auroc"] == found.results[0].detection[1].auroc
    lines = list(records(found))
    assert [line["task"] for line in lines] == ["detection"] * 12 + ["misclassification"] * 6
    assert lines[1]["ood"] == str(sets["digits"])
    assert lines[-1]["aurc"] == found.results[-1].misclassification.aurc
    header, *rest = to_csv(found).splitlines()
    assert header.startswith("task,in_distribution,ood,score,high,direction,usual,unusual,auroc,")
    assert len(rest) == 18


def test_what_is_not_known_is_null_in_json(table_of):
    table = table_of(
        {"d=a": made_scores(1, shift=0, seed=0), "d=b": made_scores(1, shift=9, seed=0)}
    )
    found = evaluate(Rows(table, "d = 'a'"), [Rows(table, "d = 'b'")], ["msp", "entropy"])
    document = json.loads(to_json(found))
    assert document["results"][0]["detection"][0]["auroc"] == 1
    assert "NaN" not in to_json(found)
