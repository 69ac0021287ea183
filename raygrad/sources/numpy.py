"""NumPy files: the first axis of each array holds the rows.

An ``.npy`` file is one column, ``array``; an ``.npz`` archive has a column for each of its arrays,
which must all have as many rows.
"""

import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, BinaryIO

import numpy as np
import pyarrow as pa

from raygrad.sources.description import Description
from raygrad.storage import is_local, open_read
from raygrad.table.segment import Segment

SUFFIXES: tuple[str, ...] = (".npy", ".npz")

ROWS_PER_PIECE = 1000
"""Units end at multiples of this; any number would do, since rows can be read at any place."""

Array = np.ndarray[Any, Any]


def describe(uri: str) -> Description:
    """Reads the headers, which hold shapes and dtypes.

    Raises:
        ValueError: If it is no NumPy file, holds objects, or its arrays differ in length.
    """
    with open_read(uri) as stream:
        headers = _headers(uri, stream)
    lengths = {shape[0] if shape else 0 for shape, _ in headers.values()}
    if len(lengths) != 1:
        raise ValueError(f"its arrays have {sorted(lengths)} rows; they need as many each")
    (rows,) = lengths
    columns = [pa.field(name, _type(shape, dtype)) for name, (shape, dtype) in headers.items()]
    pieces = [min(ROWS_PER_PIECE, rows - first) for first in range(0, rows, ROWS_PER_PIECE)]
    return Description(pa.schema(columns), tuple(pieces))


def read(segment: Segment, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Reads a segment; of a local ``.npy`` only the bytes that it needs, through a memory map.

    Yields:
        At most ``rows`` rows at a time, in the file's order.
    """
    end = segment.end
    with open_read(segment.uri) as stream:
        arrays = _arrays(segment.uri, stream, columns)
        for first in range(segment.first_row, end, rows):
            taken = slice(first, min(first + rows, end))
            yield pa.table({name: _column(array[taken]) for name, array in arrays.items()})


def _headers(uri: str, stream: BinaryIO) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    if uri.endswith(".npy"):
        return {"array": _header(stream)}
    try:
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            return {name.removesuffix(".npy"): _header(archive.open(name)) for name in names}
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_header(stream)
    return shape, dtype


def _arrays(uri: str, stream: BinaryIO, columns: Sequence[str]) -> dict[str, Array]:
    if uri.endswith(".npy"):
        # Only a memory map of a local file spares reading it whole.
        return {"array": np.load(uri, mmap_mode="r") if is_local(uri) else np.load(stream)}
    archive = np.load(stream)
    return {name: archive[name] for name in columns}


def _type(shape: tuple[int, ...], dtype: np.dtype[Any]) -> pa.DataType:
    if dtype.hasobject:
        raise ValueError("it holds Python objects; store numbers")
    value = pa.from_numpy_dtype(dtype)
    return value if len(shape) == 1 else pa.fixed_shape_tensor(value, shape[1:])


def _column(array: Array) -> pa.Array:
    content = np.ascontiguousarray(array)
    if content.ndim == 1:
        return pa.array(content)
    return pa.FixedShapeTensorArray.from_numpy_ndarray(content)
