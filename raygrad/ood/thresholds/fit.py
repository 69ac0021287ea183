"""Fits a threshold by one of the methods, and writes its file."""

from collections.abc import Sequence

from raygrad.errors import TableError
from raygrad.ood.evaluation.reading import label_of_the_job
from raygrad.ood.rows import Rows
from raygrad.ood.thresholds import file
from raygrad.ood.thresholds.conformal import write_conformal
from raygrad.ood.thresholds.file import Threshold
from raygrad.ood.thresholds.quantile import fit_quantile


def fit(
    in_distribution: Rows,
    scores: Sequence[str],
    keep: float,
    method: str,
    output: str,
    *,
    by_class: bool = False,
    ood: Sequence[Rows] = (),
    errors: bool = False,
    label: str | None = None,
) -> Threshold:
    """Fits a threshold and writes its file.

    Args:
        in_distribution: Held-out rows.
        scores: Columns; one, or for ``logistic`` any number, none meaning all.
        keep: Which share of the rows is to be kept.
        method: ``quantile``, ``conformal`` or ``logistic``.
        output: The file to write.
        by_class: A threshold for each predicted class.
        ood: Unusual rows.
        errors: Take wrong predictions instead.
        label: The true classes, for that; by default the column that the job's spec names.

    Raises:
        TableError: If the name is taken, or the rows or scores won't do.
        IdentityError: If the rows are of different models, losses or inputs.
    """
    file.refuse_taken(output)
    if errors:
        label = label or label_of_the_job(in_distribution)
        if label is None:
            raise TableError(
                f"{in_distribution.uri} doesn't say which column holds the true classes; give "
                "--label COLUMN"
            )
        if ood:
            raise TableError("give either --ood or --errors; they are two kinds of unusual rows")
    elif label is not None:
        raise TableError("--label is for --errors; give both or neither")
    if method == "logistic":
        if by_class:
            raise TableError("--by-class is for one score; --method logistic has none")
        # Imported here, since scikit-learn takes a second.
        from raygrad.ood.thresholds.logistic import fit_logistic

        threshold: Threshold = fit_logistic(in_distribution, scores, keep, ood=ood, label=label)
        file.write(threshold, output)
        return threshold
    if len(set(scores)) != 1:
        raise TableError(
            f"--method {method} takes one --score, got {len(scores)}; choose one of "
            f"{', '.join(in_distribution.scores)}"
        )
    fitted = fit_quantile(in_distribution, scores[0], keep, by_class=by_class, ood=ood, label=label)
    if method == "conformal":
        return write_conformal(in_distribution, fitted, output)
    file.write(fitted, output)
    return fitted
