"""The sets of rows that are compared: how many, and whether they may be compared at all."""

from collections.abc import Sequence
from dataclasses import dataclass

from raygrad.errors import IdentityError, TableError
from raygrad.ood.rows import Rows
from raygrad.table.identity import differences

NOT_COMPARED = {"schema_version", "metrics", "keep", "batch_size", "limit"}
"""What tables of comparable scores may differ in; the input's columns, too."""


@dataclass(frozen=True)
class RowSet:
    """Some rows of a table.

    Attributes:
        name: The table and the condition, as they were given.
        scored: How many rows have scores.
        failed: How many have an error instead; no measure counts them.
    """

    name: str
    scored: int
    failed: int


def counted(rows: Rows) -> RowSet:
    """Counts rows.

    Raises:
        TableError: If none has scores.
    """
    ((every, failed),) = rows.sql("SELECT count(*), count(error_type) FROM selected").fetchall()
    if every == failed:
        raise TableError(f"{rows} has no rows with scores ({failed:,} with an error)")
    return RowSet(str(rows), every - failed, failed)


def refuse_shared(sets: Sequence[tuple[str, Rows]]) -> None:
    """Refuses sets that have rows in common.

    Args:
        sets: Each with what it is, in words.

    Raises:
        TableError: Says which two, and how many rows.
    """
    for place, (what, rows) in enumerate(sets):
        for other, others in sets[place + 1 :]:
            if shared := rows.shared_with(others):
                raise TableError(
                    f"{what} and {other} have {shared:,} rows in common: {rows} and {others}; "
                    "name partitions, or add conditions, so that no row is in both"
                )


def refuse_other_identity(first: Rows, second: Rows) -> None:
    """Refuses tables whose scores are of different models, losses, inputs or precisions.

    Raises:
        IdentityError: With what differs.
    """
    found = list(differences(_identity(first), _identity(second), owners=("one", "the other")))
    if found:
        raise IdentityError(
            f"the scores of {first.uri} and {second.uri} can't be compared:\n"
            + "\n".join(f"  {line}" for line in found)
            + "\nscore both with one model, loss and input"
        )


def comparable(
    sets: Sequence[Rows], names: Sequence[str] | None
) -> tuple[list[str], dict[str, str]]:
    """The scores that all sets have, of one definition.

    Args:
        sets: The first one's scores are meant.
        names: Those that are wanted, also more than once; all by default.

    Returns:
        Them, and for each of the others why it is left out.

    Raises:
        TableError: If one that was named can't be compared.
    """
    known = sets[0].scores
    for name in names or ():
        if name not in known:
            raise TableError(f'{sets[0].uri} has no score "{name}"; it has {", ".join(known)}')
    left_out = {}
    for name in names or known:
        for other in sets[1:]:
            if other.scores.get(name) != known[name]:
                what = "another definition" if name in other.scores else "no such score"
                left_out[name] = f"{other.uri} has {what}"
    if names and left_out:
        raise TableError("; ".join(f"{name}: {why}" for name, why in left_out.items()))
    return [name for name in dict.fromkeys(names or known) if name not in left_out], left_out


def _identity(rows: Rows) -> dict[str, object]:
    identity = rows.footer.get("identity", {})
    return {
        **{key: value for key, value in identity.items() if key not in NOT_COMPARED},
        "input": {
            keyword: {key: value for key, value in field.items() if key != "column"}
            for keyword, field in identity.get("input", {}).items()
        },
    }
