"""What commands read: a table, a partition, or what SQL picks; on a disk and elsewhere."""

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from made_tables import made_scores

from raygrad.errors import TableError
from raygrad.ood.rows import Rows, parse
from raygrad.table.definitions import IN, OUT


@pytest.fixture
def table(table_of) -> str:
    return table_of(
        {
            "dataset=mnist": made_scores(50, shift=0, seed=0, failed=3),
            "dataset=photos": made_scores(30, shift=2, seed=1),
        }
    )


def test_a_table(table):
    rows = Rows(table)
    assert rows.count() == 80
    assert len(rows.columns(["fc_l1"])["fc_l1"]) == 77
    assert rows.columns(["fc_l1"])["fc_l1"].dtype == np.float32
    assert len(rows.columns(["source"], scored=False)["source"]) == 80


@pytest.mark.parametrize("inner", ["", "/scores", "/scores/"])
def test_a_table_by_its_folders(table, inner):
    assert Rows(table + inner).count() == 80


def test_a_partition_keeps_its_key(table):
    rows = Rows(f"{table}/scores/dataset=photos")
    assert rows.count() == 30
    assert set(rows.columns(["dataset"])["dataset"]) == {"photos"}


def test_a_condition_over_columns_and_keys(table):
    rows = Rows(table, "dataset = 'mnist' AND row >= 10 OR false")
    assert rows.columns(["row"], scored=False)["row"].tolist() == list(range(10, 50))
    assert str(rows) == f"{table} where dataset = 'mnist' AND row >= 10 OR false"


def test_a_condition_that_is_no_sql(table):
    with pytest.raises(TableError, match=r"where nothing = 1 can't be read: .*nothing"):
        Rows(table, "nothing = 1")


def test_partitions_of_different_keys(table_of):
    table = table_of(
        {
            "dataset=a": made_scores(5, shift=0, seed=0),
            "dataset=b/split=test": made_scores(6, shift=0, seed=0),
        }
    )
    found = Rows(table).columns(["dataset", "split"])
    assert found["split"].tolist() == [None] * 5 + ["test"] * 6


def test_rows_come_in_the_order_of_the_table(table):
    found = Rows(table).columns(["dataset", "row"], scored=False)
    expected = [("mnist", row) for row in range(50)] + [("photos", row) for row in range(30)]
    assert list(zip(found["dataset"], found["row"], strict=True)) == expected


def test_scores_and_their_directions(table):
    found = Rows(table).scores
    assert (found["fc_l1"].high, found["msp"].high, found["fc_mean"].high) == (OUT, IN, None)
    assert list(found) == [
        "msp", "max_logit", "energy", "entropy", "fc_l1", "fc_l2", "fc_mean"
    ], "the table's order"  # fmt: skip


def test_a_column_that_is_not_there(table):
    with pytest.raises(TableError, match='has no column "fc_l3"; it has source, row'):
        Rows(table).columns(["fc_l3"])


def test_no_table(tmp_path):
    with pytest.raises(TableError, match="holds no score files; name a table"):
        Rows(str(tmp_path))


def test_names_with_quotes(table_of):
    rows = made_scores(4, shift=0, seed=0).append_column('it"s', pa.array([1, 2, 3, 4]))
    table = table_of({"dataset=it%27s": rows})
    assert Rows(table).columns(['it"s'])['it"s'].tolist() == [1, 2, 3, 4]


def test_an_object_store(tmp_path, table_of):
    local = table_of({"dataset=a": made_scores(5, shift=0, seed=0)})
    memory = fsspec.filesystem("memory")
    memory.put(local, "/bucket/table", recursive=True)
    assert Rows("memory://bucket/table", "row > 1").columns(["row"])["row"].tolist() == [2, 3, 4]


@pytest.mark.parametrize("word", ["where", "WHERE", "Where"])
def test_a_condition_that_follows_the_table(table, word):
    rows = parse(f" {table}  {word}\n source = 'a where b' OR dataset = 'photos'")
    assert rows.uri == table
    assert rows.where == "source = 'a where b' OR dataset = 'photos'"
    assert rows.count() == 30


def test_what_is_printed_can_be_typed(table):
    rows = Rows(table, "dataset = 'mnist'")
    assert str(parse(str(rows))) == str(rows)
    assert str(parse(table)) == table


def test_two_conditions_hold_both(table):
    rows = parse(f"{table} where row = 3 OR row = 4", "row = 4 OR dataset = 'photos'")
    assert rows.columns(["row"])["row"].tolist() == [4, 3, 4]
    assert parse(table, "row = 4").where == "row = 4"


def test_no_condition_after_where(table):
    with pytest.raises(TableError, match="no condition follows where; expected TABLE where SQL"):
        parse(f"{table} where ")


def test_rows_that_two_share(table):
    mnist, photos = (Rows(f"{table}/scores/dataset={name}") for name in ("mnist", "photos"))
    assert mnist.shared_with(photos) == 0
    assert Rows(table).shared_with(photos) == photos.shared_with(Rows(table)) == 30
    assert parse(f"{table} where row < 10").shared_with(parse(f"{mnist} where row >= 4")) == 6
    assert Rows(table, "dataset = 'mnist'").shared_with(Rows(table, "dataset = 'photos'")) == 0
    assert Rows(table, "dataset = 'mnist'").shared_with(Rows(table, "row = 3 OR row = 40")) == 2


def test_rows_shared_where_only_other_files_have_the_conditions_key(table_of):
    table = table_of(
        {
            "dataset=a": made_scores(5, shift=0, seed=0),
            "dataset=b/split=test": made_scores(6, shift=0, seed=0),
        }
    )
    rows = Rows(table, "split IS NULL OR row = 2")
    assert rows.shared_with(Rows(f"{table}/scores/dataset=a")) == 5
    assert Rows(f"{table}/scores/dataset=b").shared_with(rows) == 1


def test_another_tables_rows_are_not_shared(table, table_of):
    other = table_of({"dataset=mnist": made_scores(5, shift=0, seed=0)}, name="other")
    assert Rows(table).shared_with(Rows(other)) == 0
