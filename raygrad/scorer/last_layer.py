"""The last linear layer's input, taken from a forward pass on its way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raygrad import models
from raygrad.errors import LastLayerError

TOLERANCE = 1e-2
"""Of the largest logit; bfloat16, the coarsest precision of a job, rounds to 4e-3."""

Call = tuple[Tensor, Tensor]


class LastLayer:
    """A linear layer whose output is the logits.

    Args:
        model: What it is part of.
        name: Its dotted name.

    Raises:
        LookupError: If the model has no such module.
    """

    def __init__(self, model: nn.Module, name: str) -> None:
        self.name = name
        self._layer = models.targets(model, name)

    @contextmanager
    def watched(self) -> Iterator[list[Call]]:
        """Notes input and output of each call of the layer within the context."""
        assert isinstance(self._layer, nn.Linear), "the spec was checked to name one"
        calls: list[Call] = []

        # For one forward only: the model is also copied, which a hook that holds tensors prevents.
        def note(_: nn.Module, given: Sequence[Any], named: dict[str, Any], output: Tensor) -> None:
            calls.append((given[0] if given else named["input"], output))

        handle = self._layer.register_forward_hook(note, with_kwargs=True)
        try:
            yield calls
        finally:
            handle.remove()

    @torch.no_grad()
    def features(self, calls: Sequence[Call], logits: Tensor) -> Tensor:
        """The layer's input, once it is sure that the logits are its output.

        Args:
            calls: Of one forward pass.
            logits: What the model returned, shape (N, C).

        Returns:
            Shape (N, D), float32, without a gradient.

        Raises:
            LastLayerError: If they are not, or the layer isn't linear.
        """
        if len(calls) != 1:
            raise LastLayerError(
                f"{self.name} is called {len(calls)} times in a forward pass; GradNorm and ExGrad "
                "need a layer that is called once. Leave last_layer out"
            )
        ((features, output),) = calls
        if output.shape != logits.shape or not torch.allclose(
            output.to(logits.dtype), logits, rtol=0, atol=0, equal_nan=True
        ):
            raise LastLayerError(
                f"the output of {self.name}, of shape {tuple(output.shape)}, isn't the logits that "
                f"the model returns, of shape {tuple(logits.shape)}. Name the layer that gives "
                "them, or leave last_layer out"
            )
        layer = self._layer
        assert isinstance(layer, nn.Linear)
        off = (F.linear(features, layer.weight, layer.bias) - output).abs()
        if (off > TOLERANCE * output.abs().amax()).any():
            raise LastLayerError(
                f"the output of {self.name} isn't its input times its weight, plus its bias: a "
                f"{type(layer).__name__} that does something else has no such closed form. Leave "
                "last_layer out"
            )
        return features.detach().float()
