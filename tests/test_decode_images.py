"""Images are resized, cropped and transformed before they become arrays."""

import io

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from raygrad.decode import decode, to_model
from raygrad.decode.image import read_image
from raygrad.errors import DecodeError
from raygrad.sources import images
from raygrad.spec import FieldSpec
from raygrad.validate import checks

GRADIENT = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)


def field(**options) -> FieldSpec:
    given = {"column": "x", "decode": "image", "mode": "L", **options}
    return FieldSpec.model_validate(given)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (1, 40, 60)),
        ({"mode": "RGB"}, (3, 40, 60)),
        ({"resize": 20}, (1, 20, 30)),
        ({"resize": [10, 12]}, (1, 10, 12)),
        ({"crop": 32}, (1, 32, 32)),
        ({"crop": [8, 16]}, (1, 8, 16)),
        ({"resize": 20, "crop": 16}, (1, 16, 16)),
        ({"crop": 64}, (1, 64, 64)),
    ],
)
def test_the_shape_follows_resize_then_crop(encoded, options, shape):
    assert read_image(encoded(GRADIENT), field(**options)).shape == shape


def test_resizing_is_pillows_bilinear_filter(encoded):
    found = read_image(encoded(GRADIENT), field(resize=20))
    expected = Image.fromarray(GRADIENT).resize((30, 20), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found[0], np.asarray(expected))


def test_a_crop_takes_the_centre(encoded):
    found = read_image(encoded(GRADIENT), field(crop=[20, 30]))
    np.testing.assert_array_equal(found[0], GRADIENT[10:30, 15:45])


def test_a_crop_larger_than_the_image_pads_with_black(encoded):
    found = read_image(encoded(GRADIENT), field(crop=64))[0]
    np.testing.assert_array_equal(found[12:52, 2:62], GRADIENT)
    assert found[:12].max() == found[52:].max() == found[:, :2].max() == 0


@pytest.fixture
def transforms(tmp_path, monkeypatch):
    (tmp_path / "mytransforms.py").write_text(
        "import numpy as np\n"
        "def halve(image):\n"
        "    return np.float32(image)[None] / 2\n"
        "def fail(image):\n"
        "    raise KeyError('no such thing')\n"
    )
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("transforms")
def test_a_users_transform_gets_the_pillow_image_and_returns_the_array(encoded):
    found = read_image(encoded(GRADIENT), field(transform="mytransforms:halve", resize=20))
    assert found.shape == (1, 20, 30)
    assert found.dtype == np.float32


@pytest.mark.usefixtures("transforms")
def test_what_a_users_transform_raises_is_its_rows_error(encoded):
    column = pa.chunked_array([[encoded(GRADIENT), b"?"]])
    found = decode(column, field(transform="mytransforms:fail", shape=[1, 40, 60]))
    assert [type(error) for error in found.errors] == [KeyError, DecodeError]


@pytest.mark.usefixtures("transforms")
def test_a_transform_that_is_not_there_is_told_at_its_place():
    sections = {"input": {"": field(transform="mytransforms:double")}}
    assert [str(fault) for fault in checks.transform_faults(sections)] == [
        'input.transform: module mytransforms has no "double"'
    ]


def test_steps_for_images_are_refused_for_numbers():
    sections = {"input": {"ids": field(decode="tensor", resize=20, crop=[1, 2])}}
    assert [str(fault) for fault in checks.transform_faults(sections)] == [
        "input.ids.resize: is for images; set decode: image, or leave it out",
        "input.ids.crop: is for images; set decode: image, or leave it out",
    ]


KINDS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"} | {
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
LOSSLESS = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
COLOURS = np.stack([GRADIENT, GRADIENT[::-1], 255 - GRADIENT], 2)


def test_every_ending_that_a_folder_is_searched_for_is_tested():
    assert tuple(KINDS) == images.SUFFIXES


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("kind", KINDS.values())
def test_images_of_every_kind_are_read_in_colour_and_grey(encoded, kind, mode):
    content = encoded(COLOURS, kind, **LOSSLESS.get(kind, {}))
    expected = np.asarray(Image.fromarray(COLOURS).convert(mode))
    expected = expected[None] if mode == "L" else expected.transpose(2, 0, 1)
    found = read_image(content, field(mode=mode))
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found.astype(int), expected, atol=6 if kind == "JPEG" else 0)


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_truncated_image_of_any_kind_is_an_error_and_no_half_image(encoded, kind):
    content = encoded(COLOURS, kind)
    with pytest.raises(DecodeError):
        read_image(content[: len(content) // 2], field())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_images_of_every_mode_become_the_same_channels(mode):
    image = Image.fromarray(COLOURS).convert(mode)
    image.save(buffer := io.BytesIO(), "TIFF")
    found = read_image(buffer.getvalue(), field(mode="RGB"))
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def test_each_channel_is_normalised_on_the_device_after_rescaling(encoded):
    options = field(mode="RGB", mean=[0.5, 0.25, 0.0], std=[0.5, 0.25, 2.0])
    pixels = read_image(encoded(COLOURS), options)
    found = to_model(torch.from_numpy(pixels.copy())[None], options).numpy()[0]
    expected = (pixels / 255 - [[[0.5]], [[0.25]], [[0.0]]]) / [[[0.5]], [[0.25]], [[2.0]]]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_column_may_name_image_files_instead_of_holding_them(tmp_path, encoded):
    (tmp_path / "a é.png").write_bytes(encoded(GRADIENT))
    (tmp_path / "b.png").write_bytes(b"?")
    with fsspec.open(f"memory://{tmp_path.name}/c.png", "wb") as stream:
        stream.write(encoded(GRADIENT.T))
    names = [f"{tmp_path}/a é.png", f"file://{tmp_path}/a é.png", None, f"{tmp_path}/b.png"]
    names += [f"memory://{tmp_path.name}/c.png", f"{tmp_path}/gone.png", "a é.png"]
    found = decode(pa.chunked_array([pa.array(names, pa.string())]), field(resize=[4, 4]))
    assert [error and type(error).__name__ for error in found.errors] == [
        None,
        None,
        "NullInputError",
        "DecodeError",
        None,
        "FileNotFoundError",
        "DecodeError",
    ]
    np.testing.assert_array_equal(found.values[0], found.values[1])
    assert found.values[4].any()
    assert str(found.errors[6]).startswith("a é.png is a relative path")
