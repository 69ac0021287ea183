"""One encoded image to an array of channels, height and width."""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from raygrad.errors import DecodeError
from raygrad.imports import load
from raygrad.spec import FieldSpec


def read_image(content: bytes, field: FieldSpec) -> np.ndarray[Any, Any]:
    """Decodes, resizes, crops and transforms an image, in this order.

    Resizing is Pillow's bilinear filter, as torchvision's ``Resize`` has it for Pillow images.

    Returns:
        Shape (C, H, W), uint8, unless the user's transform returns something else.

    Raises:
        DecodeError: If the bytes are no image with at most 8 bits a channel.
        Exception: What the user's transform raises.
    """
    # Pillow raises whatever its many decoders raise, SyntaxError and struct.error among them.
    try:
        with Image.open(io.BytesIO(content)) as opened:
            if not opened.mode.startswith(("I", "F")):
                image = opened.convert(field.mode)
            else:
                # convert would clip these at 255
                raise DecodeError(
                    f"the image has more than 8 bits a channel (mode {opened.mode}); "
                    "store it as numbers and use decode: tensor"
                )
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(f"{type(error).__name__}: {error}") from error
    if field.resize is not None:
        image = image.resize(_size(image, field.resize), Image.Resampling.BILINEAR)
    if field.crop is not None:
        image = _centre(image, field.crop)
    if field.transform is not None:
        return np.asarray(load(field.transform)(image))
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _size(image: Image.Image, resize: list[int]) -> tuple[int, int]:
    """Width and height: of [h, w] exactly, of [side] with the shorter side of this length."""
    if len(resize) == 2:
        return resize[1], resize[0]
    (side,) = resize
    width, height = image.size
    shorter = min(width, height)
    return int(width * side / shorter), int(height * side / shorter)


def _centre(image: Image.Image, crop: list[int]) -> Image.Image:
    height, width = crop if len(crop) == 2 else (crop[0], crop[0])
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    if left < 0 or top < 0:
        padding = (max(-left, 0), max(-top, 0))
        image = ImageOps.expand(image, (*padding, *padding))
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))
