"""A job that can start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from raygrad.plan import Group, Units
from raygrad.spec import JobSpec


@dataclass(frozen=True)
class Job:
    """A job that can start.

    Attributes:
        spec: With absolute paths, and the shape of each input.
        kept: The passed-through columns.
        identity: What the table's rows have in common.
        groups: The listed files by partition.
        known: The units of the table's plan.
        fresh: Those that this run would add to it.
        done: Which of the known units have their file, shape (len(known),).
        changed: Files whose rows are all scored, and which have changed since; their rows in the
            table are those of before.
        model: In eval mode, frozen.
        check: Largest relative error of the first samples in their batch against themselves alone
            in float64; None where that wasn't tried.
        retried: Rows with errors that are to be scored again, by the names of their units' files.
    """

    spec: JobSpec
    kept: tuple[pa.Field, ...]
    identity: dict[str, Any]
    groups: tuple[Group, ...]
    known: Units
    fresh: Units
    done: np.ndarray[Any, Any]
    changed: tuple[str, ...]
    model: torch.nn.Module
    check: float | None = None
    retried: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def units(self) -> Units:
        """The whole plan."""
        return self.known + self.fresh

    @cached_property
    def open(self) -> Units:
        """The units that are still to be scored."""
        return self.known.filter(~self.done) + self.fresh

    @cached_property
    def again(self) -> Units:
        """The units whose errors are tried again."""
        return self.known.filter(self.known.are_among(self.retried))

    @property
    def to_score(self) -> Units:
        """The units that this run scores: the open ones, then those that are scored again."""
        return self.open + self.again
