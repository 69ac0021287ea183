"""One decoded batch in, one batch of scores and errors out; knows no Ray.

The scorer and its torch are loaded on first use: the tasks that decode do without.
"""

from typing import TYPE_CHECKING, Any

from raygrad.scorer.batch import (
    INPUT,
    LABELS,
    TRACEBACK,
    decode_batch,
    fail,
    fail_to_decode,
    raw_columns,
)

if TYPE_CHECKING:
    from raygrad.scorer.scorer import Scorer, use_precision

__all__ = [
    "INPUT",
    "LABELS",
    "TRACEBACK",
    "Scorer",
    "decode_batch",
    "fail",
    "fail_to_decode",
    "raw_columns",
    "use_precision",
]


def __getattr__(name: str) -> Any:
    if name in ("Scorer", "use_precision"):
        from raygrad.scorer import scorer

        return getattr(scorer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
