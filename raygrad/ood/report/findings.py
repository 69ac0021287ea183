"""What the numbers say, in sentences."""

from collections.abc import Sequence

from raygrad.ood.evaluation import Evaluation
from raygrad.ood.report.histograms import KEEP, threshold
from raygrad.ood.report.measures import Comparison, ranked
from raygrad.ood.report.numbers import percent
from raygrad.ood.report.sets import SAMPLE, Role, SampleSet
from raygrad.ood.rows import Score, quoted
from raygrad.table.definitions import IN


def findings(
    sets: Sequence[SampleSet],
    evaluation: Evaluation | None,
    comparisons: Sequence[Comparison],
    primary: Score,
) -> list[str]:
    """The report's main points, the most important first.

    Args:
        sets: What is compared.
        evaluation: The measures of all scores.
        comparisons: The same for each OOD set.
        primary: The score that unusual rows are ordered by.
    """
    found = [_best(comparison, evaluation) for comparison in comparisons if evaluation]
    if len(comparisons) > 1:
        found.append(
            f"{ranked(evaluation)[0].score} has the largest AUROC on average over all sets."
        )
    if sets[0].role is Role.IN:
        found += _flagged(sets[0], sets, primary)
    for part in sets:
        if part.accuracy is not None and part.role is not Role.OUT:
            rows = f"{part.labelled:,} labelled rows of {part.name}"
            found.append(f"{percent(part.accuracy)} of {rows} are predicted right.")
    if len(sets) == 1:
        found.append(
            "No other rows were given, so nothing is said of how well a score tells unusual rows. "
            "Name rows that the model was made for with --in-distribution, unusual ones with --ood."
        )
    return found


def notes(sets: Sequence[SampleSet], evaluation: Evaluation | None) -> list[str]:
    """What a reader must know to trust the numbers."""
    found = []
    sampled = [f"{part.name}: one row in {part.one_in:,}" for part in sets if part.one_in > 1]
    if sampled:
        found.append(
            f"Of sets of more than {SAMPLE:,} rows, correlations, medians and the ends of axes are "
            f"those of rows that a hash of source and row picks ({'; '.join(sampled)}). All else "
            "is of all rows."
        )
    empty = [part.name for part in sets if not part.scored]
    if empty and len(empty) < len(sets):
        found.append(f"No row of {', '.join(empty)} was scored, so nothing is compared with it.")
    if evaluation is not None and evaluation.ood:
        found.append(
            "Which score is best was found on these very rows, so its measures are a little too "
            "good. Choose score and layer on other rows than those that you report."
        )
        scores = sets[0].rows.scores
        undirected = [name for name in evaluation.left_out if scores[name].high is None]
        if undirected:
            names = ", ".join(undirected)
            found.append(f"Not measured, since which end is unusual isn't known: {names}.")
        others = {n: why for n, why in evaluation.left_out.items() if n not in undirected}
        found += [f"{name} isn't measured: {why}." for name, why in others.items()]
    if any(part.role is Role.OUT and part.accuracy is not None for part in sets):
        found.append(
            "In the accuracy of out-of-distribution rows, classes that the model doesn't know "
            "count as wrong."
        )
    models = {str(part.rows.footer.get("identity", {}).get("model")) for part in sets}
    if len(models) > 1:
        found.append("The sets were scored with different models; their scores may not compare.")
    return found


def _best(comparison: Comparison, evaluation: Evaluation) -> str:
    result, found = comparison.found[0]
    name, caught = comparison.name, percent(0.95, 0)
    text = (
        f"{result.score} tells {name} best from in-distribution rows: AUROC {found.auroc:.3f} "
        f"({caught} interval {found.auroc_low:.3f} to {found.auroc_high:.3f}). At {caught} of "
        f"{name} caught, {percent(found.lost_at_95_caught)} of in-distribution rows are lost."
    )
    if evaluation.baseline in (None, result.score):
        return text
    (other,) = [d for r, d in comparison.found if r.score == evaluation.baseline]
    return f"{text} {evaluation.baseline}: AUROC {other.auroc:.3f}."


def _flagged(usual: SampleSet, sets: Sequence[SampleSet], primary: Score) -> list[str]:
    """How many rows of the other sets lie beyond the threshold."""
    limit = threshold(usual.rows, primary)
    others = [part for part in sets if part is not usual and part.scored]
    if limit is None or not others:
        return []
    column = quoted(primary.name)
    beyond = f"{column} {'<' if primary.high == IN else '>'} {limit!r}::FLOAT OR isnan({column})"
    shares = []
    for part in others:
        ((flagged,),) = part.rows.sql(
            f"SELECT count(*) FROM selected WHERE error_type IS NULL AND ({beyond})"
        ).fetchall()
        shares.append(f"{percent(flagged / part.scored)} of {part.name}")
    return [
        f"A threshold on {primary.name} that keeps {percent(KEEP, 0)} of in-distribution rows "
        f"flags {' and '.join(shares)}."
    ]
