"""The meta-classifier against scikit-learn's own objects, in Python and as SQL."""

import numpy as np
import pyarrow as pa
import pytest
from made_tables import made_scores
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from raygrad.errors import IdentityError, TableError
from raygrad.ood.rows import Rows
from raygrad.ood.thresholds import file, logistic
from raygrad.ood.thresholds.apply import Application
from raygrad.ood.thresholds.logistic import calibration_error, fit_logistic

NAMES = ["fc_l1", "fc_mean", "msp", "energy"]
LOGARITHMS = ["fc_l1"]


@pytest.fixture
def known(table_of) -> Rows:
    return Rows(table_of({"dataset=known": made_scores(600, shift=0, seed=0, failed=3)}))


@pytest.fixture
def unknown(table_of) -> Rows:
    return Rows(table_of({"dataset=unknown": made_scores(300, shift=1.5, seed=1)}, name="other"))


def features(rows: Rows) -> np.ndarray:
    columns = rows.columns(NAMES)
    return np.stack(
        [np.log(columns[n].astype(float)) if n in LOGARITHMS else columns[n] for n in NAMES], axis=1
    ).astype(float)


def split(x, y):
    return train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)


def pipeline():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def test_unusual_rows_against_scikit_learn(known, unknown):
    found = fit_logistic(known, NAMES, 0.9, ood=[unknown])
    x = np.concatenate([features(known), features(unknown)])
    y = np.repeat([False, True], [597, 300])
    fit_x, held_x, fit_y, held_y = split(x, y)
    model = pipeline().fit(fit_x, fit_y)
    coefficients = [feature.coefficient for feature in found.features]
    assert coefficients == pytest.approx(model[1].coef_[0].tolist(), rel=1e-4)
    assert [f.score for f in found.features if f.log] == LOGARITHMS
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    total = cross_val_predict(pipeline(), fit_x, fit_y, cv=folds, method="decision_function")
    platt = LogisticRegression().fit(total[:, None], fit_y)
    assert (found.slope, found.offset) == pytest.approx((platt.coef_[0, 0], platt.intercept_[0]))
    areas = [roc_auc_score(fit_y[rest], total[rest]) for _, rest in folds.split(fit_x, fit_y)]
    assert found.validation.auroc.value == pytest.approx(np.mean(areas))
    assert found.validation.rows == ((~fit_y).sum(), fit_y.sum())
    probability = platt.predict_proba(model.decision_function(held_x)[:, None])[:, 1]
    assert found.validation.brier == pytest.approx(brier_score_loss(held_y, probability))
    usual = np.sort(probability[~held_y])
    rank = found.cut.rank
    assert rank == int(np.ceil((len(usual) + 1) * 0.9))
    assert usual[rank - 1] < found.cut.threshold < usual[rank]
    flagged = np.mean(probability[held_y] > found.cut.threshold)
    assert found.ood[0].flagged == pytest.approx(flagged)
    assert found.prior == pytest.approx(fit_y.mean())


def test_wrong_predictions_against_scikit_learn(known):
    found = fit_logistic(known, NAMES, 0.9, label="label")
    labels = known.columns(["label", "prediction"])
    fit_x, _, fit_y, _ = split(features(known), labels["label"] != labels["prediction"])
    model = pipeline().fit(fit_x, fit_y)
    coefficients = [feature.coefficient for feature in found.features]
    assert coefficients == pytest.approx(model[1].coef_[0].tolist(), rel=1e-4)
    assert found.predicts == "error"


def test_rows_without_a_label_are_left_out(table_of):
    rows = made_scores(400, shift=0, seed=0)
    place = rows.schema.get_field_index("label")
    labels = pa.array(rows["label"].to_numpy(), mask=np.arange(400) % 4 == 0)
    found = fit_logistic(
        Rows(table_of({"": rows.set_column(place, "label", labels)})), NAMES, 0.8, label="label"
    )
    assert sum(found.validation.rows) == 240  # four fifths of 300


def test_sql_against_python(known, unknown, tmp_path):
    """Also beyond the range of the fit, where scores are clipped; NaN has no probability."""
    found = fit_logistic(known, NAMES, 0.9, ood=[unknown])
    uri = str(tmp_path / "threshold.json")
    file.write(found, uri)
    application = Application(uri, unknown)
    flags = unknown.connection.sql(application._applied.flags("every_row")).to_arrow_table()
    columns = unknown.columns(NAMES)
    values = np.stack([columns[name] for name in NAMES], axis=1).astype(float)
    total = logistic.totals(values, found.features, found.intercept)
    expected = 1 / (1 + np.exp(-(found.slope * total + found.offset)))
    assert flags["probability"].to_numpy() == pytest.approx(expected, rel=1e-12)
    assert (
        flags["is_ood"].to_numpy(zero_copy_only=False) == (expected > found.cut.threshold)
    ).all()


