"""Conformal p-values of rows, and the rows that Benjamini and Hochberg's procedure flags."""

import hashlib
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raygrad import storage
from raygrad.errors import TableError
from raygrad.ood.rows import Rows
from raygrad.ood.thresholds import file
from raygrad.ood.thresholds.file import Calibration, Conformal, Cut, Quantile
from raygrad.ood.thresholds.quantile import of_each_class, unusualness

Array = np.ndarray[Any, Any]

ALL_CLASSES = -1
"""Stands for all rows where others have their class; no prediction is negative."""

SCHEMA = pa.schema(
    [("class", pa.int64()), ("unusual", pa.float32()), ("at_least_as_unusual", pa.int64())]
)
"""One row for each different score of a class, by class and score: how many rows reach it."""


def write_conformal(in_distribution: Rows, fitted: Quantile, uri: str) -> Conformal:
    """Writes a threshold file and, before it, the calibration scores beside it.

    p = (1 + number of calibration scores at least as unusual) / (n + 1) (Bates et al. 2023,
    "Testing for outliers with conformal p-values", equation 3). The file holds each different score
    once, with that number: exact, and smaller than the scores where they have ties.

    Args:
        in_distribution: The rows that the threshold was fitted on.
        fitted: Says score, direction, and which classes have enough rows of their own.
        uri: The threshold file, ending with .json.

    Raises:
        TableError: If a name is taken.
    """
    beside = f"{uri.removesuffix('.json')}.calibration.parquet"
    for name in (uri, beside):
        file.refuse_taken(name)
    content = _to_parquet(_calibration(in_distribution, fitted))
    fields = {name: getattr(fitted, name) for name in Quantile.model_fields if name != "method"}
    alpha = 1 - fitted.keep
    threshold = Conformal(
        **{
            **fields,
            "meaning": f"p = (1 + c) / (n + 1), c of the n calibration rows being at least as "
            f"unusual in {fitted.score}; NaN counts as infinitely unusual. A row is flagged if p "
            f"is at most {alpha:.4g}, as of at most that share of new in-distribution rows, or as "
            "apply --fdr says.",
        },
        calibration=Calibration(
            file=beside.rpartition("/")[2], sha256=hashlib.sha256(content).hexdigest()
        ),
    )
    file.publish(beside, content)
    file.write(threshold, uri)
    return threshold


def calibration_uri(threshold: Conformal, uri: str) -> str:
    """The file with the calibration scores of a threshold file.

    Raises:
        TableError: If it isn't there, or isn't the one that belongs to it.
    """
    beside = storage.join(storage.absolute(uri).rpartition("/")[0], threshold.calibration.file)
    try:
        content = storage.read_bytes(beside)
    except FileNotFoundError as error:
        raise TableError(
            f"{uri} needs {threshold.calibration.file} beside it; copy both, or fit it anew"
        ) from error
    if hashlib.sha256(content).hexdigest() != threshold.calibration.sha256:
        raise TableError(
            f"{beside} isn't the file that {uri} was written with; copy both, or fit it anew"
        )
    return beside


def groups_of(threshold: Conformal) -> dict[int, Cut]:
    """The cuts by the class that they are for, ALL_CLASSES among them."""
    return {ALL_CLASSES: threshold.all_classes, **(threshold.by_class or {})}


def benjamini_hochberg(p: Array, rows: Array, counts: Array, level: Fraction) -> Fraction:
    """The largest p-value that is rejected: p_(k) of the largest k with p_(k) <= k level / m.

    Benjamini & Hochberg 1995. It bounds the expected share of in-distribution rows among those
    flagged: conformal p-values that share calibration rows are positively dependent, which is
    enough (Bates et al. 2023, theorem 2). Exact: float64 decides where it is sure, else fractions.

    Args:
        p: Numerators of all p-values, 1 + c, int64, in any order; one may be there several times.
        rows: Their denominators, n + 1.
        counts: How many rows have each.
        level: False discovery rate.

    Returns:
        0 if none is rejected.
    """
    if not len(p):
        return Fraction(0)
    order = np.argsort(p / rows, kind="stable")
    p, rows, counts = p[order], rows[order], counts[order]
    reached, total = np.cumsum(counts), int(counts.sum())
    # Equal p-values of classes with different denominators stand together: the last one has all.
    left, right = p / rows * total, float(level) * reached
    for place in np.flatnonzero(left <= right * (1 + 1e-9))[::-1]:
        value = Fraction(int(p[place]), int(rows[place]))
        if value * total <= level * int(reached[place]):
            return value
    return Fraction(0)


def _calibration(rows: Rows, fitted: Quantile) -> pa.Table:
    columns = rows.columns([fitted.score, *(["prediction"] if fitted.by_class else [])])
    turned = unusualness(columns[fitted.score], fitted.direction.high)
    parts = [(ALL_CLASSES, turned)]
    if fitted.by_class:
        parts += [
            (number, found)
            for number, found in of_each_class(turned, columns["prediction"])
            if number in fitted.by_class
        ]
    tables = []
    for number, found in parts:
        different, counts = np.unique(found, return_counts=True)
        at_least = np.cumsum(counts[::-1])[::-1]
        group = np.full(len(different), number)
        arrays = [group, different.astype(np.float32), at_least]
        tables.append(pa.table([pa.array(a) for a in arrays], schema=SCHEMA))
    return pa.concat_tables(tables)


def _to_parquet(table: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    content: bytes = buffer.getvalue().to_pybytes()
    return content
