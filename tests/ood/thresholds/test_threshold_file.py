"""A threshold file is read as it was written, to the last bit; others are refused."""

import json

import numpy as np
import pytest
from made_tables import made_scores

from raygrad.errors import TableError
from raygrad.ood.rows import Rows
from raygrad.ood.thresholds import file
from raygrad.ood.thresholds.fit import fit


@pytest.fixture
def known(table_of) -> Rows:
    return Rows(table_of({"": made_scores(400, shift=0, seed=0)}))


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("quantile", {"scores": ["fc_l1"], "by_class": True}),
        ("conformal", {"scores": ["msp"]}),
        ("logistic", {"scores": ["fc_l1", "msp"], "errors": True, "label": "label"}),
    ],
)
def test_written_and_read(known, tmp_path, method, options):
    uri = str(tmp_path / "threshold.json")
    fitted = fit(known, keep=0.9, method=method, output=uri, **options)
    assert file.read(uri) == fitted
    document = json.loads((tmp_path / "threshold.json").read_text())
    assert (document["raygrad_threshold"], document["method"]) == (1, method)
    assert document["meaning"]
    assert document["identity"] == {"loss": "pseudo_label"}


def test_a_threshold_in_the_file_is_the_float32_itself(known, tmp_path):
    uri = str(tmp_path / "threshold.json")
    fit(known, ["fc_l1"], 0.9, "quantile", uri)
    written = json.loads((tmp_path / "threshold.json").read_text())["all_classes"]["threshold"]
    assert written in known.columns(["fc_l1"])["fc_l1"].astype(np.float64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"raygrad_threshold": 2}, r"of version 1: quantile.raygrad_threshold: Input should be 1"),
        ({"method": "guess"}, r"Input tag 'guess' found using 'method' does not match"),
        ({"keep": None}, r"quantile.keep: Input should be a valid number"),
        ({"surprise": 1}, r"quantile.surprise: Extra inputs are not permitted"),
    ],
)
def test_another_file_is_refused(known, tmp_path, change, message):
    path = tmp_path / "threshold.json"
    fit(known, ["fc_l1"], 0.9, "quantile", str(path))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(TableError, match=message):
        file.read(str(path))


def test_no_file(tmp_path):
    with pytest.raises(TableError, match="there is no such threshold file"):
        file.read(str(tmp_path / "nothing.json"))


def test_a_name_that_is_taken_is_refused_before_anything_is_read(known, tmp_path):
    (tmp_path / "threshold.json").write_text("mine")
    with pytest.raises(TableError, match=r"is there already; remove it, or choose another"):
        fit(known, ["nonsense"], 0.9, "quantile", str(tmp_path / "threshold.json"))
    assert (tmp_path / "threshold.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": ["fc_l1", "msp"], "method": "quantile"}, r"takes one --score, got 2; choose"),
        ({"scores": [], "method": "conformal"}, r"takes one --score, got 0; choose one of .*fc_l1"),
        ({"scores": [], "method": "logistic", "by_class": True}, r"--by-class is for one score"),
        ({"scores": ["msp"], "method": "quantile", "errors": True}, r"give --label COLUMN"),
        ({"scores": ["msp"], "method": "quantile", "label": "label"}, r"--label is for --errors"),
    ],
)
def test_options_that_do_not_go_together(known, tmp_path, options, message):
    with pytest.raises(TableError, match=message):
        fit(known, keep=0.9, output=str(tmp_path / "t.json"), **options)


def test_ood_and_errors_at_once(known, tmp_path):
    with pytest.raises(TableError, match="give either --ood or --errors"):
        fit(
            known,
            ["fc_l1"],
            0.9,
            "quantile",
            str(tmp_path / "t"),
            ood=[known],
            errors=True,
            label="label",
        )
