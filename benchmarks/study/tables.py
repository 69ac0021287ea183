"""The tables of the page, as Markdown."""

import csv
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.study.agreement import Agreement
from benchmarks.study.claims import Judged
from benchmarks.study.measures import Interval, over_seeds
from benchmarks.study.nets import NET_TITLES
from benchmarks.study.problems import PROBLEMS
from benchmarks.study.record import Record
from benchmarks.study.results import ALL_ROWS, DISTANCES, Cell, wrong
from benchmarks.study.scores import ROWS

MEASURES = {
    "aupr_in": "AUPR-in",
    "aupr_out": "AUPR-out",
    "missed_at_95_kept": "unknown kept",
    "lost_at_95_caught": "known lost",
}


def markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    lines = [head, ["-", *["-:"] * (len(head) - 1)], *body]
    return "\n".join("|" + "|".join(line) + "|" for line in lines) + "\n"


def data(cells: Sequence[Cell]) -> str:
    """Known and unknown classes and kinds of each problem, with the numbers of unknown images."""

    def kinds(record: Record, split: str, distance: str) -> str:
        found = record.unknown(split, distance)
        return ", ".join(f"{group.name} ({len(group.labels):,})" for group in found)

    body = []
    for cell in cells:
        record, problem = cell.records[0], PROBLEMS[cell.problem]
        known = ", ".join(problem.classes[k] for k in problem.known)
        body.append(
            [
                problem.title,
                f"{known} ({len(record.known('test').labels):,})",
                *(kinds(record, *where) for where in product(("validation", "test"), DISTANCES)),
            ]
        )
    head = ("data set", "known (in the test)", "unknown in validation, near", "and far",
            "unknown in the test, near", "and far")  # fmt: skip
    return markdown(head, body).replace("-:", "-")


def networks(cells: Sequence[Cell]) -> str:
    """Accuracy of each kind of network, and how many test images it gets wrong."""
    body = [
        [
            f"{PROBLEMS[cell.problem].title}, {NET_TITLES[cell.net]}",
            _percent(over_seeds([record.accuracy for record in cell.records])),
            f"{np.mean([wrong(record).sum() for record in cell.records]):.0f} of "
            f"{len(wrong(cell.records[0])):,}",
        ]
        for cell in cells
    ]
    head = ("networks", "test accuracy, %", "errors")
    return markdown(head, body)


def summary(cells: Sequence[Cell], names: Sequence[str]) -> str:
    """AUROC in percent of some scores, means over all data sets and networks."""
    titles = {name: title for family in ROWS.values() for name, title in family.items()}
    body = []
    for name in names:
        errors = [[seed.auroc for seed in cell.failures[name]] for cell in cells]
        measured = [[cell.auroc(name, d) for cell in cells] for d in DISTANCES]
        means = (np.mean(by_cell, axis=0) for by_cell in (*measured, errors))
        body.append([titles[name], *(_percent(over_seeds(mean)) for mean in means)])
    return markdown(("score", "near", "far", "errors"), body)


def areas(cells: Sequence[Cell]) -> str:
    """AUROC in percent of every score, of the cells of one problem."""
    columns = [(cell, distance) for cell in cells for distance in DISTANCES]
    found = {
        name: [over_seeds(cell.auroc(name, distance)) for cell, distance in columns]
        for name in ALL_ROWS
    }
    head = ["score", *(f"{NET_TITLES[cell.net]}, {distance}" for cell, distance in columns)]
    return markdown(head, _by_family(found, _percent, best=max))


def by_kind(cells: Sequence[Cell], names: Sequence[str]) -> str:
    """AUROC in percent of some scores for each kind of unknown images."""
    titles = {name: title for family in ROWS.values() for name, title in family.items()}
    kinds = list(cells[0].detections[names[0]][0])
    head = ["score", *(f"{NET_TITLES[cell.net]}, {kind}" for cell in cells for _, kind in kinds)]
    body = [
        [
            titles[name],
            *(
                _percent(over_seeds([seed[kind].auroc for seed in cell.detections[name]]))
                for cell in cells
                for kind in kinds
            ),
        ]
        for name in names
    ]
    return markdown(head, body)


def more_measures(cells: Sequence[Cell], distance: str) -> str:
    """The measures beside AUROC, in percent, means over the networks and seeds of one problem."""
    found = {
        name: [
            Interval(float(np.mean([cell.measure(name, distance, m) for cell in cells])), 0)
            for m in MEASURES
        ]
        for name in ALL_ROWS
    }
    head = ["score", *MEASURES.values()]
    return markdown(head, _by_family(found, lambda interval: f"{100 * interval.mean:.1f}"))


def errors(cells: Sequence[Cell]) -> str:
    """Misclassification detection, in percent, of the cells of one problem."""
    found = {
        name: [
            over_seeds([getattr(seed, attribute) for seed in cell.failures[name]])
            for cell in cells
            for attribute in ("auroc", "aurc")
        ]
        for name in ALL_ROWS
    }
    head = ["score"]
    for cell in cells:
        head += [f"{NET_TITLES[cell.net]}: AUROC", f"{NET_TITLES[cell.net]}: AURC"]
    return markdown(head, _by_family(found, lambda interval: _percent(interval, 2)))


