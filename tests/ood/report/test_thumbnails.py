"""Pictures from every kind of source, and plain words where there is none."""

import base64
import io
import tarfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_tables import made_scores
from PIL import Image

from raygrad.ood.report.thumbnails import MOST_BYTES, SIDE, Pictures, Thumbnail, thumbnail

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (30, 12, 10), np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def decoded(found: Thumbnail) -> np.ndarray:
    head, _, content = found.uri.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64"), found.why_not
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        assert image.size == (found.width, found.height)
        return np.asarray(image)


def reader(kind: str, column: str = "image", decode: str = "image", patience: float = 60):
    field = {"column": column, "decode": decode}
    spec = {"sources": [{"format": kind}], "input": {"": field}}
    return Pictures(spec, time.monotonic() + patience)


@pytest.mark.parametrize("as_struct", [False, True])
def test_rows_of_a_parquet_file(tmp_path, as_struct):
    """Also at the edges of row groups; small images come out pixel by pixel."""
    path = str(tmp_path / "a.parquet")
    images = [encoded(pixels) for pixels in GREY]
    column = [{"bytes": content, "path": "x"} for content in images] if as_struct else images
    pq.write_table(pa.table({"other": range(30), "image": column}), path, row_group_size=7)
    found = reader("parquet").of([(path, row) for row in (20, 0, 6, 7, 29)])
    assert list(found) == [(path, row) for row in (0, 6, 7, 20, 29)]
    for (_, row), picture in found.items():
        assert np.array_equal(decoded(picture), GREY[row])


