"""The driver's desk: batches of scores come in, in any order; whole units go out, once."""

from dataclasses import dataclass, field

import pyarrow as pa


@dataclass
class _Parts:
    """What has come of a unit: batches by offset, how many rows they have and need to have."""

    total: int | None
    rows: int = 0
    batches: dict[int, pa.Table] = field(default_factory=dict)


class Assembly:
    """Collects each unit's batches until it is complete.

    A unit's rows are counted by the plan, or, where that couldn't, by the reader: its last batch
    carries the total, and may come before others.

    Args:
        rows: How many rows each unit has, by number; null for those that are open-ended.
    """

    def __init__(self, rows: pa.ChunkedArray) -> None:
        self.rows = rows
        self._parts: dict[int, _Parts] = {}

    def __len__(self) -> int:
        """How many units have come in part."""
        return len(self._parts)

    def add(
        self, unit: int, offset: int, scores: pa.Table, total: int | None = None
    ) -> pa.Table | None:
        """Adds a batch.

        Args:
            unit: Index of the batch's unit.
            offset: Where in the unit the batch begins, in rows.
            scores: The batch's rows.
            total: The unit's rows, if the reader found its end with this batch.

        Returns:
            All rows of the unit, in order, if it is complete with this batch.
        """
        parts = self._parts.get(unit)
        if parts is None:
            parts = self._parts[unit] = _Parts(self.rows[unit].as_py())
        if parts.total is None:
            parts.total = total
        if offset not in parts.batches:
            parts.rows += len(scores)
            parts.batches[offset] = scores
        if parts.total is None or parts.rows < parts.total:
            return None
        del self._parts[unit]
        return pa.concat_tables([parts.batches[o] for o in sorted(parts.batches)]).combine_chunks()