def layers(cells: Sequence[Cell]) -> str:
    """AUROC in percent of the L1 norm of each layer, for both losses; below 50 in italics."""
    names = [name for name in cells[0].candidates if name.endswith(" l1")]
    head = ["loss, layer", *(f"{PROBLEMS[c.problem].title}, {d}" for c in cells for d in DISTANCES)]
    body = []
    for name in names:
        found = [over_seeds(cell.auroc(name, distance)) for cell in cells for distance in DISTANCES]
        loss, layer, _ = name.split(" ")
        body.append(
            [
                f"{loss.replace('_', '-')}, {layer}",
                *(f"*{_percent(i)}*" if i.mean < 0.5 else _percent(i) for i in found),
            ]
        )
    return markdown(head, body)


def choices(cells: Sequence[Cell]) -> str:
    """What validation chose, and how good it was there and in the test."""
    body = []
    for cell in cells:
        loss, layer, metric = cell.chosen.split(" ")
        body.append(
            [
                f"{PROBLEMS[cell.problem].title}, {NET_TITLES[cell.net]}",
                f"{loss.replace('_', '-')}, {layer}, {metric}",
                f"{100 * cell.validation[cell.chosen]:.1f}",
                *(_percent(over_seeds(cell.auroc(cell.chosen, d))) for d in DISTANCES),
            ]
        )
    head = ("networks", "chosen", "validation", "test, near", "test, far")
    return markdown(head, body)


def claims(found: Sequence[Judged], cells: Sequence[Cell]) -> str:
    """Every claim with its differences in points of AUROC."""
    head = [
        "claim",
        *(f"{PROBLEMS[c.problem].title}, {NET_TITLES[c.net]}" for c in cells),
        "verdict",
    ]
    body = [
        [
            f"{each.claim.source}: {each.claim.text}",
            *("" if i is None else f"{100 * i.mean:+.1f}{_half(i)}" for i in each.found),
            each.verdict,
        ]
        for each in found
    ]
    return markdown(head, body)


def agreement(found: Sequence[Agreement]) -> str:
    """Largest relative differences."""
    body = [
        [
            each.name,
            f"{each.images:,}",
            *("" if value is None else f"{value:.0e}" if value else "0" for value in each[2:]),
        ]
        for each in found
    ]
    head = ("score", "images", "ours, pytorch-ood", "ours, float64", "pytorch-ood, float64")
    return markdown(head, body)


def ties(cells: Sequence[Cell], names: Sequence[str]) -> str:
    """Share of known test images that are tied with another, in percent."""

    def tied(values: np.ndarray) -> float:
        counts = np.unique(values, return_counts=True)[1]
        return float(counts[counts > 1].sum() / len(values))

    head = ["score", *(f"{PROBLEMS[c.problem].title}, {NET_TITLES[c.net]}" for c in cells)]
    body = [
        [
            name,
            *(f"{100 * np.mean([tied(v) for v in cell.known(name)]):.1f}" for cell in cells),
        ]
        for name in names
    ]
    return markdown(head, body)


def write_csv(cells: Sequence[Cell], path: Path) -> None:
    """Every measure of every score, as shares: a line a network, seed and kind of images."""
    columns = ("auroc", "auroc_low", "auroc_high", *MEASURES)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["data", "net", "seed", "score", "distance", "kind", *columns])
        for cell in cells:
            for name, by_seed in cell.detections.items():
                for record, kinds in zip(cell.records, by_seed, strict=True):
                    for (distance, kind), found in kinds.items():
                        numbers = [f"{getattr(found, column):.5f}" for column in columns]
                        place = [cell.problem, cell.net, record.seed, name, distance, kind]
                        writer.writerow([*place, *numbers])


def _by_family(
    found: dict[str, list[Interval]],
    shown: Callable[[Interval], str],
    best: Callable[[Iterable[float]], float] | None = None,
) -> list[list[str]]:
    """Rows of the scores, a line before each family; the best of each column in bold."""
    columns = list(zip(*found.values(), strict=True))
    tops = [best(i.mean for i in column) if best else None for column in columns]
    body = []
    for family, titles in ROWS.items():
        body.append([f"*{family}*", *[""] * len(columns)])
        for name, title in titles.items():
            if name in found:
                cells = [
                    f"**{shown(i)}**" if i.mean == top else shown(i)
                    for i, top in zip(found[name], tops, strict=True)
                ]
                body.append([title, *cells])
    return body


def _percent(interval: Interval, digits: int = 1) -> str:
    return f"{100 * interval.mean:.{digits}f}{_half(interval, digits)}"


def _half(interval: Interval, digits: int = 1) -> str:
    return "" if np.isnan(interval.half) else f" ± {100 * interval.half:.{digits}f}"
