"""Numbers, nested lists and fixed-shape tensors to arrays: whole columns, or row by row."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygrad.errors import DecodeError, ShapeError


def whole_tensor(column: pa.ChunkedArray) -> np.ndarray[Any, Any] | None:
    """The column without a loop over rows, if no entry is null and all shapes agree."""
    if not len(column):
        return None
    array = column.combine_chunks()
    shape = [len(array)]
    if isinstance(array.type, pa.FixedShapeTensorType):
        return None if array.storage.flatten().null_count else _float32(array.to_numpy_ndarray())
    while _is_list(array.type):
        lengths = pc.list_value_length(array)
        ends = pc.min_max(lengths).as_py()
        if array.null_count or ends["min"] is None or ends["min"] != ends["max"]:
            return None
        shape.append(int(ends["min"]))
        array = array.flatten()
    if array.null_count or not (
        pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
    ):
        return None
    return _float32(array.to_numpy(zero_copy_only=False).reshape(shape))


def _float32(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return values.astype(np.float32) if values.dtype == np.float64 else values


def leaf_dtype(kind: pa.DataType) -> np.dtype[Any] | None:
    """What the numbers of a column are, so that no batch differs from the others; else None."""
    while _is_list(kind):
        kind = kind.value_type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return np.dtype(kind.to_pandas_dtype()) if is_number else None


def read_row(value: Any, dtype: np.dtype[Any] | None) -> np.ndarray[Any, Any]:
    """One row's number, nested lists, or the bytes of an ``.npy`` file.

    Raises:
        ShapeError: If lists of one level differ in length.
        DecodeError: If there is anything but numbers.
    """
    if isinstance(value, bytes) and value.startswith(np.lib.format.MAGIC_PREFIX):
        try:
            value = np.load(io.BytesIO(value), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise DecodeError(f"can't be read as an .npy file: {error}") from error
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"the nested lists have no common shape: {error}") from error
    if array.dtype.kind not in "biuf":
        raise DecodeError(f"expected numbers, found {array.dtype}")
    return _float32(array if dtype is None else array.astype(dtype))


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
