"""Evaluation of scores: exact measures, their intervals, and tests between scores.

``evaluate`` works on tables of any size, ``detection``, ``misclassification`` and ``curve`` on
arrays.
"""

from raygrad.ood.evaluation.curves import Curve, curve
from raygrad.ood.evaluation.delong import Difference
from raygrad.ood.evaluation.detection import MEASURES, Detection, detection
from raygrad.ood.evaluation.evaluate import evaluate
from raygrad.ood.evaluation.misclassification import (
    MEASURES_OF_WRONG,
    Misclassification,
    misclassification,
)
from raygrad.ood.evaluation.results import Evaluation, NonFinite, ScoreResult
from raygrad.ood.evaluation.sets import RowSet

__all__ = [
    "MEASURES",
    "MEASURES_OF_WRONG",
    "Curve",
    "Detection",
    "Difference",
    "Evaluation",
    "Misclassification",
    "NonFinite",
    "RowSet",
    "ScoreResult",
    "curve",
    "detection",
    "evaluate",
    "misclassification",
]
