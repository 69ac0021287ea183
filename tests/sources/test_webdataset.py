"""WebDataset archives: a sample a row, whatever its files; broken ones keep what can be read."""

import io

import numpy as np
import pyarrow as pa
import pytest
from archives import tar, write_tar

from raygrad import plan, storage
from raygrad.decode import decode
from raygrad.errors import SpecError
from raygrad.plan import Group
from raygrad.sources import READ_ERROR, Segment, batches, webdataset
from raygrad.spec import FieldSpec

BLOCK = 512


def sample(number: int, size: int = 700) -> list[tuple[str, bytes]]:
    """An image of two blocks, a class and a caption: seven blocks with their headers."""
    key = f"train/{number:04d}"
    image = bytes([number]) * size
    return [(f"{key}.jpg", image), (f"{key}.cls", b"%d\n" % number), (f"{key}.txt", b"caption")]


def samples(count: int) -> list[tuple[str, bytes]]:
    return [file for number in range(count) for file in sample(number)]


def rows(path: str, columns=("image", "cls"), count: int | None = None, size: int = 4):
    segment = Segment("webdataset", path, 0, "", 0, count)
    return [row for table in batches([segment], columns, size) for row in table.to_pylist()]


def good(found: list[dict]) -> list[dict]:
    return [row for row in found if row[READ_ERROR] is None]


def test_files_of_one_key_are_a_row(tmp_path):
    path = write_tar(tmp_path / "a.tar", samples(5))
    found = rows(path, ["image", "jpg", "cls", "txt", "__key__"], size=2)
    assert [row["row"] for row in found] == list(range(5))
    assert {row["source"] for row in found} == {path}
    assert [row["cls"] for row in found] == list(range(5))
    assert found[3]["image"] == found[3]["jpg"] == bytes([3]) * 700
    assert (found[3]["txt"], found[3]["__key__"]) == ("caption", "train/0003")


@pytest.mark.parametrize(("name", "mode"), [("a.tar.gz", "w:gz"), ("a.tgz", "w:gz")])
def test_compressed_archives_are_the_same(tmp_path, name, mode):
    plain = rows(write_tar(tmp_path / "a.tar", samples(5)))
    packed = rows(write_tar(tmp_path / name, samples(5), mode))
    assert [{**row, "source": ""} for row in packed] == [{**row, "source": ""} for row in plain]
    assert len(storage.list_files(str(tmp_path), webdataset.SUFFIXES)) == 2


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (["a.jpg", "a.seg.png"], [("a", {"jpg", "seg.png"})]),
        (["d.1/a.jpg", "d.1/b.jpg"], [("d.1/a", {"jpg"}), ("d.1/b", {"jpg"})]),
        (["./a.JPG", "./a.Cls"], [("./a", {"jpg", "cls"})]),
        (["README", ".DS_Store", "._a.jpg", "__meta__", "a.jpg"], [("a", {"jpg"})]),
        (["__index__/x.json", "a.jpg"], [("a", {"jpg"})]),
        (["a.jpg", "b.jpg", "a.cls"], [("a", {"jpg"}), ("b", {"jpg"}), ("a", {"cls"})]),
        (["a.jpg", "a.jpg"], [("a", {"jpg"}), ("a", {"jpg"})]),
        (["é ü.jpg", "=/%.jpg"], [("é ü", {"jpg"}), ("=/%", {"jpg"})]),
    ],
    ids=["dots", "folders", "case", "others", "meta", "apart", "twice", "letters"],
)
def test_names_are_split_at_the_first_dot_of_their_last_part(tmp_path, names, keys):
    path = write_tar(tmp_path / "a.tar", [(name, b"7") for name in names])
    columns = ["__key__", "jpg", "seg.png", "cls"]
    found = [
        (row["__key__"], {name for name in columns[1:] if row[name] is not None})
        for row in rows(path, columns)
    ]
    assert found == keys


