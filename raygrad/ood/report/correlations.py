"""Which scores say the same: Spearman's rank correlation of each two."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def spearman(sample: Mapping[str, Array], names: Sequence[str]) -> Array:
    """Correlations of the ranks, ties at their mean rank.

    Args:
        sample: Columns of one length; rows with a NaN in any of them are left out.
        names: Those that are wanted.

    Returns:
        Shape (names, names); NaN where a column is constant or there are fewer than two rows.
    """
    values = np.stack([sample[name] for name in names]).astype(np.float64)
    values = values[:, ~np.isnan(values).any(axis=0)]
    if values.shape[1] < 2:
        return np.full((len(names), len(names)), np.nan)
    ranks = np.stack([_mean_ranks(row) for row in values])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1))
    with np.errstate(invalid="ignore"):
        found: Array = np.clip((centred @ centred.T) / np.outer(norms, norms), -1, 1)
    return found


def _mean_ranks(values: Array) -> Array:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[inverse]
    return ranks
