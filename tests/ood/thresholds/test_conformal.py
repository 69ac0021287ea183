"""Conformal p-values against a slow loop, and Benjamini-Hochberg against scipy's."""

from fractions import Fraction

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_tables import made_scores
from scipy.stats import false_discovery_control

from raygrad.errors import TableError
from raygrad.ood.rows import Rows
from raygrad.ood.thresholds import file
from raygrad.ood.thresholds.apply import Application
from raygrad.ood.thresholds.conformal import benjamini_hochberg, write_conformal
from raygrad.ood.thresholds.quantile import fit_quantile


def rounded(rows):
    """Scores with many ties."""
    place = rows.schema.get_field_index("fc_l1")
    values = np.round(rows["fc_l1"].to_numpy(), 1)
    return rows.set_column(place, "fc_l1", [values])


@pytest.fixture
def known(table_of) -> Rows:
    return Rows(table_of({"": rounded(made_scores(400, shift=0, seed=0))}, name="known"))


@pytest.fixture
def mixed(table_of) -> Rows:
    parts = {
        "dataset=a": rounded(made_scores(150, shift=0, seed=3)),
        "dataset=b": rounded(made_scores(90, shift=3, seed=4)),
    }
    return Rows(table_of(parts, name="mixed"))


def fitted(known, tmp_path, score="fc_l1", keep=0.9, by_class=False) -> str:
    uri = str(tmp_path / "threshold.json")
    write_conformal(known, fit_quantile(known, score, keep, by_class=by_class), uri)
    return uri


def flags_of(out) -> dict[str, np.ndarray]:
    table = pq.read_table(out, partitioning="hive")
    return {name: table[name].to_numpy() for name in table.column_names}


@pytest.mark.parametrize("score", ["fc_l1", "msp"])
@pytest.mark.parametrize("by_class", [False, True])
def test_p_values_against_a_slow_loop(known, mixed, tmp_path, score, by_class):
    uri = fitted(known, tmp_path, score, by_class=by_class)
    Application(uri, mixed).write(str(tmp_path / "flags"))
    found = flags_of(tmp_path / "flags")
    there = mixed.columns([score, "prediction"])
    here = known.columns([score, "prediction"])
    sign = 1 if score == "fc_l1" else -1
    for place, value in enumerate(there[score]):
        same = here["prediction"] == there["prediction"][place] if by_class else slice(None)
        calibration = here[score][same]
        p = (1 + np.sum(sign * calibration >= sign * value)) / (1 + len(calibration))
        assert found["p_value"][place] == p
        assert found["is_ood"][place] == (p <= 0.1)
    assert 0 < found["is_ood"].mean() < 1


def test_without_fdr_the_flags_are_those_of_the_quantile(known, mixed, tmp_path):
    uri = fitted(known, tmp_path, keep=0.93)
    Application(uri, mixed).write(str(tmp_path / "flags"))
    limit = np.float32(fit_quantile(known, "fc_l1", 0.93).all_classes.threshold)
    expected = mixed.columns(["fc_l1"])["fc_l1"] > limit
    assert (flags_of(tmp_path / "flags")["is_ood"] == expected).all()


@pytest.mark.parametrize("level", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("by_class", [False, True])
def test_false_discovery_rate_against_scipy(known, mixed, tmp_path, level, by_class):
    uri = fitted(known, tmp_path, by_class=by_class)
    flags = Application(uri, mixed, level).write(str(tmp_path / "flags"))
    found = flags_of(tmp_path / "flags")
    expected = false_discovery_control(found["p_value"]) <= level * (1 + 1e-12)
    assert (found["is_ood"] == expected).all()
    assert flags.flagged == expected.sum()


def test_benjamini_hochberg_against_scipy():
    random = np.random.default_rng(0)
    for _ in range(200):
        numerators = random.integers(1, 21, 30)
        p = numerators / 20
        p = np.where(random.random(30) < 0.3, 1 / 20, p)
        different, counts = np.unique(np.round(p * 20).astype(int), return_counts=True)
        cut = benjamini_hochberg(different, np.full(len(different), 20), counts, Fraction(1, 4))
        expected = false_discovery_control(p) <= 0.25 * (1 + 1e-12)
        assert ((p <= float(cut)) == expected).all()


def test_benjamini_hochberg_is_exact_at_the_level():
    """Three of ten at p = 0.03 meet 0.1 * 3 / 10 exactly; 0.03 * 10 is above 0.1 * 3 in floats."""
    p, n, counts = np.array([3, 100]), np.array([100, 100]), np.array([3, 7])
    assert benjamini_hochberg(p, n, counts, Fraction(1, 10)) == Fraction(3, 100)
    assert benjamini_hochberg(p, n, counts, Fraction(999, 10_000)) == 0


def test_benjamini_hochberg_of_equal_p_values_with_different_denominators():
    p, n, counts = np.array([1, 2]), np.array([20, 40]), np.array([1, 1])
    assert benjamini_hochberg(p, n, counts, Fraction(1, 20)) == Fraction(1, 20)


def test_benjamini_hochberg_of_no_rows():
    nothing = np.zeros(0, np.int64)
    assert benjamini_hochberg(nothing, nothing, nothing, Fraction(1, 10)) == 0


def test_false_discoveries_by_simulation():
    """The mean share of in-distribution rows among the flagged is below the level."""
    random, shares = np.random.default_rng(0), []
    for _ in range(400):
        calibration = np.sort(random.normal(0, 1, 300))
        scores = np.concatenate([random.normal(0, 1, 80), random.normal(3, 1, 20)])
        p = 1 + 300 - np.searchsorted(calibration, scores)
        different, counts = np.unique(p, return_counts=True)
        cut = benjamini_hochberg(different, np.full(len(different), 301), counts, Fraction(1, 5))
        flagged = p / 301 <= float(cut)
        shares.append(flagged[:80].sum() / max(flagged.sum(), 1))
    assert 0.1 < np.mean(shares) < 0.8 * 0.2 + 0.02  # level times the share of in-distribution rows


def test_each_different_score_is_kept_once(known, tmp_path):
    fitted(known, tmp_path)
    kept = pq.read_table(tmp_path / "threshold.calibration.parquet")
    values, counts = np.unique(known.columns(["fc_l1"])["fc_l1"], return_counts=True)
    assert kept["unusual"].to_numpy().tolist() == values.tolist()
    assert kept["at_least_as_unusual"].to_pylist() == np.cumsum(counts[::-1])[::-1].tolist()
    assert len(kept) < 200


def test_a_calibration_file_that_is_another_or_missing_is_refused(known, mixed, tmp_path):
    uri = fitted(known, tmp_path)
    beside = tmp_path / "threshold.calibration.parquet"
    beside.write_bytes(beside.read_bytes() + b" ")
    with pytest.raises(TableError, match=r"isn't the file that .* was written with"):
        Application(uri, mixed)
    beside.unlink()
    with pytest.raises(TableError, match=r"needs threshold.calibration.parquet beside it"):
        Application(uri, mixed)


def test_nothing_is_written_if_a_name_is_taken(known, tmp_path):
    (tmp_path / "threshold.json").write_text("{}")
    with pytest.raises(TableError, match="is there already"):
        fitted(known, tmp_path)
    assert not (tmp_path / "threshold.calibration.parquet").exists()


def test_fdr_needs_p_values(known, mixed, tmp_path):
    uri = str(tmp_path / "quantile.json")
    file.write(fit_quantile(known, "fc_l1"), uri)
    with pytest.raises(TableError, match=r"--fdr needs p-values, and .* method is quantile"):
        Application(uri, mixed, 0.1)
