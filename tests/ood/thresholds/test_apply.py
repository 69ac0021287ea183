"""Flags: one row for each row, whatever was interrupted; SQL gives the same; misuse is refused."""

import json

import duckdb
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_tables import made_scores

from raygrad.errors import IdentityError, TableError
from raygrad.ood.rows import Rows
from raygrad.ood.thresholds import file
from raygrad.ood.thresholds.apply import Application
from raygrad.ood.thresholds.fit import fit

METHODS = {
    "quantile": {"scores": ["fc_l1"]},
    "low": {"scores": ["msp"]},
    "by-class": {"scores": ["fc_l1"], "by_class": True},
    "conformal": {"scores": ["energy"], "method": "conformal"},
    "conformal-by-class": {"scores": ["fc_l1"], "method": "conformal", "by_class": True},
    "logistic": {
        "scores": ["fc_l1", "fc_mean", "msp", "energy"],
        "method": "logistic",
        "errors": True,
        "label": "label",
    },
}


@pytest.fixture
def table(table_of) -> str:
    odd = made_scores(40, shift=1, seed=2, failed=4)
    for name in ("fc_l1", "msp", "energy"):
        values = odd[name].to_numpy().copy()
        values[5:9] = [np.nan, np.inf, -np.inf, 0]
        place = odd.schema.get_field_index(name)
        odd = odd.set_column(place, name, pa.array(values, pa.float32(), mask=np.arange(40) < 4))
    return table_of(
        {
            "dataset=known/split=test": made_scores(600, shift=0, seed=0, failed=5),
            "dataset=new/split=test": made_scores(200, shift=2, seed=1),
            "dataset=odd/split=test": odd,
        }
    )


@pytest.fixture
def threshold(table, tmp_path):
    """Fits a threshold on the known rows by a method, and returns its file."""

    def fitted(method: str = "quantile") -> str:
        uri = str(tmp_path / f"{method}.json")
        rows = Rows(f"{table}/scores/dataset=known")
        options = {"method": "quantile", "keep": 0.9, "output": uri, **METHODS[method]}
        fit(rows, **options)
        return uri

    return fitted


def read(out) -> pa.Table:
    connection = duckdb.connect()
    return connection.sql(
        f"FROM read_parquet('{out}/**/*.parquet', hive_partitioning = true) "
        'ORDER BY dataset, "row"'
    ).to_arrow_table()


@pytest.mark.parametrize("method", METHODS)
def test_a_row_for_each_row_and_a_file_for_each_file(table, threshold, tmp_path, method):
    rows, out = Rows(table), tmp_path / "flags"
    done = Application(threshold(method), rows).write(str(out))
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.parquet")) == rows.files
    for name in rows.files:
        there = pq.read_table(f"{rows.folder}/{name}", partitioning=None)
        flags = pq.read_table(out / name, partitioning=None)
        assert flags["source"].to_pylist() == there["source"].to_pylist()
        assert flags["row"].to_pylist() == there["row"].to_pylist()
        failed = np.array([kind is not None for kind in there["error_type"].to_pylist()])
        assert (flags["is_ood"].is_null().to_numpy() == failed).all()
    flags = read(out)
    assert (done.files, done.already, done.rows, done.unscored) == (3, 0, 840, 9)
    assert done.flagged == flags["is_ood"].to_pylist().count(True)


@pytest.mark.parametrize("method", METHODS)
def test_sql_gives_the_same_flags(table, threshold, tmp_path, method):
    application = Application(threshold(method), Rows(table))
    application.write(str(tmp_path / "flags"))
    connection = duckdb.connect()
    connection.execute(application.view())
    names = read(tmp_path / "flags").column_names
    columns = ", ".join(f'"{name}"' for name in names)
    found = connection.sql(f'SELECT {columns} FROM flags ORDER BY dataset, "row"')
    expected = read(tmp_path / "flags")
    for name in names:
        here = found.to_arrow_table()[name].to_pylist()
        assert repr(here) == repr(expected[name].to_pylist()), name


