"""The driver's desk: batches of scores come in, in any order; whole units go out, once."""

from collections.abc import Sequence

import pyarrow as pa

from raygrad.plan import Unit


class Assembly:
    """Collects each unit's batches until it is complete.

    Args:
        units: What the batches' unit numbers are indices of.
    """

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        self._parts: dict[int, dict[int, pa.Table]] = {}

    def add(self, unit: int, offset: int, scores: pa.Table) -> pa.Table | None:
        """Adds a batch.

        Args:
            unit: Index of the batch's unit.
            offset: Where in the unit the batch begins, in rows.
            scores: The batch's rows.

        Returns:
            All rows of the unit, in order, if this was its last batch.
        """
        parts = self._parts.setdefault(unit, {})
        parts[offset] = scores
        if sum(len(part) for part in parts.values()) < self._units[unit].rows:
            return None
        del self._parts[unit]
        return pa.concat_tables([parts[offset] for offset in sorted(parts)]).combine_chunks()
