"""Images are resized, cropped and transformed before they become arrays."""

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from raygrad.decode import decode
from raygrad.decode.image import read_image
from raygrad.errors import DecodeError
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
