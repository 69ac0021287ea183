"""From a column of bytes, lists or tensors to one array a batch, and an error for each bad row.

Values stay as small as they came (images uint8); :func:`to_model` rescales on the device.
"""

import io
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from PIL import Image
from torch import Tensor

from raygrad.errors import DecodeError, NullInputError, RowError, ShapeError
from raygrad.spec import FieldSpec


class Decoded(NamedTuple):
    """A decoded column.

    Attributes:
        values: Shape (rows, *shape); rows with an error are zeros.
        errors: For each row an error or None.
    """

    values: np.ndarray[Any, Any]
    errors: list[RowError | None]


def decode(column: pa.ChunkedArray, field: FieldSpec) -> Decoded:
    """Decodes a column; a bad row costs nothing but itself.

    Args:
        column: Encoded images (or structs with a ``bytes`` field, as Hugging Face writes them),
            numbers, nested lists or fixed-shape tensors.
        field: How; its shape, where None, becomes that of the first row that can be decoded.
    """
    if field.decode == "tensor":
        valid = column.is_valid()
        whole = _whole_tensor(column.filter(valid))
        if whole is not None:
            return _with_nulls(whole, valid.to_numpy(), field)
    dtype = _leaf_dtype(column.type)
    rows = [_row(value, field, dtype) for value in column.to_pylist()]
    arrays = [row for row in rows if isinstance(row, np.ndarray)]
    shape = tuple(field.shape) if field.shape is not None else arrays[0].shape if arrays else ()
    values = np.zeros((len(rows), *shape), _common_dtype(arrays))
    errors: list[RowError | None] = []
    for index, row in enumerate(rows):
        if isinstance(row, RowError):
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


def _null(field: FieldSpec) -> NullInputError:
    return NullInputError(f"column {field.column} is null")


def _common_dtype(arrays: Sequence[np.ndarray[Any, Any]]) -> np.dtype[Any]:
    return np.result_type(*{array.dtype for array in arrays}) if arrays else np.dtype(np.uint8)


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _leaf_dtype(kind: pa.DataType) -> np.dtype[Any] | None:
    """What the numbers of a column are, so that no batch differs from the others; else None."""
    while _is_list(kind):
        kind = kind.value_type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return np.dtype(kind.to_pandas_dtype()) if is_number else None


def _row(
    value: Any, field: FieldSpec, dtype: np.dtype[Any] | None
) -> np.ndarray[Any, Any] | RowError:
    if isinstance(value, dict) and "bytes" in value:
        value = value["bytes"]
    if value is None:
        return _null(field)
    if field.decode == "image":
        return _image(value, field.mode)
    try:
        array = np.asarray(value)
    except ValueError as error:
        return ShapeError(f"the nested lists have no common shape: {error}")
    if array.dtype.kind not in "biuf":
        return DecodeError(f"expected numbers, found {array.dtype}")
    array = array if dtype is None else array.astype(dtype)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _image(content: Any, mode: str) -> np.ndarray[Any, Any] | RowError:
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode.startswith(("I", "F")):
                # Pillow's convert would clip these at 255.
                return DecodeError(
                    f"the image has more than 8 bits a channel (mode {image.mode}); "
                    "store it as numbers and use decode: tensor"
                )
            pixels = np.asarray(image.convert(mode))
    # Pillow raises whatever its many decoders raise, SyntaxError and struct.error among them.
    except Exception as error:  # noqa: BLE001
        return DecodeError(f"{type(error).__name__}: {error}")
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _whole_tensor(column: pa.ChunkedArray) -> np.ndarray[Any, Any] | None:
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


def to_model(values: Tensor, field: FieldSpec) -> Tensor:
    """Rescales, normalises and casts, on the values' device.

    Args:
        values: Shape (N, *shape).
        field: How; channels are the first axis of a sample.

    Returns:
        Shape (N, *shape).
    """
    rescale = field.rescale
    if rescale is None and field.decode == "image":
        rescale = 1 / 255
    if rescale is not None:
        values = values.float() * rescale
    channels = (-1, *([1] * (values.ndim - 2)))
    if field.mean is not None:
        values = values.float() - torch.tensor(field.mean, device=values.device).view(channels)
    if field.std is not None:
        values = values.float() / torch.tensor(field.std, device=values.device).view(channels)
    if field.dtype is not None:
        return values.to(getattr(torch, field.dtype))
    return values.float() if values.is_floating_point() else values


def to_fixed_size_list(values: np.ndarray[Any, Any]) -> pa.FixedSizeListArray:
    """One list a row, without a copy; the shape is the field's."""
    size = math.prod(values.shape[1:])
    return pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(values).reshape(-1)), size
    )
