"""Thresholds of one score: order statistics, directions, classes, odd scores, refusals."""

import numpy as np
import pyarrow as pa
import pytest
from made_tables import made_scores
from sklearn.metrics import roc_auc_score

from raygrad.errors import IdentityError, TableError
from raygrad.ood.rows import Rows
from raygrad.ood.thresholds.direction import auroc, delong
from raygrad.ood.thresholds.quantile import fit_quantile
from raygrad.table.definitions import IN, OUT


def with_column(rows: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, name, pa.array(np.asarray(values, np.float32)))


@pytest.fixture
def known(table_of) -> Rows:
    return Rows(table_of({"dataset=known": made_scores(500, shift=0, seed=0, failed=7)}))


@pytest.fixture
def unknown(table_of) -> Rows:
    return Rows(table_of({"dataset=unknown": made_scores(300, shift=2, seed=1)}, name="other"))


@pytest.mark.parametrize("keep", [0.95, 0.9, 0.5])
def test_high_scores_are_unusual(known, keep):
    fitted = fit_quantile(known, "fc_l1", keep)
    scores = np.sort(known.columns(["fc_l1"])["fc_l1"])
    rank = int(np.ceil(494 * keep))
    cut = fitted.all_classes
    assert (cut.rows, cut.rank, cut.ties, cut.non_finite) == (493, rank, 0, 0)
    assert np.float32(cut.threshold) == scores[rank - 1]
    assert fitted.direction.high == OUT
    assert (fitted.in_distribution.rows, fitted.in_distribution.failed) == (500, 7)


def test_low_scores_are_unusual(known):
    cut = fit_quantile(known, "msp", 0.9).all_classes
    scores = known.columns(["msp"])["msp"]
    assert np.float32(cut.threshold) == np.sort(scores)[::-1][cut.rank - 1]
    assert np.mean(scores >= np.float32(cut.threshold)) >= 0.9


def test_a_condition_picks_the_rows(known):
    rows = Rows(known.uri, "label < 5")
    fitted = fit_quantile(rows, "fc_l1")
    assert fitted.all_classes.rows == len(rows.columns(["fc_l1"])["fc_l1"]) < 300
    assert fitted.in_distribution.where == "label < 5"