def test_odd_scores(known, unknown, table_of, tmp_path):
    odd = made_scores(4, shift=0, seed=3)
    place = odd.schema.get_field_index("fc_l1")
    values = pa.array(np.array([np.nan, np.inf, 0, 1e30], np.float32))
    rows = Rows(table_of({"": odd.set_column(place, "fc_l1", values)}, name="odd"))
    found = fit_logistic(known, NAMES, 0.9, ood=[unknown])
    uri = str(tmp_path / "threshold.json")
    file.write(found, uri)
    Application(uri, rows).write(str(tmp_path / "flags"))
    (first, *rest) = (
        rows.connection.sql(f"SELECT probability, is_ood FROM '{tmp_path}/flags/*.parquet'")
    ).fetchall()
    assert np.isnan(first[0])
    assert first[1] is True
    assert all(0 < probability < 1 for probability, _ in rest)


def test_non_finite_rows_of_the_fit_are_left_out_and_counted(table_of, unknown):
    rows = made_scores(300, shift=0, seed=0)
    values = rows["msp"].to_numpy().copy()
    values[:5] = [np.nan, np.inf, -np.inf, np.nan, np.nan]
    rows = rows.set_column(rows.schema.get_field_index("msp"), "msp", [values])
    found = fit_logistic(Rows(table_of({"": rows}, name="k")), NAMES, 0.9, ood=[unknown])
    assert found.non_finite == 5
    assert sum(found.validation.rows) + found.cut.rows + 60 == 595


def test_large_tables_are_sampled(known, unknown, monkeypatch):
    monkeypatch.setattr(logistic, "MOST_ROWS", 200)
    monkeypatch.setattr("raygrad.ood.rows.ROWS_AT_ONCE", 64)
    found = fit_logistic(known, NAMES, 0.9, ood=[unknown])
    assert found.validation.rows == (160, 160)
    assert found == fit_logistic(known, NAMES, 0.9, ood=[unknown])


def test_calibration_error_against_a_slow_loop():
    random = np.random.default_rng(0)
    probability, target = random.random(100), random.random(100) < 0.5
    order = np.argsort(probability)
    expected = 0.0
    for first in range(0, 100, 10):
        part = order[first : first + 10]
        expected += abs(probability[part].mean() - target[part].mean()) / 10
    assert calibration_error(probability, target) == pytest.approx(expected)


def test_probabilities_are_calibrated_on_new_rows(table_of, known, unknown, tmp_path):
    """Of new rows in the fit's mixture, as many are unusual as the probabilities say."""
    found = fit_logistic(known, ["fc_l1", "fc_l2", "msp", "energy"], ood=[unknown])
    uri = str(tmp_path / "threshold.json")
    file.write(found, uri)
    parts = {
        "kind=usual": made_scores(4000, shift=0, seed=11),
        "kind=unusual": made_scores(2000, shift=1.5, seed=12),
    }
    rows = Rows(table_of(parts, name="new"))
    flags = rows.sql(Application(uri, rows)._applied.flags("selected", ["kind"])).fetchnumpy()
    error = calibration_error(flags["probability"], np.asarray(flags["kind"]) == "unusual")
    assert error < 0.05
    kept = 1 - np.asarray(flags["is_ood"])[np.asarray(flags["kind"]) == "usual"].mean()
    low, high = found.cut.kept_share
    assert low < kept < high


def test_it_needs_rows_to_flag(known, unknown):
    for options in ({}, {"ood": [unknown], "label": "label"}):
        with pytest.raises(TableError, match="give either --ood TABLE with unusual rows, or"):
            fit_logistic(known, NAMES, **options)


def test_too_few_rows(known, table_of):
    few = Rows(table_of({"": made_scores(9, shift=2, seed=0)}, name="few"))
    with pytest.raises(TableError, match=r"9 rows to flag have finite scores .* it takes 10"):
        fit_logistic(known, NAMES, ood=[few])
    with pytest.raises(TableError, match=r"held-out fifth: .* too few to keep 0.999"):
        fit_logistic(known, NAMES, 0.999, label="label")


def test_labels_that_are_all_right(table_of):
    rows = made_scores(50, shift=0, seed=0)
    place = rows.schema.get_field_index("label")
    rows = rows.set_column(place, "label", rows["prediction"])
    with pytest.raises(TableError, match="0 predictions differ from label and 50 don't"):
        fit_logistic(Rows(table_of({"": rows})), NAMES, label="label")


def test_another_loss_is_refused(known, table_of):
    other = Rows(table_of({"": made_scores(40, shift=2, seed=5)}, name="u", loss="uniform"))
    with pytest.raises(IdentityError, match="loss"):
        fit_logistic(known, NAMES, ood=[other])
