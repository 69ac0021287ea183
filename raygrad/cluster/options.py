"""How a job is run, beside what its spec says."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from raygrad.errors import Fault, SpecError


class Part(NamedTuple):
    """A share of a job's plan: every ``of``-th unit, beginning with the ``number``-th."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From 3/8.

        Raises:
            SpecError: If it isn't of that form.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            fault = Fault("--part", f"got {text}; use NUMBER/OF, such as 3/8")
            raise SpecError([fault], "the job")
        return cls(int(found[1]), int(found[2]))

    def share(self, units: int) -> np.ndarray[Any, Any]:
        """Which of so many units of the plan belong to it, shape (units,)."""
        share: np.ndarray[Any, Any] = np.arange(units) % self.of == self.number - 1
        return share

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"


@dataclass(frozen=True)
class Options:
    """How a job is run.

    Attributes:
        address: A Ray cluster's; None starts an embedded one.
        ignore_lease: Whether a run that is at work on the table is made to stop.
        part: The share of the plan to score; None for all of it.
        log_format: text, or json for log collectors.
        verbose: Whether Ray's own messages are shown.
    """

    address: str | None = None
    ignore_lease: bool = False
    part: Part | None = None
    log_format: str = "text"
    verbose: bool = False