def test_ties_are_kept_and_counted(table_of):
    rows = with_column(made_scores(100, shift=0, seed=0), "fc_l1", np.arange(100) // 10)
    cut = fit_quantile(Rows(table_of({"": rows})), "fc_l1", 0.9).all_classes
    assert (cut.threshold, cut.rank, cut.ties) == (9, 91, 9)


@pytest.mark.parametrize(("score", "odd"), [("fc_l1", np.nan), ("msp", np.nan), ("msp", -np.inf)])
def test_odd_scores_are_the_most_unusual(table_of, score, odd):
    values = np.arange(100.0)
    values[:4] = odd
    rows = with_column(made_scores(100, shift=0, seed=0), score, values)
    cut = fit_quantile(Rows(table_of({"": rows})), score, 0.9).all_classes
    usual_first = np.arange(4, 100) if score == "fc_l1" else np.arange(4, 100)[::-1]
    assert (cut.threshold, cut.non_finite) == (usual_first[90], 4)


def test_a_threshold_that_would_be_nan_is_refused(table_of):
    values = np.full(100, np.nan)
    values[:80] = 1
    rows = with_column(made_scores(100, shift=0, seed=0), "fc_l1", values)
    with pytest.raises(TableError, match="20 of 100 scores are NaN or infinite"):
        fit_quantile(Rows(table_of({"": rows})), "fc_l1", 0.9)


def test_by_class_against_a_loop(known):
    fitted = fit_quantile(known, "fc_l1", 0.9, by_class=True)
    found = known.columns(["fc_l1", "prediction"])
    assert sorted(fitted.by_class) == list(range(10))
    for number, cut in fitted.by_class.items():
        scores = np.sort(found["fc_l1"][found["prediction"] == number])
        assert cut.rows == len(scores)
        assert np.float32(cut.threshold) == scores[int(np.ceil((len(scores) + 1) * 0.9)) - 1]


def test_classes_with_too_few_rows_are_named(known):
    fitted = fit_quantile(known, "fc_l1", 0.98, by_class=True)
    predictions = known.columns(["prediction"])["prediction"]
    numbers, counts = np.unique(predictions, return_counts=True)
    expected = {int(n): int(c) for n, c in zip(numbers, counts, strict=True) if c < 49}
    assert expected
    assert fitted.too_few == expected
    assert set(fitted.by_class) == set(numbers.tolist()) - set(expected)


def test_unusual_rows_that_are_flagged_are_counted(known, unknown):
    fitted = fit_quantile(known, "fc_l1", ood=[unknown])
    scores = unknown.columns(["fc_l1"])["fc_l1"]
    limit = np.float32(fitted.all_classes.threshold)
    assert fitted.ood[0].flagged == pytest.approx(np.mean(scores > limit))
    assert fitted.direction.known_from == "table"
    by_class = fit_quantile(known, "fc_l1", by_class=True, ood=[unknown])
    limits = np.array([by_class.by_class[n].threshold for n in range(10)], np.float32)
    predictions = unknown.columns(["prediction"])["prediction"]
    assert by_class.ood[0].flagged == pytest.approx(np.mean(scores > limits[predictions]))


def test_a_direction_that_is_not_known_is_not_guessed(known):
    with pytest.raises(TableError, match="doesn't say which end of fc_mean is unusual; give --ood"):
        fit_quantile(known, "fc_mean")


def test_a_direction_is_fitted_on_unusual_rows(known, unknown):
    found = fit_quantile(known, "fc_mean", ood=[unknown]).direction
    usual, unusual = (r.columns(["fc_mean"])["fc_mean"] for r in (known, unknown))
    truth = np.repeat([0, 1], [len(usual), len(unusual)])
    area = roc_auc_score(truth, -np.concatenate([usual, unusual]))
    assert (found.high, found.known_from) == (IN, "ood")
    assert found.auroc.value == pytest.approx(area)
    assert found.auroc.interval[0] < area < found.auroc.interval[1]


def test_a_direction_is_fitted_on_wrong_predictions(known):
    found = fit_quantile(known, "fc_mean", label="label").direction
    columns = known.columns(["fc_mean", "label", "prediction"])
    wrong = columns["label"] != columns["prediction"]
    assert (found.high, found.known_from) == (IN, "errors")
    assert found.auroc.value == pytest.approx(roc_auc_score(wrong, -columns["fc_mean"]))


def test_rows_that_do_not_show_a_direction_are_refused(known, table_of):
    same = Rows(table_of({"": made_scores(40, shift=0, seed=5)}, name="same"))
    with pytest.raises(TableError, match="don't show which end is unusual"):
        fit_quantile(known, "fc_mean", ood=[same])


def test_unusual_rows_of_another_loss_are_refused(known, table_of):
    other = Rows(table_of({"": made_scores(40, shift=2, seed=5)}, name="u", loss="uniform"))
    with pytest.raises(IdentityError, match=r'loss: .*table has "pseudo_label", .*u "uniform"'):
        fit_quantile(known, "fc_l1", ood=[other])


@pytest.mark.parametrize("score", ["label", "fc_l3"])
def test_what_is_no_score_is_refused(known, score):
    with pytest.raises(TableError, match=f'has no score "{score}"; it has .*fc_l1'):
        fit_quantile(known, score)


def test_too_few_rows(known):
    with pytest.raises(TableError, match=r"too few to keep 0.999 of all; it takes 999"):
        fit_quantile(known, "fc_l1", 0.999)


def test_delong_against_a_slow_loop():
    random = np.random.default_rng(0)
    usual, unusual = random.integers(0, 9, 40), random.integers(3, 12, 30)
    wins = (unusual[:, None] > usual) + 0.5 * (unusual[:, None] == usual)
    area, variance = delong(usual, unusual)
    assert area == pytest.approx(wins.mean())
    assert variance == pytest.approx(
        wins.mean(1).var(ddof=1) / len(unusual) + wins.mean(0).var(ddof=1) / len(usual)
    )


def test_delong_interval_by_simulation():
    random = np.random.default_rng(0)
    holds = 0
    for _ in range(2000):
        usual, unusual = random.normal(0, 1, 50), random.normal(1, 1, 40)
        low, high = auroc(*delong(usual, unusual), 50, 40).interval
        holds += low <= 0.7602499 <= high  # P(X < Y) of these two normals
    assert holds / 2000 == pytest.approx(0.95, abs=0.015)


def test_rows_that_are_both_usual_and_unusual_are_refused(known):
    with pytest.raises(TableError, match="have 10 rows in common"):
        fit_quantile(known, "fc_l1", ood=[Rows(known.uri, '"row" BETWEEN 20 AND 29')])