def test_the_columns_are_the_extensions_of_the_first_samples(tmp_path):
    path = write_tar(tmp_path / "a.tar", [*samples(2), ("z.json", b"{}"), ("z.npy", b"")])
    described = webdataset.describe(path)
    assert described.pieces == (None,)
    assert described.schema == pa.schema(
        [
            ("__key__", pa.string()),
            ("image", pa.binary()),
            ("jpg", pa.binary()),
            ("cls", pa.int64()),
            ("txt", pa.string()),
            ("json", pa.string()),
            ("npy", pa.binary()),
        ]
    )


def test_the_first_image_of_a_sample_is_its_image(tmp_path):
    files = [("a.seg.png", b"mask"), ("a.jpg", b"photo"), ("b.webp", b"other"), ("c.cls", b"1")]
    found = rows(write_tar(tmp_path / "a.tar", files), ["image"])
    assert [row["image"] for row in found] == [b"mask", b"other", None]


def test_long_names_and_folders_are_read(tmp_path):
    name = "/".join(["folder" * 10] * 5) + "/a"
    path = write_tar(tmp_path / "a.tar", [(f"{name}.jpg", b"x"), (f"{name}.cls", b"1")])
    assert [row["__key__"] for row in rows(path, ["__key__"])] == [name]


def test_arrays_are_inputs(tmp_path):
    def saved(array) -> bytes:
        np.save(buffer := io.BytesIO(), array)
        return buffer.getvalue()

    arrays = [np.arange(6.0).reshape(2, 3), np.ones((2, 3)), np.ones(4)]
    files = [(f"{n}.npy", saved(array)) for n, array in enumerate(arrays)]
    files.append(("4.npy", saved(np.array([{}], object))))
    segment = Segment("webdataset", write_tar(tmp_path / "a.tar", files), 0, "", 0, None)
    (table,) = batches([segment], ["npy"], 10)
    found = decode(table["npy"], FieldSpec(column="npy", shape=[2, 3]))
    np.testing.assert_array_equal(found.values[:2], np.float32(arrays[:2]))
    assert [type(error).__name__ for error in found.errors] == [
        "NoneType",
        "NoneType",
        "ShapeError",
        "DecodeError",
    ]


def test_a_label_that_is_no_number_costs_its_row_alone(tmp_path):
    files = samples(3)
    files[4] = ("train/0001.cls", b"cat")
    path = write_tar(tmp_path / "a.tar", files)
    found = rows(path)
    assert [row["cls"] for row in found] == [0, None, 2]
    assert found[1][READ_ERROR]["type"] == "DecodeError"
    assert found[1][READ_ERROR]["message"].startswith("column cls: ")
    assert len(good(rows(path, ["image"]))) == 3


def test_a_unit_is_an_archive_of_unknown_length(tmp_path):
    for name in "ab":
        write_tar(tmp_path / f"{name}.tar", samples(3))
    group = Group("webdataset", "", storage.list_files(str(tmp_path)))
    units = plan.make([group], rows_per_file=1)
    assert [unit.rows for unit in units] == [None, None]
    root = str(tmp_path / "table")
    assert list(plan.save(root, units)) == list(units) == list(plan.load(root))


def test_only_the_first_archive_is_opened_to_plan(tmp_path):
    write_tar(tmp_path / "a.tar", samples(1))
    (tmp_path / "b.tar").write_bytes(b"never looked at")
    group = Group("webdataset", "", storage.list_files(str(tmp_path)))
    assert len(plan.make([group], 1, columns=pa.schema([("jpg", pa.binary())]))) == 2


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 7, 100])
def test_with_a_limit_archives_are_counted(tmp_path, limit):
    for name in "ab":
        write_tar(tmp_path / f"{name}.tar", samples(3))
    group = Group("webdataset", "", storage.list_files(str(tmp_path)))
    units = plan.make([group], 4, columns=pa.schema([("cls", pa.int64())]), limit=limit)
    counted = sum(unit.rows for unit in units)
    assert counted == min(limit, 6)
    assert sum(len(b) for u in units for b in batches(u.segments, ["cls"], 2)) == counted