@pytest.mark.parametrize(
    ("method", "score", "sign"), [("quantile", "fc_l1", 1), ("low", "msp", -1)]
)
def test_flags_by_numpy(table, threshold, tmp_path, *, method, score, sign):
    """Compared as float32; the row at the threshold is kept, NaN is flagged."""
    uri = threshold(method)
    Application(uri, Rows(table)).write(str(tmp_path / "flags"))
    values = Rows(table).columns([score], scored=False)[score]
    limit = np.float32(file.read(uri).all_classes.threshold)
    assert np.count_nonzero(values == limit) == 1
    flags = read(tmp_path / "flags")
    failed = np.isin(np.arange(840), [*range(5), *range(800, 804)])
    expected = [
        None if failed[i] else bool(np.isnan(v) or sign * v > sign * limit)
        for i, v in enumerate(values)
    ]
    assert flags["is_ood"].to_pylist() == expected
    assert flags["threshold"].type == pa.float32()
    assert set(flags["threshold"].to_pylist()) == {float(limit)}


def test_by_class_by_numpy(table, threshold, tmp_path):
    uri = threshold("by-class")
    Application(uri, Rows(table)).write(str(tmp_path / "flags"))
    found = file.read(uri)
    columns = Rows(table).columns(["fc_l1", "prediction"])
    limits = [
        found.by_class.get(n, found.all_classes).threshold for n in columns["prediction"].tolist()
    ]
    scored = [flag for flag in read(tmp_path / "flags")["is_ood"].to_pylist() if flag is not None]
    usual = columns["fc_l1"] <= np.array(limits, np.float32)
    assert scored == (~usual).tolist()


def test_a_partition_keeps_its_folder(table, threshold, tmp_path):
    rows, out = Rows(f"{table}/scores/dataset=new"), tmp_path / "flags"
    application = Application(threshold(), rows)
    application.write(str(out))
    assert set(read(out)["dataset"].to_pylist()) == {"new"}
    assert [p.parent.relative_to(out).as_posix() for p in out.rglob("*.parquet")] == [
        "dataset=new/split=test"
    ]
    connection = duckdb.connect()
    connection.execute(application.view())
    query = "SELECT count(*), min(dataset), min(split) FROM flags"
    assert connection.sql(query).fetchall() == [(200, "new", "test")]


def test_partitions_of_different_keys(table_of, threshold, tmp_path):
    parts = {
        "dataset=a": made_scores(50, shift=0, seed=8),
        "kind=b": made_scores(30, shift=0, seed=9),
    }
    application = Application(threshold(), Rows(table_of(parts, name="mixed")))
    application.write(str(tmp_path / "flags"))
    connection = duckdb.connect()
    connection.execute(application.view())
    found = connection.sql("SELECT dataset, kind, count(*) FROM flags GROUP BY ALL ORDER BY ALL")
    assert found.fetchall() == [("a", None, 50), (None, "b", 30)]


