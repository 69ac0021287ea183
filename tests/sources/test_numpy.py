"""NumPy files: the first axis holds the rows, at whatever place they are read."""

import fsspec
import numpy as np
import pyarrow as pa
import pytest

from raygrad import plan, storage
from raygrad.decode import decode
from raygrad.plan import Group
from raygrad.sources import batches
from raygrad.sources import numpy as source
from raygrad.spec import FieldSpec

PIXELS = np.arange(2500 * 6, dtype=np.uint8).reshape(2500, 2, 3)
LABELS = np.arange(2500)


def save_npy(path):
    np.save(path, PIXELS)
    return ["array"]


def save_npz(path):
    np.savez(path, array=PIXELS, label=LABELS)
    return ["array", "label"]


def save_compressed(path):
    np.savez_compressed(path, array=PIXELS, label=LABELS)
    return ["array", "label"]


def save_fortran(path):
    np.save(path, np.asfortranarray(PIXELS))
    return ["array"]


@pytest.fixture(
    params=[
        (save_npy, "a.npy"),
        (save_npz, "a.npz"),
        (save_compressed, "a.npz"),
        (save_fortran, "a.npy"),
    ],
    ids=["npy", "npz", "compressed", "fortran"],
)
def stored(request, tmp_path):
    save, name = request.param
    return str(tmp_path / name), save(tmp_path / name)


def test_rows_come_back_in_units_and_batches(stored):
    path, columns = stored
    units = plan.make([Group("numpy", "", storage.list_files(path))], rows_per_file=2000)
    assert [unit.rows for unit in units] == [2000, 500]
    tables = [batch for unit in units for batch in batches(unit.segments, columns, 64)]
    assert {len(table) for table in tables} == {64, 2000 % 64, 500 % 64}
    whole = pa.concat_tables(tables)
    assert whole["row"].to_pylist() == list(range(2500))
    found = decode(whole["array"], FieldSpec(column="array"))
    np.testing.assert_array_equal(found.values, PIXELS)
    assert found.values.dtype == np.uint8
    if "label" in columns:
        assert whole["label"].to_pylist() == LABELS.tolist()


def test_the_description_tells_types_and_rows(stored):
    path, columns = stored
    described = source.describe(path)
    assert described.schema.names == columns
    assert described.schema.field("array").type == pa.fixed_shape_tensor(pa.uint8(), [2, 3])
    assert described.pieces == (1000, 1000, 500)


def test_files_elsewhere_than_on_a_disk_are_read(tmp_path):
    np.save(tmp_path / "a.npy", PIXELS)
    with fsspec.open("memory://folder/a.npy", "wb") as stream:
        stream.write((tmp_path / "a.npy").read_bytes())
    files = storage.list_files("memory://folder", source.SUFFIXES)
    (unit,) = plan.make([Group("numpy", "", files)], rows_per_file=5000)
    assert sum(len(batch) for batch in batches(unit.segments, ["array"], 600)) == 2500


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"a": np.zeros(3), "b": np.zeros(4)}, r"have \[3, 4\] rows"),
        ({"a": np.array(3.0)}, None),
        ({"a": np.array([{}, {}])}, "holds Python objects"),
    ],
)
def test_archives_that_are_no_rows_are_refused(tmp_path, content, complaint):
    np.savez(tmp_path / "a.npz", **content)
    if complaint is None:
        assert source.describe(str(tmp_path / "a.npz")).pieces == ()
    else:
        with pytest.raises(ValueError, match=complaint):
            source.describe(str(tmp_path / "a.npz"))


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_broken_file_is_a_value_error(tmp_path, name):
    (tmp_path / name).write_bytes(b"broken")
    with pytest.raises(ValueError):  # noqa: PT011 - NumPy's and zipfile's own words
        source.describe(str(tmp_path / name))
