"""Small pictures of rows, read once more from the job's sources; or why there is none."""

import base64
import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from raygrad.decode.fetch import fetch
from raygrad.decode.tensor import read_row
from raygrad.sources import READ_ERROR, SOURCES, Segment

SIDE = 96
"""Pixels of a thumbnail's longer side, at most."""

MOST_BYTES = 8_000
"""Of one thumbnail; a page of 100 has less than a megabyte of them."""

PATIENCE = 60.0
"""Seconds for all thumbnails together, so that a slow store or a huge archive holds nothing up."""

ROWS_AT_ONCE = 64

Place = tuple[str, int]
"""A source's URI and the row's number in it."""


@dataclass(frozen=True)
class Thumbnail:
    """A picture, or the reason why there is none.

    Attributes:
        uri: A data URI; empty if there is no picture.
        width: Of the picture in pixels.
        height: The same.
        why_not: What a reader is told instead.
    """

    uri: str = ""
    width: int = 0
    height: int = 0
    why_not: str = ""


class Pictures:
    """Reads rows of a job's sources as pictures.

    Args:
        spec: What a score file's footer says of the job: ``sources`` and ``input``.
        deadline: When no more is read, on the monotonic clock.
    """

    def __init__(self, spec: Mapping[str, Any], deadline: float) -> None:
        self._formats: list[str] = [source["format"] for source in spec.get("sources", [])]
        fields = list(spec.get("input", {}).values())
        fields.sort(key=lambda field: field.get("decode") != "image")
        self._field = fields[0] if fields else None
        self._deadline = deadline

    def of(self, places: Iterable[Place]) -> dict[Place, Thumbnail]:
        """A thumbnail for each row; a reason where it can't be had, never an error."""
        found: dict[Place, Thumbnail] = {}
        for source, group in groupby(sorted(set(places)), key=lambda place: place[0]):
            wanted = [row for _, row in group]
            for row, thumbnail in self._of_file(source, wanted):
                found[source, row] = thumbnail
        return found

    def _of_file(self, uri: str, rows: Sequence[int]) -> Iterator[tuple[int, Thumbnail]]:
        missing = dict.fromkeys(rows)
        why = "not in the source any more"
        try:
            for row, value in self._values(uri, rows):
                missing.pop(row)
                yield row, thumbnail(value)
        except TimeoutError:
            why = "not read: the sources took too long"
        except FileNotFoundError:
            why = "the source is gone"
        except Exception as error:  # noqa: BLE001 - any reader's; a picture is no reason to fail
            why = f"the source can't be read: {str(error) or type(error).__name__}"
        yield from ((row, Thumbnail(why_not=why)) for row in missing)

    def _values(self, uri: str, rows: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """The inputs of some rows of a file, in order; each piece of it is read once."""
        if self._field is None:
            raise ValueError("the table doesn't say what the model's input was")
        self._refuse_lateness()
        name, column = self._format(uri), self._field["column"]
        described = SOURCES[name].describe(uri)
        for first, wanted in _by_piece(described.pieces, rows):
            segment = Segment(name, uri, 0, "", first, wanted[-1] - first + 1)
            start = first
            for table in SOURCES[name].read(segment, [column], ROWS_AT_ONCE):
                for row in wanted:
                    if start <= row < start + len(table):
                        yield row, _value(table, column, row - start)
                start += len(table)
                self._refuse_lateness()

    def _refuse_lateness(self) -> None:
        if time.monotonic() > self._deadline:
            raise TimeoutError

    def _format(self, uri: str) -> str:
        fitting = [name for name in self._formats if uri.lower().endswith(SOURCES[name].SUFFIXES)]
        return [*fitting, *self._formats, "parquet"][0]


def thumbnail(value: Any) -> Thumbnail:
    """A picture of one input: encoded bytes, or numbers of an image's shape.

    Args:
        value: Bytes, or an array (H, W), (C, H, W) or (H, W, C) of one or three channels; or the
            exception that stands for it.
    """
    if value is None:
        return Thumbnail(why_not="the input is null")
    if isinstance(value, Exception):
        return Thumbnail(why_not=f"can't be read: {value}")
    try:
        picture = _opened(value)
        if picture is None:
            return Thumbnail(why_not="the input is no image")
        picture.thumbnail((SIDE, SIDE))
        kind, content = _encoded(picture)
    except Exception as error:  # noqa: BLE001 - Pillow raises what its many decoders raise
        return Thumbnail(why_not=f"no image that can be decoded: {error}")
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return Thumbnail(uri, *picture.size)


def _by_piece(pieces: Sequence[int | None], rows: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """First row of each piece that has some of the rows, and these."""
    first = 0
    for length in pieces:
        end = None if length is None else first + length
        inside = [row for row in rows if first <= row and (end is None or row < end)]
        if inside:
            yield first, inside
        if end is None:
            return
        first = end


def _value(table: pa.Table, column: str, index: int) -> Any:
    if READ_ERROR in table.column_names:
        error = table[READ_ERROR][index].as_py()
        if error is not None:
            return ValueError(error["message"])
    found = table[column]
    if isinstance(found.type, pa.FixedShapeTensorType):
        return found.slice(index, 1).combine_chunks().to_numpy_ndarray()[0]
    value = found[index].as_py()
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, str):
        (value,) = fetch([value])
    return value


def _opened(value: Any) -> Image.Image | None:
    if isinstance(value, bytes) and not value.startswith(np.lib.format.MAGIC_PREFIX):
        opened = Image.open(io.BytesIO(value))
        opened.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded no larger than needed
        return opened if opened.mode in ("L", "RGB") else opened.convert("RGB")
    pixels = _pixels(read_row(value, None))
    return None if pixels is None else Image.fromarray(pixels)


def _pixels(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Numbers as grey or colour bytes (H, W) or (H, W, 3); None if the shape is no image's."""
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        return None
    if min(array.shape[:2]) < 4:
        return None
    if array.dtype == np.uint8:
        return array
    values = np.nan_to_num(array.astype(np.float64))
    low, high = values.min(), values.max()
    scaled: np.ndarray[Any, Any] = (values - low) * (255 / (high - low or 1))
    return scaled.astype(np.uint8)


def _encoded(picture: Image.Image) -> tuple[str, bytes]:
    """PNG if that is small, as for drawings and tiny images; else JPEG."""
    for kind, options in (
        ("png", {"optimize": True}),
        ("jpeg", {"quality": 80}),
        ("jpeg", {"quality": 40}),
    ):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        content = buffer.getvalue()
        if len(content) <= (MOST_BYTES // 2 if kind == "png" else MOST_BYTES):
            return kind, content
    raise ValueError(f"its thumbnail has more than {MOST_BYTES:,} bytes")
