"""Hive folders: values survive every reader unchanged, and what wouldn't is refused."""

from datetime import date

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest

from raygrad.table import hive

TEXTS = [
    "mnist",
    "a/b",
    "../up",
    "a=b",
    "a b",
    "a  b",
    "année",
    "日本語",
    "100%",
    "%41",
    "a+b",
    "a&b?c#d",
    "it's",
    'say "x"',
    "a,b",
    "a;b:c",
    "*",
    "[a]",
    "back\\slash",
    "line\nbreak",
    ".hidden",
    "_private",
    "4th",
    "v1.0",
    "1-2",
    "e3",
    "nullable",
    "nano",
    "trueish",
]


def read_with_pyarrow(root: str) -> list[dict]:
    return ds.dataset(root, partitioning="hive").to_table().to_pylist()


def read_with_pandas(root: str) -> list[dict]:
    return pd.read_parquet(root).to_dict("records")


def read_with_duckdb(root: str) -> list[dict]:
    found = duckdb.sql(
        f"SELECT * FROM read_parquet('{root}/**/*.parquet', hive_partitioning = true)"
    )
    return found.to_arrow_table().to_pylist()


READERS = {"pyarrow": read_with_pyarrow, "pandas": read_with_pandas, "duckdb": read_with_duckdb}


def complaints(constants: dict, reserved: tuple[str, ...] = ()) -> dict[str, str]:
    return dict(hive.faults(constants, reserved))


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("value", TEXTS)
def test_a_text_comes_back_as_it_went_in(tmp_path, write_parquet, reader, value):
    assert complaints({"key": value}) == {}
    write_parquet(tmp_path / hive.folder({"key": value}) / "a.parquet", {"v": [7]})
    assert reader(str(tmp_path)) == [{"v": 7, "key": value}]


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("value", [0, 7, -3, 20240131])
def test_a_whole_number_comes_back_as_one(tmp_path, write_parquet, reader, value):
    assert complaints({"key": value}) == {}
    write_parquet(tmp_path / hive.folder({"key": value}) / "a.parquet", {"v": [7]})
    assert reader(str(tmp_path)) == [{"v": 7, "key": value}]


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_date_comes_back_as_a_date_or_its_text(tmp_path, write_parquet, reader):
    assert complaints({"day": date(2024, 1, 31)}) == {}
    folder = hive.folder({"day": date(2024, 1, 31)})
    assert folder == "day=2024-01-31"
    write_parquet(tmp_path / folder / "a.parquet", {"v": [7]})
    assert str(reader(str(tmp_path))[0]["day"]) == "2024-01-31"


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_several_keys_and_values_come_back(tmp_path, write_parquet, reader):
    for number, (name, split) in enumerate([("a/b", "test"), ("é=1", "test"), ("a/b", "x y")]):
        folder = hive.folder({"name": name, "split": split})
        write_parquet(tmp_path / folder / "a.parquet", {"v": [number]})
    rows = sorted(reader(str(tmp_path)), key=lambda row: row["v"])
    assert [(row["name"], row["split"]) for row in rows] == [
        ("a/b", "test"),
        ("é=1", "test"),
        ("a/b", "x y"),
    ]


def test_folders_nest_in_the_order_of_the_keys():
    assert hive.folder({"b": "x", "a": 1}) == "b=x/a=1"
    assert hive.folder({}) == ""


@pytest.mark.parametrize("value", TEXTS)
def test_a_value_never_makes_a_folder_more(value):
    assert hive.folder({"key": value}).count("/") == 0
    assert hive.folder({"key": value}).count("=") == 1


NUMBERS = ["01", "1", "-1", "1.0", "1e3", "1E3", ".5", "5.", "1_000", "1,000", "+7", "1e-3", "٣"]


@pytest.mark.parametrize("value", NUMBERS)
def test_a_text_that_readers_take_for_a_number_is_refused(value):
    assert complaints({"key": value}) == {
        "key": f"got {value!r}; readers take it for a number; add a letter"
    }


MISSING = ["null", "NULL", "None", "nan", "NaN", "NA", "N/A", "", "true", "False", "inf", "-inf"]


@pytest.mark.parametrize("value", [*MISSING, "__HIVE_DEFAULT_PARTITION__"])
def test_a_text_that_readers_take_for_nothing_or_logic_is_refused(value):
    message = "readers take it for a value of another kind; use another word"
    assert complaints({"key": value}) == {"key": f"got {value!r}; {message}"}


@pytest.mark.parametrize("value", [" a", "a ", "\ta", "a\n", "\u00a0a"])
def test_a_text_with_space_around_it_is_refused(value):
    message = "readers strip the space around it; leave it out"
    assert complaints({"key": value}) == {"key": f"got {value!r}; {message}"}


@pytest.mark.parametrize("value", [True, False, None, 1.5, ["a"], {"a": 1}, b"a"])
def test_a_value_of_another_type_is_refused(value):
    assert complaints({"key": value}) == {
        "key": f"got {value!r}; use a text, a whole number or a date"
    }


CHANGED = ["0x10", "0b1", "2024-1-1", "epoch"]


@pytest.mark.parametrize("value", CHANGED)
def test_a_text_that_some_reader_changes_is_refused(value):
    assert "key" in complaints({"key": value})


@pytest.mark.parametrize("value", CHANGED)
def test_those_texts_are_changed_indeed(tmp_path, write_parquet, value):
    write_parquet(tmp_path / f"key={value}" / "a.parquet", {"v": [7]})
    assert [
        name for name, read in READERS.items() if str(read(str(tmp_path))[0]["key"]) != value
    ] != []


@pytest.mark.parametrize("value", ["x" * 300, "é" * 100])
def test_a_value_too_long_for_a_folder_is_refused(value):
    assert "key" in complaints({"key": value})


@pytest.mark.parametrize("key", ["data set", "a-b", "a=b", "a/b", "1st", "", "é", "a.b", "a\n"])
def test_a_key_that_is_no_column_name_is_refused(key):
    assert complaints({key: "x"}) == {
        key: "is no column name; use letters, digits and underscores, a letter first"
    }


def test_a_key_that_hides_its_folder_is_refused(tmp_path, write_parquet):
    """PyArrow and pandas skip folders that begin with an underscore: the table looks empty."""
    write_parquet(tmp_path / hive.folder({"_split": "test"}) / "a.parquet", {"v": [7]})
    assert read_with_pyarrow(str(tmp_path)) == []
    assert "_split" in complaints({"_split": "test"})


def test_a_key_that_is_a_column_is_refused():
    assert complaints({"prediction": "x", "set": "y"}, ("prediction", "row")) == {
        "prediction": "is a column of the table already; use another name"
    }


def test_a_key_that_differs_from_a_column_by_case_only_is_refused():
    assert "Prediction" in complaints({"Prediction": "x"}, ("prediction",))


def test_all_faults_are_told():
    constants = {"a b": "01", "row": None, "fine": "x"}
    assert [key for key, _ in hive.faults(constants, ["row"])] == ["a b", "a b", "row", "row"]
