"""Which order statistic keeps a share of new rows, and how sure that share is."""

import math
from fractions import Fraction

from scipy.stats import beta

from raygrad.errors import TableError


def exact(share: float) -> Fraction:
    """A share as it was typed: 0.07 is 7/100, so that 100 times it isn't above 7."""
    return Fraction(str(share))


def rank_of(rows: int, keep: float) -> int:
    """The rank whose order statistic keeps a new row with at least this probability.

    ceil((n + 1) keep): split conformal prediction, Vovk et al. 2005; Lei et al. 2018, section 2.
    A new row that is exchangeable with the n rows has each of the n + 1 ranks with equal chance.

    Args:
        rows: How many rows it is fitted on, n.
        keep: Which share of in-distribution rows is to be kept, between 0 and 1.
    """
    return math.ceil((rows + 1) * exact(keep))


def rows_needed(keep: float) -> int:
    """How many rows it takes for the rank to be among them: keep / (1 - keep), rounded up."""
    share = exact(keep)
    return math.ceil(share / (1 - share))


def refuse_too_few(rows: int, keep: float, what: str) -> None:
    """Refuses rows that are too few for any threshold.

    Raises:
        TableError: Says how many it takes.
    """
    if rows < rows_needed(keep):
        raise TableError(
            f"{what}: {rows:,} rows with scores are too few to keep {keep:.4g} of all; it takes "
            f"{rows_needed(keep):,}, or a smaller --keep"
        )


def kept_share(rows: int, rank: int, confidence: float = 0.95) -> tuple[float, float]:
    """An interval for the share of new rows that the threshold really keeps.

    Over draws of the n rows that share is distributed as Beta(rank, n + 1 - rank) if scores have
    no ties, and larger if they have (Vovk 2012, proposition 2a).

    Returns:
        The central interval that holds it with the given confidence.
    """
    tail = (1 - confidence) / 2
    low, high = beta.ppf([tail, 1 - tail], rank, rows + 1 - rank)
    return float(low), float(high)
