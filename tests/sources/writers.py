"""One writer a source: the same images and class numbers as files of every format.

A new source needs a line in ``WRITERS``; tests compare its keys with those of ``SOURCES``.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from archives import write_tar
from PIL import Image

PIXELS = np.arange(7 * 16, dtype=np.uint8).reshape(7, 1, 4, 4)
"""The images of seven rows."""


def png(pixels: np.ndarray) -> bytes:
    """One image, (1, 4, 4), as a file."""
    Image.fromarray(pixels[0]).save(buffer := io.BytesIO(), "PNG")
    return buffer.getvalue()


class Writer(NamedTuple):
    """How rows are written, and read again.

    Attributes:
        write: Makes files below a folder of as many rows as there are images; None is a row without
            an image.
        field: The spec's input section.
        nulls: Whether a row can be without an image.
        counted: Whether the plan knows how many rows there are.
        empty: The name of a file that may hold anything.
    """

    write: Callable[[Path, Sequence[np.ndarray | None]], None]
    field: dict
    nulls: bool
    counted: bool
    empty: str


def _parquet(folder: Path, images: Sequence[np.ndarray | None]) -> None:
    values = [None if image is None else png(image) for image in images]
    table = pa.table({"image": pa.array(values, pa.binary())})
    pq.write_table(table, folder / "a.parquet", row_group_size=2)


def _images(folder: Path, images: Sequence[np.ndarray | None]) -> None:
    for number, image in enumerate(images):
        content = b"" if image is None else png(image)
        (folder / f"{number:03d}.png").write_bytes(content)


def _numpy(folder: Path, images: Sequence[np.ndarray | None]) -> None:
    stacked = np.stack(list(images)) if len(images) else np.zeros((0, 1, 4, 4), np.uint8)
    np.savez(folder / "a.npz", image=stacked)


def _webdataset(folder: Path, images: Sequence[np.ndarray | None]) -> None:
    files = []
    for number, image in enumerate(images):
        files.append((f"{number:03d}.cls", b"1"))
        if image is not None:
            files.append((f"{number:03d}.png", png(image)))
    write_tar(folder / "a.tar", files)


_IMAGE = {"column": "image", "decode": "image", "mode": "L"}

WRITERS = {
    "parquet": Writer(_parquet, _IMAGE, nulls=True, counted=True, empty="a.parquet"),
    "images": Writer(_images, _IMAGE, nulls=True, counted=True, empty="a.png"),
    "numpy": Writer(
        _numpy, {"column": "image", "rescale": 1 / 255}, nulls=False, counted=True, empty="a.npz"
    ),
    "webdataset": Writer(_webdataset, _IMAGE, nulls=True, counted=False, empty="a.tar"),
}