@pytest.mark.parametrize("cut", range(0, 7 * 3 * BLOCK + 1, 256))
def test_a_truncated_archive_keeps_whole_samples_and_tells_of_the_rest(tmp_path, cut):
    """Whatever the place, also between two files, where Python sees a sound end."""
    path = tmp_path / "a.tar"
    path.write_bytes(tar(samples(3))[:cut])
    found = rows(str(path))
    *before, last = found
    assert [row["row"] for row in found] == list(range(len(found)))
    assert [row["cls"] for row in before] == list(range(len(before)))
    # the class, whose two bytes come after four blocks of seven; the caption isn't asked for
    assert len(before) == (cut - 4 * BLOCK - 2) // (7 * BLOCK) + 1
    assert all(row[READ_ERROR] is None and row["image"] for row in before)
    assert last[READ_ERROR]["type"] == "BrokenArchiveError"
    assert last[READ_ERROR]["message"].startswith("can't be read from byte ")
    assert rows(str(path)) == found


def test_a_header_that_makes_no_sense_is_not_taken_for_the_end(tmp_path):
    content = bytearray(tar(samples(3)))
    content[7 * BLOCK : 8 * BLOCK] = b"\xff" * BLOCK
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    found = rows(str(path))
    assert [row["cls"] for row in good(found)] == [0]
    message = found[-1][READ_ERROR]["message"]
    assert message.startswith(f"can't be read from byte {7 * BLOCK:,} on: ")


@pytest.mark.parametrize("damage", ["cut", "garbled"])
def test_a_broken_compressed_archive_keeps_what_comes_before(tmp_path, damage):
    rng = np.random.default_rng(0)
    files = [(f"{n:04d}.jpg", rng.bytes(100_000)) for n in range(40)]
    content = bytearray(tar(files, "w:gz"))
    half = len(content) // 2
    content[half:] = b"" if damage == "cut" else b"\xff" * half
    path = tmp_path / "a.tgz"
    path.write_bytes(content)
    found = rows(str(path), ["image"])
    whole = good(found)
    assert 0 < len(whole) < 40
    assert len(found) == len(whole) + 1
    assert [row["image"] for row in whole] == [image for _, image in files[: len(whole)]]
    assert found[-1][READ_ERROR]["type"] == "BrokenArchiveError"


@pytest.mark.parametrize("content", [b"", b"no archive", b"x" * 5000], ids=["empty", "text", "x"])
def test_what_is_no_archive_is_refused_first_and_an_error_row_later(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ValueError, match="can't be read from byte 0 on"):
        webdataset.describe(str(tmp_path / "a.tar"))
    (row,) = rows(str(tmp_path / "a.tar"))
    assert (row["row"], row[READ_ERROR]["type"]) == (0, "BrokenArchiveError")
    group = Group("webdataset", "", storage.list_files(str(tmp_path)))
    with pytest.raises(SpecError, match="can't be read as webdataset"):
        plan.make([group], 1)


def test_an_archive_that_breaks_within_its_first_samples_still_has_columns(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(tar(samples(3))[: 9 * BLOCK])
    assert webdataset.describe(str(path)).schema.names == ["__key__", "image", "jpg", "cls", "txt"]


def test_an_archive_without_samples_is_a_unit_without_rows_unless_it_comes_first(tmp_path):
    for name, count in [("a", 0), ("b", 2), ("c", 0)]:
        write_tar(tmp_path / f"{name}.tar", samples(count))
    group = Group("webdataset", "", storage.list_files(str(tmp_path)))
    units = plan.make([group], 1, columns=pa.schema([("cls", pa.int64())]))
    assert [[len(b) for b in batches(u.segments, ["cls"], 4)] for u in units] == [[2], []]


def test_an_error_of_the_storage_is_no_error_row(tmp_path):
    with pytest.raises(FileNotFoundError):
        rows(str(tmp_path / "gone.tar"))
