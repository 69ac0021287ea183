"""An evaluation as JSON and as CSV."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from raygrad.ood.evaluation.results import Evaluation, ScoreResult

DETECTION, MISCLASSIFICATION = "detection", "misclassification"


def to_json(evaluation: Evaluation) -> str:
    """Everything, as the dataclasses have it; what isn't known is null."""
    found = _without_nan({**asdict(evaluation), "accuracy": evaluation.accuracy})
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def to_csv(evaluation: Evaluation) -> str:
    """A line for each score and comparison; a field that doesn't belong to it is empty."""
    lines = list(records(evaluation))
    columns = list(dict.fromkeys(column for line in lines for column in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_without_nan(lines))
    return text.getvalue()


FORMATS: dict[str, Callable[[Evaluation], str]] = {"csv": to_csv, "json": to_json}


def records(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Flat records, such as a data frame takes: one for each score and comparison.

    ``task`` is ``detection`` of the OOD rows that ``ood`` names, or ``misclassification``.
    """
    for result in evaluation.results:
        for rows, found in zip(evaluation.ood, result.detection, strict=True):
            yield _record(evaluation, result, DETECTION, rows.name, asdict(found))
    for result in evaluation.results:
        if result.misclassification is not None:
            found_wrong = asdict(result.misclassification)
            yield _record(evaluation, result, MISCLASSIFICATION, None, found_wrong)


def _record(
    evaluation: Evaluation,
    result: ScoreResult,
    task: str,
    ood: str | None,
    measures: dict[str, Any],
) -> dict[str, Any]:
    paired = measures.pop("difference") or {}
    return {
        "task": task,
        "in_distribution": evaluation.in_distribution.name,
        "ood": ood,
        "score": result.score,
        "high": result.high,
        "direction": "table" if result.fitted is None else "fitted",
        **measures,
        "baseline": paired.get("to"),
        "difference": paired.get("value"),
        "difference_low": paired.get("low"),
        "difference_high": paired.get("high"),
        "p": paired.get("p"),
    }


def _without_nan(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: _without_nan(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [_without_nan(value) for value in found]
    return None if isinstance(found, float) and math.isnan(found) else found
