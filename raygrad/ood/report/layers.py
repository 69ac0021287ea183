"""Which layers tell unusual rows: layers (a job's targets) by metrics."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from raygrad.ood.report.heat import MISSING, Cell, HeatTable, shade
from raygrad.ood.report.measures import Comparison
from raygrad.ood.report.sets import Role, SampleSet
from raygrad.ood.rows import Rows

STRONGEST = 2.0
"""Medians that differ by so many powers of ten have the full shade."""

Sampled = Mapping[str, Any]


def by_layer(
    sets: Sequence[SampleSet], comparisons: Sequence[Comparison], samples: Sequence[Sampled]
) -> list[HeatTable]:
    """A table for each OOD set with AUROCs; else medians, beside the in-distribution ones if any.

    Args:
        sets: The sets.
        comparisons: How well scores tell the first set from each OOD set.
        samples: For each set its sample of all scores.

    Returns:
        Empty if the table has no gradient metrics.
    """
    reference = sets[0]
    tables = []
    for comparison in comparisons:
        aurocs = {result.score: found.auroc for result, found in comparison.found}
        caption = f"AUROC of {comparison.name} against {reference.name}"
        tables.append(_grid(reference.rows, caption, _auroc_cells(aurocs)))
    for part, sample in zip(sets, samples, strict=True):
        if part.role is Role.UNKNOWN and part is not reference and reference.scored:
            caption = f"Median of {part.name}, as a multiple of that of {reference.name}"
            tables.append(_grid(part.rows, caption, _ratio_cells(samples[0], sample)))
    if len(sets) == 1:
        tables.append(_grid(reference.rows, "Median", _median_cells(samples[0])))
    return [table for table in tables if table is not None]


def _grid(rows: Rows, caption: str, cell: Callable[[str], Cell]) -> HeatTable | None:
    grid: dict[str, dict[str, str]] = {}
    for name in rows.scores:
        defined: Mapping[str, Any] = rows.footer["scores"][name]
        if defined.get("target") and defined.get("metric"):
            grid.setdefault(defined["target"], {})[defined["metric"]] = name
    if not grid:
        return None
    metrics = list(dict.fromkeys(metric for found in grid.values() for metric in found))
    shaded = [
        (target, [cell(found[m]) if m in found else Cell(MISSING) for m in metrics])
        for target, found in grid.items()
    ]
    return HeatTable(caption, "target", metrics, shaded)


def _auroc_cells(aurocs: Mapping[str, float]) -> Callable[[str], Cell]:
    def cell(name: str) -> Cell:
        value = aurocs.get(name, np.nan)
        return shade(value, f"{value:.3f}", 2 * value - 1)

    return cell


def _ratio_cells(reference: Sampled, sample: Sampled) -> Callable[[str], Cell]:
    def cell(name: str) -> Cell:
        usual, here = _median(reference, name), _median(sample, name)
        if not usual * here > 0:
            return Cell(MISSING)
        ratio = here / usual
        return shade(ratio, f"{ratio:.3g}", float(np.log10(ratio)) / STRONGEST)

    return cell


def _median_cells(sample: Sampled) -> Callable[[str], Cell]:
    return lambda name: shade(value := _median(sample, name), f"{value:.3g}", 0)


def _median(sample: Sampled, name: str) -> float:
    values = sample[name][~np.isnan(sample[name])]
    return float(np.median(values)) if len(values) else float("nan")