def test_an_interrupted_command_goes_on(table, threshold, tmp_path, monkeypatch):
    uri, out = threshold(), tmp_path / "flags"
    whole = Application(uri, Rows(table)).write(str(tmp_path / "whole"))
    published = []

    def interrupt(name: str) -> None:
        if name == "flags.before":
            published.append(name)
            if len(published) == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr("raygrad.failpoints.reach", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Application(uri, Rows(table)).write(str(out))
    monkeypatch.undo()
    first = {p: p.stat().st_mtime_ns for p in out.rglob("*.parquet")}
    assert len(first) == 2
    again = Application(uri, Rows(table)).write(str(out))
    assert (again.files, again.already, again.rows) == (3, 2, 40)
    assert all(p.stat().st_mtime_ns == when for p, when in first.items())
    for name in Rows(table).files:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert whole.rows == 840


def test_flags_of_another_threshold_in_the_same_place_are_refused(table, threshold, tmp_path):
    Application(threshold(), Rows(table)).write(str(tmp_path / "flags"))
    with pytest.raises(IdentityError, match="another threshold or table:\n  threshold_sha256"):
        Application(threshold("low"), Rows(table)).write(str(tmp_path / "flags"))


def test_a_place_that_is_not_empty_or_in_the_table_is_refused(table, threshold, tmp_path):
    (tmp_path / "flags").mkdir()
    (tmp_path / "flags" / "notes.txt").write_text("mine")
    with pytest.raises(TableError, match=r"isn't empty: it holds notes.txt"):
        Application(threshold(), Rows(table)).write(str(tmp_path / "flags"))
    partition = Rows(f"{table}/scores/dataset=new")
    with pytest.raises(TableError, match="lies in the table"):
        Application(threshold("low"), partition).write(f"{table}/flags")


def test_a_table_of_another_loss_is_refused_with_the_difference(threshold, table_of):
    other = table_of({"": made_scores(9, shift=0, seed=0)}, name="other", loss="uniform")
    with pytest.raises(IdentityError, match=r'loss: .*json has "pseudo_label", .*other "uniform"'):
        Application(threshold(), Rows(other))


def test_a_table_without_the_score_is_refused(threshold, table, tmp_path):
    for path in (tmp_path / "table").rglob("*.parquet"):
        whole = pq.read_table(path, partitioning=None)
        pq.write_table(whole.drop_columns(["fc_l1"]), tmp_path / "less.parquet")
    text = json.loads((tmp_path / threshold("low")).read_text())
    text["score"] = "fc_l9"
    (tmp_path / "changed.json").write_text(json.dumps(text))
    with pytest.raises(TableError, match='has no column "fc_l9"'):
        Application(str(tmp_path / "changed.json"), Rows(table))


def test_a_condition_is_refused(threshold, table):
    with pytest.raises(TableError, match="flags have a row for each row of a table"):
        Application(threshold(), Rows(table, "label < 5"))


def test_footers_say_which_threshold(table, threshold, tmp_path):
    uri = threshold("quantile")
    Application(uri, Rows(table)).write(str(tmp_path / "flags"))
    path = next((tmp_path / "flags" / "dataset=known").rglob("*.parquet"))
    said = json.loads(pq.read_metadata(path).metadata[b"raygrad"])
    assert said["threshold"]["all_classes"]["threshold"] == file.read(uri).all_classes.threshold
    assert said["threshold"]["table"].endswith("table/scores")
    flags = pq.read_table(path, partitioning=None)["is_ood"].to_pylist()
    assert said["rows"] == {"read": 600, "scored": 595, "failed": 5, "flagged": flags.count(True)}


@pytest.mark.parametrize("method", ["quantile", "conformal-by-class"])
def test_an_object_store(table, tmp_path, method):
    memory = fsspec.filesystem("memory")
    memory.put(table, f"/bucket/{method}/table", recursive=True)
    root = f"memory://bucket/{method}"
    options = {"method": "quantile", **METHODS[method], "keep": 0.9}
    rows = Rows(f"{root}/table", "dataset = 'known'")
    fit(rows, output=f"{root}/threshold.json", **options)
    done = Application(f"{root}/threshold.json", Rows(f"{root}/table")).write(f"{root}/flags")
    assert (done.rows, done.files) == (840, 3)
    fit(Rows(table, "dataset = 'known'"), output=str(tmp_path / "t.json"), **options)
    Application(str(tmp_path / "t.json"), Rows(table)).write(str(tmp_path / "flags"))
    memory.get(f"/bucket/{method}/flags", str(tmp_path / "fetched"), recursive=True)
    assert repr(read(tmp_path / "fetched").to_pydict()) == repr(
        read(tmp_path / "flags").to_pydict()
    )
