"""SQL over tables: the views hold what they say, results are written whole, nothing is changed."""

import json
from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest
from made_tables import made_scores

from raygrad.errors import TableError
from raygrad.ood.query import Query
from raygrad.ood.rows import Rows


@pytest.fixture
def table(table_of) -> str:
    return table_of(
        {
            "dataset=mnist": made_scores(50, shift=0, seed=0, failed=3),
            "dataset=photos": made_scores(30, shift=2, seed=1),
        }
    )


@pytest.fixture
def ask(table):
    return lambda sql, most=100: Query(sql, {"": Rows(table)}).answer(most).rows


@pytest.mark.parametrize(
    ("view", "rows"), [("scores", 80), ("scored", 77), ("errors", 3), ("files", 2)]
)
def test_views(ask, view, rows):
    assert ask(f"SELECT count(*) FROM {view}") == [(rows,)]


def test_hive_keys_are_columns(ask):
    found = ask("SELECT dataset, count(*) FROM scored GROUP BY ALL ORDER BY ALL")
    assert found == [("mnist", 47), ("photos", 30)]


def test_files(ask, table):
    mnist, photos = ask("FROM files")
    assert mnist[:4] == ("dataset=mnist/0000-000000.parquet", 50, 47, 3)
    assert photos[:4] == ("dataset=photos/0000-000001.parquet", 30, 30, 0)
    assert photos[4] == (Path(table) / "scores" / photos[0]).stat().st_size


def test_runs(table, tmp_path):
    folder = tmp_path / "table" / "_raygrad" / "runs"
    folder.mkdir(parents=True)
    for run in ("b", "a"):
        (folder / f"{run}.json").write_text(json.dumps({"run": run, "rows": 40}))
    for uri in (table, f"{table}/scores/dataset=photos"):
        found = Query("SELECT run, rows FROM runs", {"": Rows(uri)}).answer(9)
        assert found.rows == [("a", 40), ("b", 40)]


def test_a_table_without_runs_has_no_such_view(ask):
    with pytest.raises(
        TableError, match=r"runs does not exist(.|\n)*Views: scores, scored, errors"
    ):
        ask("FROM runs")


def test_several_tables(table):
    tables = {"known": Rows(table, "dataset = 'mnist'"), "other": Rows(table)}
    sql = """
        SELECT (SELECT count(*) FROM known), (SELECT count(*) FROM known.scored),
               (SELECT count(*) FROM other.errors), (SELECT count(*) FROM other)
    """
    assert Query(sql, tables).answer(9).rows == [(50, 47, 3, 80)]


def test_the_first_rows(table):
    query = Query('SELECT "row" FROM scores ORDER BY dataset, "row"', {"": Rows(table)})
    first = query.answer(4)
    assert (first.names, first.rows, first.complete) == (["row"], [(0,), (1,), (2,), (3,)], False)
    assert query.answer(80).complete


@pytest.mark.parametrize(
    "sql",
    ["DESCRIBE scores", "SUMMARIZE scored", "SHOW TABLES", "EXPLAIN FROM scores", "VALUES (1)"],
)
def test_statements_that_read(ask, sql):
    assert ask(sql)


def test_pivot(ask):
    (row,) = ask("PIVOT (SELECT dataset FROM scores) ON dataset USING count(*)")
    assert row == (50, 30)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY scores TO 'stolen.csv'",
        "CREATE TABLE t AS FROM scores",
        "DROP VIEW scores",
        "INSERT INTO scores VALUES (1)",
        "SET threads = 1",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
    ],
)
def test_statements_that_do_more_are_refused(ask, sql, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TableError, match="a statement that does more than read"):
        ask(sql)
    assert not (tmp_path / "stolen.csv").exists()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", "can't be run: Parser Error: syntax error at or near"),
        ("FROM score", r'(?s)score does not exist.*Did you mean "scored"'),
        ("SELECT fc_l3 FROM scores", r"(?s)fc_l3.*Views: scores"),
        ("SELECT 1; SELECT 2", "expected one statement of SQL, got 2"),
        ("-- nothing", "expected one statement of SQL, got 0"),
        ("SELECT 'x'::INTEGER FROM scores", "can't be run: Conversion Error"),
    ],
)
def test_errors_of_sql(ask, sql, message):
    with pytest.raises(TableError, match=message):
        ask(sql)


@pytest.mark.parametrize("sql", ["FROM scored", "FROM scored;", "FROM scored -- all of them"])
@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_result_is_written_whole(table, tmp_path, sql, kind):
    path = tmp_path / f"out.{kind}"
    assert Query(sql, {"": Rows(table)}).write(str(path), kind) == 77
    if kind == "csv":
        assert len(path.read_text().splitlines()) == 78
    elif kind == "json":
        assert len(json.loads(path.read_text())) == 77
    else:
        assert pq.read_table(path).num_rows == 77


def test_a_file_is_never_replaced(table, tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(TableError, match="is there already"):
        Query("FROM scores", {"": Rows(table)}).write(str(tmp_path / "out.csv"), "csv")
    assert (tmp_path / "out.csv").read_text() == "mine"


def test_an_object_store(table):
    memory = fsspec.filesystem("memory")
    memory.put(table, "/asked/table", recursive=True)
    rows = Rows("memory://asked/table")
    assert Query("SELECT sum(scored) FROM files", {"": rows}).answer(9).rows == [(77,)]
    written = Query("FROM errors", {"a": Rows(table), "": rows}).write(
        "memory://asked/e.csv", "csv"
    )
    assert written == 3
    assert memory.cat("/asked/e.csv").count(b"\n") == 4
