"""Claims of the papers, each put as a difference that is above 0 if the claim holds."""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmarks.study.measures import Interval, over_seeds
from benchmarks.study.record import Record
from benchmarks.study.results import DISTANCES, Cell, wrong
from benchmarks.study.scores import (
    CHOSEN,
    LOGISTIC,
    logistic,
    meta_features,
)
from benchmarks.study.scoring import GRADNORM
from benchmarks.study.settings import PRIMARY

FEWEST_ERRORS = 50  # with fewer wrong predictions a seed, error detection isn't judged
FOLDS = 5

Difference = Callable[[Cell], np.ndarray | None]


class Claim(NamedTuple):
    """A claim, who makes it, and its difference by seed; None where it can't be judged.

    It holds if the difference is above minus the margin.
    """

    source: str
    text: str
    difference: Difference
    margin: float = 0.0


class Judged(NamedTuple):
    """A claim with its interval over seeds for each cell; None where it can't be judged."""

    claim: Claim
    found: list[Interval | None]

    @property
    def verdict(self) -> str:
        """In how many cells it holds, fails, or stays open."""
        known = [interval for interval in self.found if interval is not None]
        holds = sum(interval.mean - interval.half > -self.claim.margin for interval in known)
        fails = sum(interval.mean + interval.half < -self.claim.margin for interval in known)
        open_ = len(known) - holds - fails
        for count, word in ((holds, "holds"), (fails, "fails"), (open_, "open")):
            if count == len(known):
                return word
        parts = ((holds, "hold"), (fails, "fail"), (open_, "open"))
        return ", ".join(f"{count} {word}" for count, word in parts if count)


def _gain(better: str, worse: str, distance: str) -> Difference:
    return lambda cell: cell.auroc(better, distance) - cell.auroc(worse, distance)


def _direction(name: str, distance: str) -> Difference:
    return lambda cell: cell.auroc(name, distance) - 0.5


def _errors_with_gradients(cell: Cell) -> np.ndarray | None:
    """Gain in AUROC of wrong against right, of entropy and gradients over entropy alone."""
    if np.mean([wrong(record).sum() for record in cell.records]) < FEWEST_ERRORS:
        return None
    return np.array([_error_gain(record) for record in cell.records])


def _error_gain(record: Record) -> float:
    group, labels = record.known("test"), wrong(record)
    both = meta_features(group)
    entropy = both[:, :1]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=record.seed)
    alone, together = (
        cross_val_predict(logistic(), inputs, labels, cv=folds, method="decision_function")
        for inputs in (entropy, both)
    )
    # by fold, since a fold's log odds are those of a model of its own
    gains = [
        roc_auc_score(labels[test], together[test]) - roc_auc_score(labels[test], alone[test])
        for _, test in folds.split(entropy, labels)
    ]
    return float(np.mean(gains))


def _errors(better: str, worse: str) -> Difference:
    """Gain in AUROC of wrong against right."""
    return lambda cell: np.array(
        [
            a.auroc - b.auroc
            for a, b in zip(*(cell.failures[n] for n in (better, worse)), strict=True)
        ]
    )


def _near_and_far(source: str, text: str, better: str, worse: str | None = None) -> list[Claim]:
    """A claim about two scores, or about one score and chance, for each distance."""
    found = []
    for distance in DISTANCES:
        difference = _gain(better, worse, distance) if worse else _direction(better, distance)
        found.append(Claim(source, f"{text}, {distance}", difference))
    return found


CLAIMS = [
    *_near_and_far("Oberdiek", "a large pseudo-label gradient (last layer, L1) means unknown",
                   PRIMARY),
    *_near_and_far("Oberdiek", "gradients (pseudo-label, whole model, L2) beat entropy",
                   "pseudo_label all l2", "entropy"),
    *_near_and_far("Oberdiek", "entropy and gradients (logistic, fitted on others) beat entropy",
                   LOGISTIC, "entropy"),
    Claim("Oberdiek", "gradients (pseudo-label, whole model, L2) tell errors as well as entropy, "
          "within a point", _errors("pseudo_label all l2", "entropy"), margin=0.01),
    Claim("ours", "gradients add to entropy in telling errors (logistic, cross-validated)",
          _errors_with_gradients),
    *_near_and_far("Huang", "a small uniform gradient (GradNorm) means unknown", GRADNORM),
    *_near_and_far("Huang", "GradNorm beats MSP", GRADNORM, "msp"),
    *_near_and_far("Huang", "GradNorm beats energy", GRADNORM, "energy"),
    *_near_and_far("Huang", "last layer beats whole model (uniform, L1)",
                   "uniform fc l1", "uniform all l1"),
    *_near_and_far("Huang", "L1 beats L2 (uniform, last layer)", "uniform fc l1", "uniform fc l2"),
    *_near_and_far("after Igoe", "GradNorm's factor of outputs alone beats GradNorm",
                   "gradnorm_output", GRADNORM),
    *_near_and_far("after Igoe", "GradNorm's factor of features alone beats GradNorm",
                   "feature_l1", GRADNORM),
    *_near_and_far("ours", "the score named beforehand beats MSP", PRIMARY, "msp"),
    *_near_and_far("ours", "whole model beats last layer (pseudo-label, L1)",
                   "pseudo_label all l1", PRIMARY),
    *_near_and_far("ours", "what validation chose beats the score named beforehand",
                   CHOSEN, PRIMARY),
    *_near_and_far("ours", "what validation chose beats KNN", CHOSEN, "KNN"),
    *_near_and_far("ours", "what validation chose beats ViM", CHOSEN, "ViM"),
]  # fmt: skip


def judged(cells: Sequence[Cell]) -> list[Judged]:
    """Every claim that at least one cell can judge."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # logistic regression on few images may not converge
        for claim in CLAIMS:
            by_seed = [claim.difference(cell) for cell in cells]
            intervals = [None if d is None else over_seeds(d) for d in by_seed]
            if any(interval is not None for interval in intervals):
                found.append(Judged(claim, intervals))
    return found
