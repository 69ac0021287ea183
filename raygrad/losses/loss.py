"""What stands in the table of losses."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Loss(NamedTuple):
    """A loss, and what its gradients say. Called, it is its function.

    Attributes:
        function: From logits (N, C), before that divided by the temperature, to losses (N,). Its
            keyword arguments are what a spec's ``loss.arguments`` may hold.
        definition: What it is, for the footers and docs.
        large: What large gradients mean; None where that isn't known.
        takes_labels: Whether the function's second argument is labels, shape (N,), int64.
        over_labels: Whether the function gives, instead of one loss, (weights (N,), losses (N,))
            for each of several labels. Metrics are then summed over these with their weights.
    """

    function: Callable[..., Any]
    definition: str
    large: str | None
    takes_labels: bool = False
    over_labels: bool = False

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """What the function gives."""
        return self.function(*arguments, **keywords)
