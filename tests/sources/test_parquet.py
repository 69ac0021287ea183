"""Parquet files: counted by their footer, read in row groups, in order."""

import pyarrow as pa
import pytest

from raygrad.sources import SOURCES, Description, Segment, parquet


def segment(uri: str, first_row: int, rows: int) -> Segment:
    return Segment("parquet", uri, 0, "", first_row, rows)


def values(tables) -> list[list[int]]:
    return [table["v"].to_pylist() for table in tables]


@pytest.fixture
def ten(tmp_path, write_parquet) -> str:
    """Rows 0 to 9, in row groups of 4, 4 and 2."""
    columns = {"v": range(10), "w": [str(row) for row in range(10)]}
    return write_parquet(tmp_path / "ten.parquet", pa.table(columns), 4)


def test_the_source_is_named_parquet():
    assert SOURCES["parquet"] is parquet
    assert parquet.SUFFIXES == (".parquet",)


def test_a_file_is_described_by_its_columns_and_row_groups(ten):
    schema = pa.schema([("v", pa.int64()), ("w", pa.string())])
    assert parquet.describe(ten) == Description(schema, (4, 4, 2))


def test_a_file_without_rows_has_no_pieces_that_count(tmp_path, write_parquet):
    path = write_parquet(tmp_path / "a.parquet", {"v": pa.array([], pa.int64())})
    described = parquet.describe(path)
    assert sum(described.pieces) == 0
    assert described.schema.names == ["v"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a Parquet file at all"])
def test_what_is_no_parquet_is_a_value_error(tmp_path, content):
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="arquet"):
        parquet.describe(str(path))


@pytest.mark.parametrize(
    ("first_row", "rows", "expected"),
    [
        (0, 10, list(range(10))),
        (0, 4, [0, 1, 2, 3]),
        (4, 4, [4, 5, 6, 7]),
        (4, 6, [4, 5, 6, 7, 8, 9]),
        (8, 2, [8, 9]),
        (0, 3, [0, 1, 2]),
        (4, 1, [4]),
        (0, 9, list(range(9))),
    ],
)
@pytest.mark.parametrize("at_once", [1, 3, 4, 100])
def test_a_segment_is_read_in_order(ten, first_row, rows, expected, at_once):
    tables = list(parquet.read(segment(ten, first_row, rows), ["v"], at_once))
    assert [v for table in values(tables) for v in table] == expected
    assert all(0 < len(table) <= at_once for table in tables)


def test_only_the_named_columns_are_read_in_the_order_named(ten):
    (table,) = parquet.read(segment(ten, 0, 1), ["w", "v"], 10)
    assert table.schema.names == ["w", "v"]
    assert table.to_pylist() == [{"w": "0", "v": 0}]


def test_row_groups_that_are_not_wanted_are_not_read(tmp_path, write_parquet):
    """Bytes of another row group may be broken for all that it matters."""
    path = write_parquet(tmp_path / "a.parquet", pa.table({"v": range(8)}), 4)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[4:20] = b"\xff" * 16
    (tmp_path / "a.parquet").write_bytes(content)
    assert values(parquet.read(segment(path, 4, 4), ["v"], 10)) == [[4, 5, 6, 7]]


def test_structs_lists_and_tensors_are_read_whole(tmp_path, write_parquet):
    structs = pa.array([{"bytes": b"a", "path": None}, None])
    lists = pa.array([[[1, 2], [3]], []])
    kind = pa.fixed_shape_tensor(pa.float32(), (2, 1))
    storage = pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2))
    table = pa.table({"s": structs, "l": lists, "t": pa.ExtensionArray.from_storage(kind, storage)})
    path = write_parquet(tmp_path / "a.parquet", table)
    (found,) = parquet.read(segment(path, 0, 2), ["t", "s", "l"], 10)
    assert found["s"].to_pylist() == structs.to_pylist()
    assert found["l"].to_pylist() == lists.to_pylist()
    assert found.schema.field("t").type == kind


def test_an_empty_row_group_in_the_middle_shifts_nothing(tmp_path):
    path = tmp_path / "a.parquet"
    schema = pa.schema([("v", pa.int64())])
    with pa.parquet.ParquetWriter(path, schema) as writer:
        for group in ([0, 1], [], [2, 3]):
            writer.write_table(pa.table({"v": group}, schema=schema))
    assert sum(parquet.describe(str(path)).pieces) == 4
    assert values(parquet.read(segment(str(path), 2, 2), ["v"], 10)) == [[2, 3]]


def test_a_file_can_lie_in_another_store(write_parquet, tmp_path):
    import fsspec

    local = write_parquet(tmp_path / "a.parquet", {"v": range(3)})
    uri = f"memory://sources-{tmp_path.name}/a.parquet"
    with fsspec.open(uri, "wb") as stream, open(local, "rb") as content:
        stream.write(content.read())
    assert parquet.describe(uri).pieces == (3,)
    assert values(parquet.read(segment(uri, 0, 3), ["v"], 10)) == [[0, 1, 2]]
