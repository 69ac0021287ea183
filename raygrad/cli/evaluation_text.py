"""An evaluation as tables for terminals of 80 columns and more."""

from collections.abc import Iterator, Mapping
from statistics import fmean

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raygrad.ood.evaluation import (
    MEASURES,
    MEASURES_OF_WRONG,
    Detection,
    Difference,
    Evaluation,
    Misclassification,
    NonFinite,
    RowSet,
)

HEADERS = {
    "auroc": "AUROC",
    "aupr_in": "AUPR\nin",
    "aupr_out": "AUPR\nout",
    "lost_at_95_caught": "lost at\n95 %\ncaught",
    "missed_at_95_kept": "missed\nat 95 %\nkept",
    "aurc": "AURC",
    "excess_aurc": "excess\nAURC",
}
WIDE = 96
PERCENT = {"lost_at_95_caught", "missed_at_95_kept"}
Measures = Mapping[str, tuple[str, bool]]
Found = Detection | Misclassification


def print_evaluation(evaluation: Evaluation, *, by_auroc: bool = True) -> None:
    """A table for each OOD set, their mean, one for wrong predictions, and notes."""
    console = Console()
    sets = evaluation.ood
    names = ["OOD"] if len(sets) == 1 else [f"OOD {number + 1}" for number in range(len(sets))]
    _say(console, f"in-distribution  {_described(evaluation.in_distribution)}")
    for name, rows in zip(names, sets, strict=True):
        _say(console, f"{name:15}  {_described(rows)}")
    columns = [
        {result.score: result.detection[place] for result in evaluation.results}
        for place in range(len(sets))
    ]
    for name, rows, found in zip(names, sets, columns, strict=True):
        title = f"{name}: {rows.name}"
        baseline = evaluation.baseline
        console.print(
            _table(title, found, MEASURES, baseline, by_auroc=by_auroc, width=console.width)
        )
    if len(sets) > 1:
        console.print(_mean_table(columns, by_auroc))
    if sets:
        _explain(console, MEASURES)
    if evaluation.label is not None:
        _print_wrong(console, evaluation, by_auroc)
    for note in _notes(evaluation):
        _say(console, f"Note: {note}")


def _print_wrong(console: Console, evaluation: Evaluation, by_auroc: bool) -> None:
    labelled = evaluation.right + evaluation.wrong
    if evaluation.accuracy is not None:
        _say(
            console,
            f"\naccuracy {evaluation.accuracy:.2%}: {evaluation.wrong:,} of {labelled:,} "
            f"in-distribution rows with a {evaluation.label} are wrong",
        )
    found = {
        result.score: result.misclassification
        for result in evaluation.results
        if result.misclassification is not None
    }
    if found:
        title = "Wrong predictions against right ones"
        baseline, width = evaluation.baseline, console.width
        console.print(
            _table(title, found, MEASURES_OF_WRONG, baseline, by_auroc=by_auroc, width=width)
        )
        _explain(console, MEASURES_OF_WRONG)


def _table(
    title: str,
    found: Mapping[str, Found],
    measures: Measures,
    baseline: str | None,
    *,
    by_auroc: bool,
    width: int,
) -> Table:
    table = _empty(title)
    first, *others = measures
    # The interval of a difference tells what p does, so p goes first where there is little room.
    pairs = 0 if baseline is None or len(found) < 2 else 2 if width >= WIDE else 1
    for header in (
        HEADERS[first],
        "95 %\ninterval",
        *(f"difference\nto {baseline}", "p")[:pairs],
        *(HEADERS[name] for name in others),
    ):
        table.add_column(header, justify="right", no_wrap=True)
    values = {
        score: {name: getattr(one, name) for name in measures} for score, one in found.items()
    }
    for score in _ordered(values, by_auroc):
        one = found[score]
        cells = {name: _cell(name, values, score, better) for name, (_, better) in measures.items()}
        table.add_row(
            Text(score),
            cells[first],
            f"{one.auroc_low:.3f}-{one.auroc_high:.3f}",
            *_compared(score, baseline, one.difference)[:pairs],
            *(cells[name] for name in others),
        )
    return table


