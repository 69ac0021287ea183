"""Reads scores and labels of rows, and sees that the rows stay the same from one to the next."""

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa

from raygrad.errors import TableError
from raygrad.ood.evaluation.ranking import Array, Ranking
from raygrad.ood.evaluation.results import NonFinite
from raygrad.ood.rows import ROWS_AT_ONCE, Rows, quoted


def fill(ranking: Ranking, rows: Rows, name: str, left: int) -> NonFinite:
    """Reads a score into the ranking's next rows, so many as were counted."""
    nan = null = infinite = 0
    for values, nulls in _values(rows, name):
        left -= len(values)
        if left < 0:
            break
        missing = int(np.isnan(values).sum())
        nan += missing - nulls
        null += nulls
        infinite += int(np.isinf(values).sum())
        ranking.add(values)
    if left:
        raise _changed(rows)
    return NonFinite(nan, null, infinite)


def _values(rows: Rows, name: str) -> Iterator[tuple[Array, int]]:
    """Batches of a score, nulls as NaN, and how many nulls there were."""
    for batch in rows.batches([name]):
        column = batch.column(name)
        if not pa.types.is_float32(column.type):
            raise TableError(f"{rows.uri}: score {name} is {column.type}; expected float")
        yield column.to_numpy(zero_copy_only=False), column.null_count


def label_of_the_job(rows: Rows) -> str | None:
    """The label that the job's spec names, if the column was kept and holds whole numbers."""
    label = rows.footer.get("spec", {}).get("label")
    if label not in rows.names:
        return None
    ((kind,),) = rows.sql(f"SELECT any_value(typeof({quoted(label)})) FROM selected").fetchall()
    return label if "INT" in str(kind) else None


def wrong_predictions(rows: Rows, label: str, scored: int) -> Array:
    """For each scored row 0 for a right prediction, 1 for a wrong one, 2 where that isn't known."""
    rows.require([label, "prediction"])
    try:
        reader = rows.sql(
            f"SELECT coalesce((prediction <> {quoted(label)})::UTINYINT, 2)::UTINYINT AS wrong "
            "FROM selected WHERE error_type IS NULL"
        ).to_arrow_reader(ROWS_AT_ONCE)
        found = [batch.column("wrong").to_numpy() for batch in reader]
    except duckdb.Error as error:
        raise TableError(
            f"{rows}: column {label} can't be compared with the prediction, a class number: {error}"
        ) from error
    wrong = np.concatenate(found)
    if len(wrong) != scored:
        raise _changed(rows)
    return wrong


def _changed(rows: Rows) -> TableError:
    return TableError(
        f"{rows} gave another number of rows than before; it changed while it was read, or its "
        "condition isn't the same each time"
    )
