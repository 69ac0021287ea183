"""Results of one problem and network, over seeds: measures, and the choice made on validation."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.study.record import KNOWN, Record
from benchmarks.study.scores import CHOSEN, ROWS, Values, all_values, candidates
from raygrad.ood.evaluation import Detection, Misclassification, detection, misclassification

DISTANCES = ("near", "far")
ALL_ROWS = [name for family in ROWS.values() for name in family]


class Cell:
    """One problem and one architecture.

    Args:
        records: One a seed.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.problem, self.net = records[0].problem, records[0].net
        self.values: list[Values] = [all_values(record) for record in records]
        self.candidates = candidates(records[0])
        # validation only: near and far weigh the same
        self.validation = {
            name: float(
                np.mean([self.auroc(name, distance, "validation") for distance in DISTANCES])
            )
            for name in self.candidates
        }
        self.chosen = max(self.validation, key=lambda name: self.validation[name])
        self.values = [{**values, CHOSEN: values[self.chosen]} for values in self.values]

    def auroc(self, name: str, distance: str, split: str = "test") -> NDArray[np.float64]:
        """Mean AUROC over the kinds of unknown images at a distance, shape (seeds,)."""
        areas = []
        for record, values in zip(self.records, self.values, strict=True):
            known = _values(record, values[name], split, KNOWN)[0]
            unknown = _values(record, values[name], split, distance)
            areas.append(np.mean([detection(known, each).auroc for each in unknown]))
        return np.array(areas)

    def known(self, name: str) -> list[np.ndarray]:
        """A score of the known test images, one array a seed."""
        return [
            _values(record, values[name], "test", KNOWN)[0]
            for record, values in zip(self.records, self.values, strict=True)
        ]

    @cached_property
    def detections(self) -> dict[str, list[dict[tuple[str, str], Detection]]]:
        """By score of ``ROWS`` and seed, by distance and name of the unknown images."""
        found: dict[str, list[dict[tuple[str, str], Detection]]] = {}
        for name in ALL_ROWS:
            for record, values in zip(self.records, self.values, strict=True):
                known = _values(record, values[name], "test", KNOWN)[0]
                found.setdefault(name, []).append(
                    {
                        (group.distance, group.name): detection(known, scores)
                        for group, scores in zip(record.groups, values[name], strict=True)
                        if group.split == "test" and group.distance != KNOWN
                    }
                )
        return found

    @cached_property
    def failures(self) -> dict[str, list[Misclassification]]:
        """By score of ``ROWS``, one a seed."""
        return {
            name: [
                misclassification(values, wrong(record))
                for record, values in zip(self.records, self.known(name), strict=True)
            ]
            for name in ALL_ROWS
        }

    def measure(self, name: str, distance: str, attribute: str) -> NDArray[np.float64]:
        """A measure of ``Detection``, mean over the kinds at a distance, shape (seeds,)."""
        return np.array(
            [
                np.mean([getattr(d, attribute) for (far, _), d in seed.items() if far == distance])
                for seed in self.detections[name]
            ]
        )


def wrong(record: Record) -> NDArray[np.bool_]:
    """Which known test images are classified wrong."""
    group = record.known("test")
    return group.logits.argmax(1) != group.labels


def _values(
    record: Record, scores: list[np.ndarray], split: str, distance: str
) -> list[np.ndarray]:
    return [
        score
        for group, score in zip(record.groups, scores, strict=True)
        if (group.split, group.distance) == (split, distance)
    ]
