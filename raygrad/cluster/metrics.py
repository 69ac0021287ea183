"""What Prometheus can scrape of a job, through each node's Ray metrics port."""

from collections.abc import Sequence
from typing import Any

import torch
from ray.util.metrics import Counter, Gauge, Histogram

BATCH_SECONDS: Sequence[float] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class ScoringMetrics:
    """Of one scoring process; Ray adds labels that tell node and process.

    Args:
        table: The table's root, a label of all.
        device: Where the model runs.
    """

    def __init__(self, table: str, device: torch.device) -> None:
        self._device = device
        self._rows = _named(Counter, "rows", "Rows scored, failed ones included", table)
        self._errors = _named(Counter, "errors", "Rows that hold an error", table)
        self._seconds = _named(
            Histogram, "batch_seconds", "Time to score a batch", table, boundaries=BATCH_SECONDS
        )
        self._memory = _named(Gauge, "gpu_memory_bytes", "Memory that tensors take", table)

    def note(self, rows: int, errors: int, seconds: float) -> None:
        """Counts a scored batch; Ray's counters take no zero."""
        if rows:
            self._rows.inc(rows)
        if errors:
            self._errors.inc(errors)
        self._seconds.observe(seconds)
        if self._device.type == "cuda":
            self._memory.set(torch.cuda.memory_allocated(self._device))


class DriverMetrics:
    """Of the driver. Ray shows a gauge once for each time that it is set, so it is set steadily.

    Args:
        table: The table's root, a label of all.
    """

    def __init__(self, table: str) -> None:
        self._units = _named(Gauge, "units_in_flight", "Units begun and not published", table)

    def note(self, units: int) -> None:
        """Sets how many units are begun and not published."""
        self._units.set(units)


def _named(kind: Any, name: str, description: str, table: str, **more: Any) -> Any:
    metric = kind(f"raygrad_{name}", description=description, tag_keys=("table",), **more)
    metric.set_default_tags({"table": table})
    return metric
