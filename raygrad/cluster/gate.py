"""The gate: after the first Ctrl-C only units that were begun are still scored."""


class Gate:
    """A small actor that readers and scorers ask; units are indices into the run's list."""

    def __init__(self) -> None:
        super().__init__()
        self._begun: set[int] = set()
        self._closed = False

    def close(self) -> int:
        """From now on no unit is begun; returns how many have been."""
        self._closed = True
        return len(self._begun)

    def begin(self, unit: int) -> bool:
        """Whether a unit's batches may be scored; the first question begins it."""
        if not self._closed:
            self._begun.add(unit)
        return unit in self._begun

    def wanted(self, unit: int) -> bool:
        """Whether a unit's batches may still become scored."""
        return not self._closed or unit in self._begun
