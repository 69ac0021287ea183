"""Rows of a set that could not be scored, by stage and type."""

from raygrad.ood.rows import Rows
from raygrad.table.failures import Failure


def failed(rows: Rows) -> list[Failure]:
    """Counts them, the commonest first, with the first of each kind as its example."""
    found = rows.sql(
        "SELECT error_stage, error_type, count(*) AS rows, "
        "arg_min(concat(source, ', row ', row, ': ', error_message), (source, row)) "
        "FROM selected WHERE error_type IS NOT NULL GROUP BY ALL ORDER BY rows DESC, 1, 2"
    )
    return [Failure(*row) for row in found.fetchall()]
