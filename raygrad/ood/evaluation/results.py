"""What an evaluation found."""

from dataclasses import dataclass

from raygrad.ood.evaluation.detection import Detection
from raygrad.ood.evaluation.misclassification import Misclassification
from raygrad.ood.evaluation.sets import RowSet


@dataclass(frozen=True)
class NonFinite:
    """Scores that are no numbers, in one set of rows; NaN and null are the most suspicious.

    Attributes:
        nan: How many are NaN.
        null: How many are null though the row has no error.
        infinite: How many are infinite; they are the last at their end.
    """

    nan: int = 0
    null: int = 0
    infinite: int = 0


@dataclass(frozen=True)
class ScoreResult:
    """What one score achieves.

    Attributes:
        score: The column.
        definition: What it is, in words.
        high: What its high values mean.
        fitted: If the table doesn't say so: how high values as a sign of OOD did on the rows that
            the direction was fitted on.
        detection: One for each OOD set.
        misclassification: None without labels, or where all predictions are right or all wrong.
        non_finite: In-distribution, then one for each OOD set.
    """

    score: str
    definition: str
    high: str
    fitted: Detection | None
    detection: tuple[Detection, ...]
    misclassification: Misclassification | None
    non_finite: tuple[NonFinite, ...]


@dataclass(frozen=True)
class Evaluation:
    """What all scores achieve on the same rows.

    Attributes:
        in_distribution: The rows.
        ood: One for each OOD set.
        results: One for each score, in the table's order.
        left_out: For each score that has no result, why.
        baseline: The score that differences are to; None if there is none.
        label: The column of labels, None without.
        right: In-distribution rows whose prediction is their label.
        wrong: Those where it isn't.
        unlabelled: Those that have no label or no prediction.
    """

    in_distribution: RowSet
    ood: tuple[RowSet, ...]
    results: tuple[ScoreResult, ...]
    left_out: dict[str, str]
    baseline: str | None
    label: str | None
    right: int = 0
    wrong: int = 0
    unlabelled: int = 0

    @property
    def accuracy(self) -> float | None:
        """Share of right predictions among labelled in-distribution rows."""
        labelled = self.right + self.wrong
        return self.right / labelled if labelled else None
