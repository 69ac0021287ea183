"""One decoded batch in, one batch of scores and errors out; knows no Ray."""

from raygrad.scorer.batch import (
    INPUT,
    LABELS,
    TRACEBACK,
    decode_batch,
    fail,
    fail_to_decode,
    raw_columns,
)
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
