"""Which rows a threshold comes from, and of which model, loss and input their scores are."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raygrad import storage
from raygrad.errors import IdentityError, TableError
from raygrad.ood.evaluation.sets import NOT_COMPARED
from raygrad.ood.rows import Rows, quoted
from raygrad.ood.thresholds.file import Origin
from raygrad.table import identity


def origin_of(rows: Rows, flagged: float | None = None) -> Origin:
    """Counts rows; see :class:`Origin`."""
    ((count, failed),) = rows.sql("SELECT count(*), count(error_type) FROM selected").fetchall()
    return Origin(
        table=storage.absolute(rows.uri),
        where=rows.where,
        rows=int(count),
        failed=int(failed),
        flagged=flagged,
    )


def identity_of(footer: Mapping[str, Any]) -> dict[str, Any]:
    """What two tables must have in common for one threshold to serve both."""
    own = footer.get("identity") or {}
    found = {key: value for key, value in own.items() if key not in NOT_COMPARED}
    if "input" in own:
        # In which column a table's source holds the input doesn't matter.
        found["input"] = {
            keyword: {key: value for key, value in field.items() if key != "column"}
            for keyword, field in own["input"].items()
        }
    return found


def refuse_other_identity(
    wanted: Mapping[str, Any], footer: Mapping[str, Any], owners: tuple[str, str]
) -> None:
    """Refuses scores of another model, loss or input.

    Args:
        wanted: What the threshold is for.
        footer: Of a score file.
        owners: Whose the two are, for the message.

    Raises:
        IdentityError: With the entries that differ.
    """
    lines = list(identity.differences(wanted, identity_of(footer), owners=owners))
    if lines:
        raise IdentityError(
            f"{owners[1]} holds scores of another identity than {owners[0]}:\n"
            + "\n".join(f"  {line}" for line in lines)
            + "\na threshold is good for the model, loss and input that it was fitted on; fit one "
            "for this table"
        )


def refuse_unknown_score(rows: Rows, score: str) -> None:
    """Refuses what is no column of scores.

    Raises:
        TableError: Says which there are.
    """
    if score not in rows.scores:
        raise TableError(f'{rows.uri} has no score "{score}"; it has {", ".join(rows.scores)}')


def is_wrong(rows: Rows, label: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Whether predictions are wrong.

    Args:
        rows: Those with scores are looked at, in the table's order.
        label: The column that holds the right class.

    Returns:
        Which rows have a label, and which of the rows are wrong, both bool of shape (rows,).

    Raises:
        TableError: If the column isn't there, if no row has a label, or if all predictions or none
            are wrong.
    """
    rows.require([label])
    found = rows.sql(
        f"SELECT {quoted(label)} IS NOT NULL, coalesce(prediction <> {quoted(label)}, false) "
        "FROM selected WHERE error_type IS NULL"
    ).fetchnumpy()
    labelled, wrong = (np.asarray(column, bool) for column in found.values())
    right = int(labelled.sum() - wrong.sum())
    if not right or not wrong.any():
        raise TableError(
            f"{rows}: {int(wrong.sum()):,} predictions differ from {label} and {right:,} don't; "
            "it takes some of both to learn what errors look like"
        )
    return labelled, wrong
