"""What a module of this package offers, and what it gives."""

import difflib
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from torch import nn

from raygrad.errors import ImportPathError


class Made(NamedTuple):
    """A network.

    Attributes:
        model: The module.
        trained: False if its weights are random, so that a checkpoint must follow.
    """

    model: nn.Module
    trained: bool


class Factory(Protocol):
    """A module of this package."""

    PACKAGE: str

    def make(self, name: str, **arguments: Any) -> Made:
        """Makes the network of a name."""


def unknown(prefix: str, name: str, known: Sequence[str]) -> ImportPathError:
    """The error for a name that a library doesn't have, with the nearest ones."""
    close = difflib.get_close_matches(name, known, n=3) or sorted(known)[:3]
    return ImportPathError(
        f'{prefix} has no network "{name}"; it has {", ".join(close)} '
        f"and others, {len(known):,} in all"
    )