def _mean_table(columns: list[dict[str, Detection]], by_auroc: bool) -> Table:
    table = _empty(f"Mean over the {len(columns)} OOD sets")
    for name in MEASURES:
        table.add_column(HEADERS[name], justify="right", no_wrap=True)
    values = {
        score: {
            name: fmean(getattr(column[score], name) for column in columns) for name in MEASURES
        }
        for score in columns[0]
    }
    for score in _ordered(values, by_auroc):
        cells = (_cell(name, values, score, better) for name, (_, better) in MEASURES.items())
        table.add_row(Text(score), *cells)
    return table


def _empty(title: str) -> Table:
    table = Table(
        title=Text(f"\n{title}"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("score", overflow="fold")
    return table


def _ordered(values: Mapping[str, Mapping[str, float]], by_auroc: bool) -> list[str]:
    return sorted(values, key=lambda score: -values[score]["auroc"]) if by_auroc else list(values)


def _cell(
    name: str, values: Mapping[str, Mapping[str, float]], score: str, more_is_better: bool
) -> Text:
    column = [row[name] for row in values.values()]
    value = values[score][name]
    best = value == (max(column) if more_is_better else min(column))
    digits = 5 if name in ("aurc", "excess_aurc") else 3
    shown = f"{value:.1%}" if name in PERCENT else f"{value:.{digits}f}"
    return Text(shown, "bold" if best else "")


def _compared(score: str, baseline: str | None, found: Difference | None) -> tuple[str, str]:
    if score == baseline or found is None:
        return "", ""
    if found.p != found.p:
        return f"{found.value:+.3f}", "?"
    p = "<0.001" if found.p < 0.001 else f"{found.p:.3f}"
    return f"{found.value:+.3f} ±{found.high - found.value:.3f}", p


def _explain(console: Console, measures: Measures) -> None:
    legend = Table.grid(padding=(0, 2))
    for name, (text, _) in measures.items():
        legend.add_row(HEADERS[name].replace("\n", " "), text)
    tests = ", p that of one paired test" if console.width >= WIDE else ""
    legend.add_row("±", f"95 % interval{tests}; the best of each column is bold")
    console.print()
    console.print(legend, highlight=False)


def _notes(evaluation: Evaluation) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for score, why in evaluation.left_out.items():
        reasons.setdefault(why, []).append(score)
    for why, scores in reasons.items():
        yield f"left out: {', '.join(scores)}; {why}"
    for result in evaluation.results:
        if (fit := result.fitted) is not None:
            unclear = "; that may be chance" if fit.auroc_low < 0.5 < fit.auroc_high else ""
            yield (
                f"{result.score}: high is taken as {result.high}, since on the rows to fit on high "
                f"as OOD has AUROC {fit.auroc:.3f} ({fit.auroc_low:.3f}-{fit.auroc_high:.3f})"
                + unclear
            )
        sets = [evaluation.in_distribution, *evaluation.ood]
        for rows, odd in zip(sets, result.non_finite, strict=True):
            if odd != NonFinite():
                yield (
                    f"{result.score} of {rows.name}: {odd.nan:,} NaN and {odd.null:,} null scores, "
                    f"taken as the most suspicious; {odd.infinite:,} infinite ones"
                )
    if evaluation.unlabelled:
        yield (
            f"{evaluation.unlabelled:,} in-distribution rows have no {evaluation.label} or no "
            "prediction; they are not among the wrong or right ones"
        )


def _described(rows: RowSet) -> str:
    failed = f"; {rows.failed:,} more have an error instead of scores" if rows.failed else ""
    return f"{rows.name}: {rows.scored:,} rows{failed}"


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, highlight=False, markup=False)
