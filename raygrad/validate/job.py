"""A job that can start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import torch

from raygrad.plan import Group, Unit
from raygrad.spec import JobSpec


@dataclass(frozen=True)
class Job:
    """A job that can start.

    Attributes:
        spec: With absolute paths, and the shape of each input.
        kept: The passed-through columns.
        identity: What the table's rows have in common.
        groups: The listed files by partition.
        units: The whole plan: what the table has, and what this run would add.
        fresh: Those of the units that the table doesn't have yet.
        done: Names of the units' files that the table has.
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
    units: tuple[Unit, ...]
    fresh: tuple[Unit, ...]
    done: frozenset[str]
    changed: tuple[str, ...]
    model: torch.nn.Module
    check: float | None = None
    retried: Mapping[str, int] = field(default_factory=dict)

    @property
    def open(self) -> list[Unit]:
        """The units that are still to be scored."""
        return [unit for unit in self.units if unit.path not in self.done]

    @property
    def to_score(self) -> list[Unit]:
        """The units that this run scores: the open ones, then those whose errors it tries again."""
        return [*self.open, *(unit for unit in self.units if unit.path in self.retried)]
