"""What ``raygrad threshold`` prints."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from raygrad.ood.thresholds.apply import Flags
from raygrad.ood.thresholds.file import Conformal, Cut, Logistic, Origin, Quantile, Threshold
from raygrad.table.definitions import OUT

MOST_CLASSES = 20


def print_fitted(fitted: Threshold, uri: str) -> None:
    """A threshold, what is known of it, and how it is applied."""
    console = Console()
    cut = fitted.cut if isinstance(fitted, Logistic) else fitted.all_classes
    facts = _facts_of_classifier(fitted) if isinstance(fitted, Logistic) else _facts(fitted)
    low, high = cut.kept_share
    facts += [
        ("from", f"{cut.rows:,} {_kept_rows(fitted)}rows of {_named(fitted.in_distribution)}"),
        (
            "keeps",
            f"at least {fitted.keep:.4g} of new ones on average; this draw {low:.4f} to {high:.4f}",
        ),
    ]
    if fitted.in_distribution.failed:
        facts.append(("left out", f"{fitted.in_distribution.failed:,} rows that have an error"))
    if cut.ties:
        facts.append(("ties", f"{cut.ties:,} more rows have exactly this value, and are kept"))
    if cut.non_finite:
        facts.append(("not finite", f"{cut.non_finite:,} scores; NaN counts as most unusual"))
    for rows in fitted.ood:
        share = "no rows with scores" if rows.flagged is None else f"{rows.flagged:.1%} flagged"
        facts.append(("out", f"{share} of {_named(rows)}"))
    for name, text in facts:
        console.print(f"{name:<11}{text}", soft_wrap=True, highlight=False, markup=False)
    if isinstance(fitted, Logistic):
        console.print(_features(fitted))
    elif fitted.by_class is not None:
        console.print(_classes(fitted))
    lines = [f"Wrote {uri}. Apply it:", f"  raygrad threshold apply {uri} TABLE OUT"]
    console.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


def print_flags(out: str, flags: Flags) -> None:
    """How many rows were flagged, and where the flags are."""
    scored = flags.rows - flags.unscored
    share = f" ({flags.flagged / scored:.1%})" if scored else ""
    lines = [
        f"{flags.flagged:,} of {scored:,} rows flagged{share}, in {flags.files - flags.already:,} "
        f"files of {out}"
    ]
    if flags.unscored:
        lines.append(f"{flags.unscored:,} rows have an error, and null as their flag.")
    if flags.already:
        lines.append(f"{flags.already:,} files were there already; their rows aren't counted here.")
    if flags.largest_p is not None:
        lines.append(f"Rows with a p-value of at most {flags.largest_p:.6g} are flagged.")
    elif flags.smallest_p is not None:
        lines.append(
            "At this false discovery rate no p-value is small enough; none can be below "
            f"{flags.smallest_p:.3g}, which more calibration rows lower."
        )
    Console().print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


def _facts(fitted: Quantile | Conformal) -> list[tuple[str, str]]:
    direction = fitted.direction
    sign = ">" if direction.high == OUT else "<"
    known = {
        "table": "the table says so",
        "ood": "fitted on --ood",
        "errors": "fitted on wrong predictions",
    }[direction.known_from]
    found = [
        ("flags", f"{fitted.score} {sign} {fitted.all_classes.threshold:.9g}"),
        ("score", fitted.definition),
        ("direction", f"high values are {direction.high}: {known}"),
    ]
    if direction.auroc is not None:
        low, high = direction.auroc.interval
        text = f"{direction.auroc.value:.4f}, 95 % from {low:.4f} to {high:.4f}"
        if direction.auroc.value < 0.5:
            text += "; below 0.5, so here the score points the other way"
        found.append(("AUROC", text))
    if isinstance(fitted, Conformal):
        found.append(("p-values", f"calibration scores are in {fitted.calibration.file}"))
    return found


def _facts_of_classifier(fitted: Logistic) -> list[tuple[str, str]]:
    validation = fitted.validation
    low, high = validation.auroc.interval
    keep, flag = validation.rows
    found = [
        ("flags", f"probability of {fitted.predicts} > {fitted.cut.threshold:.6g}"),
        (
            "AUROC",
            f"{validation.auroc.value:.4f}, 95 % from {low:.4f} to {high:.4f}, {validation.folds} "
            f"folds of {keep:,} rows to keep and {flag:,} to flag",
        ),
        (
            "calibrated",
            f"Brier score {validation.brier:.4f}, calibration error "
            f"{validation.calibration_error:.4f}, on held-out rows",
        ),
    ]
    if fitted.non_finite:
        found.append(("not finite", f"{fitted.non_finite:,} rows with such scores are left out"))
    return found


def _kept_rows(fitted: Threshold) -> str:
    return "held-out " if isinstance(fitted, Logistic) else ""


def _named(origin: Origin) -> str:
    return origin.table if origin.where is None else f"{origin.table} where {origin.where}"


def _features(fitted: Logistic) -> Table:
    table = Table("score", "as", "weight", title="Features", title_justify="left")
    by_weight = sorted(fitted.features, key=lambda feature: -abs(feature.coefficient))
    for feature in by_weight:
        how = "logarithm" if feature.log else "itself"
        table.add_row(Text(feature.score), how, f"{feature.coefficient:+.3f}")
    return table


def _classes(fitted: Quantile | Conformal) -> Table:
    cuts = fitted.by_class or {}
    table = Table(
        "class", "threshold", "rows", "kept, 95 %", title="By predicted class", title_justify="left"
    )
    for number in sorted(cuts)[:MOST_CLASSES]:
        table.add_row(str(number), *_cells(cuts[number]))
    for number, rows in sorted(fitted.too_few.items())[:MOST_CLASSES]:
        table.add_row(str(number), "that of all", f"{rows:,}", "too few rows")
    left = max(len(cuts) - MOST_CLASSES, 0) + max(len(fitted.too_few) - MOST_CLASSES, 0)
    if left:
        table.add_row(f"{left:,} more", "in the file", "", "")
    table.add_row("others", *_cells(fitted.all_classes))
    return table


def _cells(cut: Cut) -> tuple[str, str, str]:
    low, high = cut.kept_share
    return f"{cut.threshold:.6g}", f"{cut.rows:,}", f"{low:.3f} to {high:.3f}"
