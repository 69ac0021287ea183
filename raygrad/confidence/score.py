"""What stands in the tables of forward-only scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Score(NamedTuple):
    """A score that a forward pass alone gives. Called, it is its function.

    Attributes:
        function: To shape (N,), in the dtype of the logits. In ``CONFIDENCE`` from logits (N, C),
            in ``LAST_LAYER`` from features (N, D), logits (N, C) and a temperature.
        definition: What it is, for the footers and docs.
        high: What high values mean.
    """

    function: Callable[..., Tensor]
    definition: str
    high: str

    def __call__(self, *arguments: Tensor | float) -> Tensor:
        """What the function gives."""
        return self.function(*arguments)
