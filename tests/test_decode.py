"""Columns become arrays; a bad row costs itself alone and says why."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from raygrad.decode import Decoded, decode, to_fixed_size_list, to_model
from raygrad.errors import DecodeError, NullInputError, ShapeError
from raygrad.spec import FieldSpec


def field(**options) -> FieldSpec:
    return FieldSpec.model_validate({"column": "x", **options})


def decoded(values, kind: pa.DataType | None = None, **options) -> Decoded:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind)
    column = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    return decode(column, field(**options))


def error_types(found: Decoded) -> list[type | None]:
    return [None if error is None else type(error) for error in found.errors]


GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([GREY, 255 - GREY, np.full_like(GREY, 7)], 2)
LOSSLESS = ["PNG", "BMP", "TIFF", "WEBP"]


class TestImages:
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
    def test_a_grey_image_has_one_channel(self, encoded, kind):
        found = decoded([encoded(GREY, kind)], decode="image", mode="L")
        assert found.errors == [None]
        assert found.values.dtype == np.uint8
        np.testing.assert_array_equal(found.values, GREY[None, None])

    @pytest.mark.parametrize("kind", LOSSLESS)
    def test_a_colour_image_has_its_channels_first(self, encoded, kind):
        options = {"lossless": True} if kind == "WEBP" else {}
        found = decoded([encoded(COLOUR, kind, **options)], decode="image")
        np.testing.assert_array_equal(found.values, COLOUR.transpose(2, 0, 1)[None])

    def test_a_jpeg_is_near_its_original(self, encoded):
        smooth = np.add.outer(np.arange(16), np.arange(24)).astype(np.uint8) * 4
        found = decoded([encoded(smooth, "JPEG", quality=95)], decode="image", mode="L")
        assert found.values.shape == (1, 1, 16, 24)
        assert np.abs(found.values[0, 0].astype(int) - smooth).max() <= 6

    def test_a_grey_image_becomes_three_equal_channels(self, encoded):
        found = decoded([encoded(GREY)], decode="image", mode="RGB")
        np.testing.assert_array_equal(found.values[0], np.stack([GREY] * 3))

    def test_a_colour_image_becomes_grey_by_its_luminance(self, encoded):
        found = decoded([encoded(COLOUR)], decode="image", mode="L")
        expected = COLOUR @ np.array([0.299, 0.587, 0.114])
        assert np.abs(found.values[0, 0] - expected).max() <= 1

    def test_transparency_is_dropped(self, encoded):
        pixels = np.dstack([COLOUR, np.full_like(GREY, 255)])
        found = decoded([encoded(pixels)], decode="image")
        np.testing.assert_array_equal(found.values[0], COLOUR.transpose(2, 0, 1))

    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_sixteen_bits_are_scaled_or_refused_but_never_clipped(self, encoded, mode):
        deep = (np.arange(16, dtype=np.uint16) * 4096).reshape(4, 4)
        found = decoded([encoded(deep)], decode="image", mode=mode)
        refused = error_types(found) == [DecodeError]
        assert refused or len(np.unique(found.values)) == 16

    @pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
    def test_every_kind_of_binary_column_is_read(self, encoded, kind):
        found = decoded([encoded(GREY), None], kind, decode="image", mode="L")
        assert error_types(found) == [None, NullInputError]

    def test_structs_of_hugging_face_are_read(self, encoded):
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        rows = [
            {"bytes": encoded(GREY), "path": "a.png"},
            {"bytes": encoded(GREY), "path": None},
            {"bytes": None, "path": "a.png"},
            None,
        ]
        found = decoded(rows, kind, decode="image", mode="L")
        assert error_types(found) == [None, None, NullInputError, NullInputError]
        np.testing.assert_array_equal(found.values[1, 0], GREY)

    def test_bad_bytes_cost_their_rows_alone(self, encoded):
        good = encoded(GREY)
        jpeg = encoded(np.zeros((64, 64), np.uint8), "JPEG")
        noise = encoded(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
        halves = [jpeg[: len(jpeg) // 2], noise[: len(noise) // 2]]
        rows = [good, b"", b"no image", good[:40], *halves, None, good]
        found = decoded(rows, decode="image", mode="L", shape=[1, 3, 4])
        bad = [DecodeError] * 5
        assert error_types(found) == [None, *bad, NullInputError, None]
        assert not found.values[1:7].any()
        np.testing.assert_array_equal(found.values[0], found.values[7])

    def test_an_error_says_what_pillow_said(self):
        (error,) = decoded([b"no image"], decode="image").errors
        assert str(error).startswith("UnidentifiedImageError: cannot identify image file")

    def test_a_broken_checksum_is_an_error_row(self, encoded):
        content = bytearray(encoded(GREY))
        content[content.index(b"IDAT") + 6] ^= 0xFF
        assert error_types(decoded([bytes(content)], decode="image")) == [DecodeError]

    def test_a_text_is_no_image(self):
        assert error_types(decoded(["a.png"], decode="image")) == [DecodeError]

    def test_a_number_is_no_image(self):
        assert error_types(decoded([3], decode="image")) == [DecodeError]

    def test_an_image_of_another_size_names_both_shapes(self, encoded):
        found = decoded([encoded(GREY), encoded(GREY.T)], decode="image", mode="L")
        assert found.errors[0] is None
        assert isinstance(found.errors[1], ShapeError)
        assert str(found.errors[1]) == "expected shape (1, 3, 4), found (1, 4, 3)"

    def test_the_shape_of_the_spec_decides_not_the_first_row(self, encoded):
        rows = [encoded(GREY.T), encoded(GREY)]
        found = decoded(rows, decode="image", mode="L", shape=[1, 3, 4])
        assert error_types(found) == [ShapeError, None]

    def test_the_first_row_that_can_be_decoded_gives_the_shape(self, encoded):
        rows = [None, b"broken", encoded(GREY), encoded(GREY.T)]
        found = decoded(rows, decode="image", mode="L")
        assert error_types(found) == [NullInputError, DecodeError, None, ShapeError]

    def test_a_batch_without_one_good_row_has_the_shape_of_the_spec(self):
        found = decoded([None, b"broken"], pa.binary(), decode="image", shape=[3, 2, 2])
        assert found.values.shape == (2, 3, 2, 2)
        assert error_types(found) == [NullInputError, DecodeError]


NUMBERS = {
    "int8": (pa.int8(), np.int8),
    "uint8": (pa.uint8(), np.uint8),
    "int32": (pa.int32(), np.int32),
    "int64": (pa.int64(), np.int64),
    "float16": (pa.float16(), np.float16),
    "float32": (pa.float32(), np.float32),
    "float64": (pa.float64(), np.float32),
}


class TestTensors:
    @pytest.mark.parametrize(("kind", "dtype"), NUMBERS.values(), ids=NUMBERS)
    def test_numbers_keep_their_type_but_for_float64(self, kind, dtype):
        values = [np.float16(1), np.float16(2)] if kind == pa.float16() else [1, 2]
        found = decoded(values, kind)
        assert found.values.dtype == dtype
        assert found.values.tolist() == [1, 2]
        assert found.errors == [None, None]

    def test_large_ids_stay_exact(self):
        ids = [2**53 + 1, 2**62 + 1]
        assert decoded(ids).values.tolist() == ids
        assert decoded([*ids, None]).values.tolist() == [*ids, 0]

    def test_bools_are_numbers(self):
        found = decoded([True, False])
        assert found.values.tolist() == [1, 0]
        assert found.errors == [None, None]

    @pytest.mark.parametrize(
        "kind",
        [
            pa.list_(pa.list_(pa.float32())),
            pa.large_list(pa.large_list(pa.float32())),
            pa.list_(pa.list_(pa.float32(), 3), 2),
            pa.list_(pa.list_(pa.float32(), 3)),
            pa.list_(pa.list_(pa.float64())),
            pa.list_(pa.list_(pa.int64())),
        ],
        ids=str,
    )
    def test_nested_lists_become_arrays(self, kind):
        values = np.arange(18).reshape(3, 2, 3)
        found = decoded(values.tolist(), kind)
        np.testing.assert_array_equal(found.values, values)
        assert found.errors == [None] * 3

    @pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 2)], ids=str)
    def test_a_slice_of_a_column_is_that_slice(self, kind):
        column = pa.chunked_array([pa.array([[row, -row] for row in range(5)], kind)] * 2)
        found = decode(column.slice(3, 4), field())
        assert found.values.tolist() == [[3, -3], [4, -4], [0, 0], [1, -1]]

    @pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 2)], ids=str)
    def test_a_null_row_costs_itself_alone(self, kind):
        found = decoded([[1, 2], None, [3, 4]], kind)
        assert error_types(found) == [None, NullInputError, None]
        assert found.values.tolist() == [[1, 2], [0, 0], [3, 4]]
        assert str(found.errors[1]) == "column x is null"

    @pytest.mark.parametrize("kind", [pa.float32(), pa.int64()], ids=str)
    def test_a_null_within_a_row_costs_that_row_alone(self, kind):
        found = decoded([[1, 2], [3, None], [4, 5]], pa.list_(kind))
        assert error_types(found) == [None, DecodeError, None]
        assert found.values.tolist() == [[1, 2], [0, 0], [4, 5]]

    def test_a_null_list_within_a_row_costs_that_row_alone(self):
        rows = [[[1], [2]], [[3], None], [[5], [6]]]
        found = decoded(rows, pa.list_(pa.list_(pa.float32())))
        assert [error is None for error in found.errors] == [True, False, True]

    def test_rows_of_another_length_name_both_shapes(self):
        found = decoded([[1, 2], [3], [4, 5, 6], [7, 8], []], pa.list_(pa.float32()))
        assert error_types(found) == [None, ShapeError, ShapeError, None, ShapeError]
        assert [str(error) for error in found.errors if error] == [
            "expected shape (2,), found (1,)",
            "expected shape (2,), found (3,)",
            "expected shape (2,), found (0,)",
        ]

    def test_a_ragged_row_is_told_as_such(self):
        found = decoded([[[1, 2], [3, 4]], [[1, 2], [3]]], pa.list_(pa.list_(pa.float32())))
        assert error_types(found) == [None, ShapeError]
        assert str(found.errors[1]).startswith("the nested lists have no common shape")

    def test_lists_of_equal_length_but_another_shape_than_the_spec(self):
        found = decoded([[1, 2], [3, 4]], pa.list_(pa.float32()), shape=[3])
        assert error_types(found) == [ShapeError, ShapeError]
        assert str(found.errors[0]) == "expected shape (3,), found (2,)"

    @pytest.mark.parametrize("values", [["a"], [["a"]], [{"a": 1}], [b"a"]], ids=str)
    def test_what_is_no_number_is_an_error_row(self, values):
        (error,) = decoded(values).errors
        assert isinstance(error, DecodeError)
        assert str(error).startswith("expected numbers, found ")

    def test_an_empty_column_gives_no_rows(self):
        found = decoded([], pa.list_(pa.float32()), shape=[2])
        assert found.values.shape == (0, 2)
        assert found.errors == []

    def test_an_empty_tensor_column_gives_no_rows(self):
        found = decoded(tensors(np.zeros((1, 2, 3), np.float32)).slice(0, 0), shape=[2, 3])
        assert found.values.shape == (0, 2, 3)

    def test_values_survive_a_null_in_their_batch(self):
        """The way with nulls and that without give the same numbers."""
        values = np.random.default_rng(0).normal(size=(4, 3)).tolist()
        whole = decoded(values, pa.list_(pa.float64()))
        holed = decoded([*values, None], pa.list_(pa.float64()))
        np.testing.assert_array_equal(whole.values, holed.values[:4])
        assert whole.values.dtype == holed.values.dtype

    @pytest.mark.parametrize("kind", [pa.uint8(), pa.int32()], ids=str)
    def test_the_dtype_does_not_depend_on_a_null_in_the_batch(self, kind):
        whole = decoded([[1], [2]], pa.list_(kind))
        holed = decoded([[1], None], pa.list_(kind))
        assert whole.values.dtype == holed.values.dtype


def tensors(values: np.ndarray) -> pa.ExtensionArray:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(values)


class TestFixedShapeTensors:
    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
    def test_tensors_keep_shape_and_type(self, dtype):
        values = np.arange(24, dtype=dtype).reshape(4, 2, 3)
        found = decoded(tensors(values))
        np.testing.assert_array_equal(found.values, values)
        assert found.values.dtype == dtype

    def test_float64_becomes_float32(self):
        assert decoded(tensors(np.ones((2, 3)))).values.dtype == np.float32

    def test_slices_and_chunks_are_read_in_order(self):
        values = np.arange(24, dtype=np.float32).reshape(6, 2, 2)
        column = pa.chunked_array([tensors(values[:4]), tensors(values[4:])]).slice(3, 2)
        np.testing.assert_array_equal(decode(column, field()).values, values[3:5])

    def test_permuted_tensors_have_their_logical_shape(self):
        kind = pa.fixed_shape_tensor(pa.int32(), (2, 3), permutation=[1, 0])
        rows = pa.array([[0, 1, 2, 3, 4, 5]], pa.list_(pa.int32(), 6))
        found = decoded(pa.ExtensionArray.from_storage(kind, rows))
        assert found.values.tolist() == [[[0, 3], [1, 4], [2, 5]]]

    def test_a_null_costs_itself_alone(self):
        kind = pa.fixed_shape_tensor(pa.float32(), (2, 2))
        rows = pa.array([[1, 2, 3, 4], None, [5, 6, 7, 8]], pa.list_(pa.float32(), 4))
        found = decoded(pa.ExtensionArray.from_storage(kind, rows), shape=[2, 2])
        assert error_types(found) == [None, NullInputError, None]
        assert found.values[2].tolist() == [[5, 6], [7, 8]]

    def test_another_shape_than_the_spec_is_told_as_it_is(self):
        found = decoded(tensors(np.zeros((1, 2, 2), np.float32)), shape=[3, 2])
        assert str(found.errors[0]) == "expected shape (3, 2), found (2, 2)"


class TestToModel:
    def test_images_become_floats_from_0_to_1(self):
        values = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
        found = to_model(values, field(decode="image", mode="L"))
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, torch.tensor([[[[0.0, 0.2, 1.0]]]]))

    def test_mean_and_std_belong_to_channels(self):
        values = torch.full((2, 3, 4, 4), 255, dtype=torch.uint8)
        options = {"mean": [0.0, 0.5, 1.0], "std": [1.0, 0.5, 2.0]}
        found = to_model(values, field(decode="image", **options))
        assert found.shape == (2, 3, 4, 4)
        torch.testing.assert_close(found[1, :, 2, 3], torch.tensor([1.0, 1.0, 0.0]))

    def test_mean_and_std_of_flat_features(self):
        found = to_model(torch.tensor([[1.0, 2.0]]), field(mean=[1.0, 1.0], std=[1.0, 2.0]))
        assert found.tolist() == [[0.0, 0.5]]

    def test_a_rescale_replaces_that_of_images(self):
        values = torch.tensor([[[[255]]]], dtype=torch.uint8)
        assert to_model(values, field(decode="image", rescale=1.0)).tolist() == [[[[255.0]]]]

    def test_tensors_are_not_rescaled(self):
        assert to_model(torch.tensor([[2.0]]), field()).tolist() == [[2.0]]

    @pytest.mark.parametrize("dtype", ["float32", "int64", "int32", "bool"])
    def test_the_dtype_of_the_spec_is_what_the_model_gets(self, dtype):
        found = to_model(torch.tensor([[0, 1]], dtype=torch.uint8), field(dtype=dtype))
        assert found.dtype == getattr(torch, dtype)
        assert found.tolist() == [[0, 1]]

    def test_ids_stay_whole_numbers(self):
        found = to_model(torch.tensor([[2**53 + 1]]), field())
        assert found.dtype == torch.int64
        assert found.tolist() == [[2**53 + 1]]

    def test_halves_become_float32(self):
        assert to_model(torch.ones(1, 2, dtype=torch.float16), field()).dtype == torch.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float16, np.bool_])
@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 2, 3)])
def test_arrays_travel_as_fixed_size_lists(dtype, shape):
    values = (np.arange(np.prod(shape)) % 2).astype(dtype).reshape(shape)
    found = to_fixed_size_list(values)
    assert len(found) == 4
    flat = found.flatten().to_numpy(zero_copy_only=False)
    np.testing.assert_array_equal(flat.reshape(shape), values)


def test_transposed_arrays_travel_in_their_logical_order():
    values = np.arange(6, dtype=np.int64).reshape(2, 3).T
    assert to_fixed_size_list(values).to_pylist() == values.tolist()
