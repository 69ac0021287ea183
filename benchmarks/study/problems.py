"""The problems: which classes are known, and what comes as unknown, in validation and in tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.study.images import (
    DATASETS,
    Labelled,
    photo_crops,
    shuffled_patches,
    smooth_noise,
)
from benchmarks.study.settings import Settings

Distance = Literal["near", "far"]


@dataclass(frozen=True)
class Problem:
    """A data set of which some classes are known and the others never trained on.

    Args:
        title: For headings.
        dataset: A key of ``DATASETS``.
        classes: Names of all classes, in the order of their numbers.
        near: Classes that are unknown, in tests; their images come from the test split.
        validation: The class that is unknown in validation; its images come from the train split.
        far: Keys of ``DATASETS``, or "photos".
    """

    title: str
    dataset: str
    classes: tuple[str, ...]
    near: tuple[int, ...]
    validation: int
    far: tuple[str, ...]

    @property
    def known(self) -> list[int]:
        """The numbers of the classes that the networks are trained on."""
        return [k for k in range(len(self.classes)) if k not in (*self.near, self.validation)]


_GARMENTS = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker",
             "bag", "ankle boot")  # fmt: skip
_DIGITS = tuple(f"digit {k}" for k in range(10))
PROBLEMS: dict[str, Problem] = {
    # a garment and a shoe, so that each has relatives among the known classes
    "fashion": Problem("Fashion-MNIST", "fashion", _GARMENTS, (6, 9), 3, ("mnist", "photos")),
    "digits": Problem("MNIST", "mnist", _DIGITS, (8, 9), 7, ("fashion", "photos")),
    "few digits": Problem("MNIST, 5,000 images", "few mnist", _DIGITS, (8, 9), 7, ("photos",)),
}
TITLES = {"fashion": "Fashion-MNIST", "mnist": "MNIST", "photos": "photographs"}


@dataclass(frozen=True)
class Splits:
    """The images of one problem. Labels count the known classes from 0; the unknown have none.

    Args:
        train: All images that a seed may draw from.
        validation: Known images for validation; not in ``train``.
        test: Known images for tests.
        validation_unknown: By kind, near or far.
        test_unknown: By kind, near or far.
    """

    train: Labelled
    validation: Labelled
    test: Labelled
    validation_unknown: Mapping[tuple[Distance, str], np.ndarray]
    test_unknown: Mapping[tuple[Distance, str], np.ndarray]


def splits(problem: Problem, settings: Settings) -> Splits:
    """Deals the images of a problem out; the same at every call.

    Validation never sees what a test sees: not the classes, and not the kind of far images, which
    are made from known images and from noise.
    """
    generator = np.random.default_rng(0)
    train, test = DATASETS[problem.dataset]("train"), DATASETS[problem.dataset]("test")
    known = _shuffled(_of_classes(train, problem.known), generator)
    size, unknown = settings.validation, settings.unknown
    validation = Labelled(*(part[:size] for part in known))
    held_out = _shuffled(_of_classes(train, [problem.validation]), generator).images[:size]
    tested_known = _shuffled(_of_classes(test, problem.known), generator)
    tested = {
        ("near", problem.classes[k]): _of_classes(test, [k]).images[:unknown] for k in problem.near
    }
    for name in problem.far:
        images = (
            photo_crops(unknown)
            if name == "photos"
            else _shuffled(DATASETS[name]("test"), generator).images[:unknown]
        )
        tested["far", TITLES[name]] = images
    return Splits(
        train=Labelled(*(part[size:] for part in known)),
        validation=validation,
        test=Labelled(*(part[: settings.test] for part in tested_known)),
        validation_unknown={
            ("near", problem.classes[problem.validation]): held_out,
            ("far", "shuffled patches"): shuffled_patches(validation.images[: size // 2]),
            ("far", "smooth noise"): smooth_noise(size // 2),
        },
        test_unknown=tested,
    )


def _of_classes(data: Labelled, classes: list[int]) -> Labelled:
    """The images of some classes, whose labels count these from 0."""
    chosen = np.isin(data.labels, classes)
    return Labelled(data.images[chosen], np.searchsorted(classes, data.labels[chosen]))


def _shuffled(data: Labelled, generator: np.random.Generator) -> Labelled:
    order = generator.permutation(len(data.images))
    return Labelled(data.images[order], data.labels[order])
