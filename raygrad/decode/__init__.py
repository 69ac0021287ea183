"""From a column of bytes, lists or tensors to one array a batch, and an error for each bad row.

Values stay as small as they came (images uint8); :func:`to_model` rescales them on the device.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from raygrad.decode.device import to_model
from raygrad.decode.fetch import fetch
from raygrad.decode.image import read_image
from raygrad.decode.tensor import leaf_dtype, read_row, whole_tensor
from raygrad.errors import NullInputError, ShapeError
from raygrad.spec import FieldSpec

__all__ = ["Decoded", "decode", "to_fixed_size_list", "to_model"]


class Decoded(NamedTuple):
    """A decoded column.

    Attributes:
        values: Shape (rows, *shape); rows with an error are zeros.
        errors: For each row an error or None.
    """

    values: np.ndarray[Any, Any]
    errors: list[Exception | None]


def decode(column: pa.ChunkedArray, field: FieldSpec) -> Decoded:
    """Decodes a column; a bad row costs nothing but itself.

    Args:
        column: Encoded images (or structs with a ``bytes`` field, as Hugging Face writes them, or
            texts, which are paths or URIs of image files), numbers, nested lists, fixed-shape
            tensors or the bytes of ``.npy`` files.
        field: How; its shape, where None, becomes that of the first row that can be decoded.
    """
    if field.decode == "tensor":
        valid = column.is_valid()
        whole = whole_tensor(column.filter(valid))
        if whole is not None:
            return _with_nulls(whole, valid.to_numpy(), field)
    dtype = leaf_dtype(column.type)
    raw = column.to_pylist()
    if field.decode == "image" and _is_text(column.type):
        raw = fetch(raw)
    rows = [_row(value, field, dtype) for value in raw]
    arrays = [row for row in rows if isinstance(row, np.ndarray)]
    shape = tuple(field.shape) if field.shape is not None else arrays[0].shape if arrays else ()
    values = np.zeros((len(rows), *shape), _common_dtype(arrays))
    errors: list[Exception | None] = []
    for index, row in enumerate(rows):
        if isinstance(row, Exception):
            errors.append(row)
        elif row.shape != shape:
            errors.append(ShapeError(f"expected shape {shape}, found {row.shape}"))
        else:
            values[index] = row
            errors.append(None)
    return Decoded(values, errors)


def _with_nulls(
    whole: np.ndarray[Any, Any], valid: np.ndarray[Any, Any], field: FieldSpec
) -> Decoded:
    shape = whole.shape[1:]
    if field.shape is not None and shape != tuple(field.shape):
        misfit = ShapeError(f"expected shape {tuple(field.shape)}, found {shape}")
        values = np.zeros((len(valid), *field.shape), whole.dtype)
        return Decoded(values, [misfit if there else _null(field) for there in valid])
    if valid.all():
        return Decoded(whole, [None] * len(whole))
    values = np.zeros((len(valid), *shape), whole.dtype)
    values[valid] = whole
    return Decoded(values, [None if there else _null(field) for there in valid])


def _row(
    value: Any, field: FieldSpec, dtype: np.dtype[Any] | None
) -> np.ndarray[Any, Any] | Exception:
    if isinstance(value, dict) and "bytes" in value:
        value = value["bytes"]
    if value is None:
        return _null(field)
    if isinstance(value, Exception):
        return value
    try:
        return read_image(value, field) if field.decode == "image" else read_row(value, dtype)
    except Exception as error:  # noqa: BLE001 - a bad row's, or of the user's transform
        return error


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _null(field: FieldSpec) -> NullInputError:
    return NullInputError(f"column {field.column} is null")


def _common_dtype(arrays: Sequence[np.ndarray[Any, Any]]) -> np.dtype[Any]:
    return np.result_type(*{array.dtype for array in arrays}) if arrays else np.dtype(np.uint8)


def to_fixed_size_list(values: np.ndarray[Any, Any]) -> pa.FixedSizeListArray:
    """One list a row, without a copy; the shape is the field's."""
    size = math.prod(values.shape[1:])
    return pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(values).reshape(-1)), size
    )