def test_image_files(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.png", "b.png")]
    for path, pixels in zip(paths, GREY, strict=False):
        (tmp_path / path).write_bytes(encoded(pixels))
    found = reader("images").of([(path, 0) for path in paths])
    assert [decoded(found[path, 0]).tolist() for path in paths] == GREY[:2].tolist()


def test_paths_in_a_column(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(GREY[3]))
    path = str(tmp_path / "list.parquet")
    pq.write_table(pa.table({"image": [str(tmp_path / "a.png"), "/nowhere.png", None]}), path)
    found = reader("parquet").of([(path, row) for row in range(3)])
    assert np.array_equal(decoded(found[path, 0]), GREY[3])
    assert "/nowhere.png" in found[path, 1].why_not
    assert found[path, 2].why_not == "the input is null"


def test_archives(tmp_path):
    path = str(tmp_path / "a.tar")
    with tarfile.open(path, "w") as archive:
        for row, pixels in enumerate(GREY):
            content = encoded(pixels)
            member = tarfile.TarInfo(f"{row:03d}.png")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    found = reader("webdataset").of([(path, 25), (path, 3), (path, 99)])
    assert np.array_equal(decoded(found[path, 25]), GREY[25])
    assert np.array_equal(decoded(found[path, 3]), GREY[3])
    assert found[path, 99].why_not == "not in the source any more"


@pytest.mark.parametrize("shape", [(12, 10), (1, 12, 10), (3, 12, 10), (12, 10, 3)])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_arrays_of_an_images_shape(tmp_path, shape, dtype):
    path = str(tmp_path / "a.npy")
    values = RANDOM.integers(0, 256, (5, *shape)).astype(dtype)
    values[:, 0, 0], values[:, -1, -1] = 0, 255  # the ends of the grey scale
    np.save(path, values)
    picture = decoded(reader("numpy", "array", "tensor").of([(path, 4)])[path, 4])
    expected = values[4].transpose(1, 2, 0) if shape[0] in (1, 3) else values[4]
    assert np.abs(picture - expected.squeeze().astype(float)).max() <= 1


@pytest.mark.parametrize("shape", [(7,), (2, 12, 10), (3, 3), (1, 2, 3, 4)])
def test_other_arrays_are_no_images(tmp_path, shape):
    path = str(tmp_path / "a.npy")
    np.save(path, np.ones((2, *shape), np.float32))
    found = reader("numpy", "array", "tensor").of([(path, 1)])
    assert found[path, 1] == Thumbnail(why_not="the input is no image")


def test_a_source_that_is_gone(tmp_path):
    path = str(tmp_path / "gone.parquet")
    assert reader("parquet").of([(path, 0)]) == {(path, 0): Thumbnail(why_not="the source is gone")}


def test_a_source_that_is_shorter_now_or_broken(tmp_path):
    short, broken = str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")
    pq.write_table(pa.table({"image": [encoded(GREY[0])]}), short)
    (tmp_path / "b.parquet").write_bytes(b"no parquet")
    found = reader("parquet").of([(short, 0), (short, 5), (broken, 0)])
    assert found[short, 0].uri
    assert found[short, 5].why_not == "not in the source any more"
    assert found[broken, 0].why_not.startswith("the source can't be read: ")


def test_a_table_that_says_nothing_of_its_inputs():
    found = Pictures({}, time.monotonic() + 60).of([("a.parquet", 0)])
    assert "doesn't say what the model's input was" in found["a.parquet", 0].why_not


def test_no_more_is_read_once_the_time_is_over(tmp_path):
    path = str(tmp_path / "a.parquet")
    pq.write_table(pa.table({"image": [encoded(GREY[0])]}), path)
    found = reader("parquet", patience=-1).of([(path, 0)])
    assert found[path, 0].why_not == "not read: the sources took too long"


@pytest.mark.parametrize("content", [b"", b"no image", encoded(GREY[0])[:50]])
def test_bytes_that_are_no_image(content):
    assert thumbnail(content).why_not.startswith("no image that can be decoded: ")


def test_large_images_become_small_and_stay_within_their_bytes():
    noise = RANDOM.integers(0, 256, (700, 1400, 3), np.uint8)
    for kind in ("PNG", "JPEG"):
        found = thumbnail(encoded(noise, kind))
        assert (found.width, found.height) == (SIDE, SIDE // 2)
        assert len(base64.b64decode(found.uri.partition(",")[2])) <= MOST_BYTES


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA", "CMYK", "1", "I;16"])
def test_images_of_every_mode(mode):
    image = Image.fromarray(GREY[0])
    image = image.convert("RGB").convert(mode) if mode != "I;16" else image.convert("I;16")
    buffer = io.BytesIO()
    image.save(buffer, "TIFF")
    assert decoded(thumbnail(buffer.getvalue())).shape[:2] == (12, 10)


def test_the_most_unusual_rows_come_with_their_pictures(tmp_path, table_of, page_of):
    path = str(tmp_path / "a.parquet")
    pq.write_table(pa.table({"image": [encoded(pixels) for pixels in GREY]}), path)
    rows = made_scores(30, shift=0, seed=0).append_column("source", pa.array([path] * 30))
    spec = {
        "sources": [{"format": "parquet"}],
        "input": {"": {"column": "image", "decode": "image"}},
        "label": "label",
    }
    scores = rows["fc_l1"].to_numpy()
    page = page_of(table_of({"": rows}, spec=spec), score="fc_l1", unusual=4)
    images = page.by_id("unusual").all("img")
    order = np.argsort(-scores)[:4]
    assert [int(image.attributes["alt"].rsplit(" ", 1)[1]) for image in images] == order.tolist()
    for image, row in zip(images, order, strict=True):
        head = image.attributes["src"]
        assert np.array_equal(decoded(Thumbnail(head, 10, 12)), GREY[row])
    item = page.by_id("unusual").all("li")[0].text
    assert f"{scores[order[0]]:.4g}" in item
    assert f"label {rows['label'][int(order[0])]}" in item


def test_rows_whose_sources_are_gone_are_listed_all_the_same(three, page_of):
    section = page_of(three, unusual=5).by_id("unusual")
    assert len(section.all("li")) == 5
    assert section.text.count("no picture:") == 5
