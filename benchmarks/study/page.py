"""Writes docs/study.md: numbers from the run, and what they mean from interpretation.md."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.machine import describe
from benchmarks.study import figure, prose, tables
from benchmarks.study.agreement import agreements
from benchmarks.study.claims import judged
from benchmarks.study.nets import NET_TITLES
from benchmarks.study.problems import PROBLEMS
from benchmarks.study.results import DISTANCES, Cell
from benchmarks.study.scores import CHOSEN, LOGISTIC
from benchmarks.study.scoring import GRADNORM
from benchmarks.study.settings import PRIMARY, WHY_PRIMARY, Settings

INTERPRETATION = Path(__file__).with_name("interpretation.md")
PACKAGES = ("torch", "pytorch-ood", "scikit-learn", "scikit-image")
SUMMARY = ("msp", "energy", "entropy", PRIMARY, GRADNORM, "feature_l1", "gradnorm_output", CHOSEN,
           LOGISTIC, "KNN", "ViM")  # fmt: skip
TIED = ("msp", "energy", "entropy", PRIMARY, "pseudo_label all l1", GRADNORM)
BY_KIND = ("msp", "energy", PRIMARY, GRADNORM, "feature_l1", "gradnorm_output", CHOSEN, "KNN")


def write(cells: Sequence[Cell], settings: Settings, path: Path, interpreted: bool) -> None:
    """Writes the page, with its figure and study.csv beside it.

    Args:
        cells: One a problem and kind of network.
        settings: What the run was made with.
        path: The page.
        interpreted: Whether what the numbers mean is included; it is about the full run only.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = path.with_suffix(".png")
    figure.draw(cells, picture)
    tables.write_csv(cells, path.with_suffix(".csv"))
    by_problem = {
        problem: [cell for cell in cells if cell.problem == problem]
        for problem in dict.fromkeys(cell.problem for cell in cells)
    }
    parts = ["# Study: do gradient metrics tell what a network was not trained on?"]
    parts += [
        prose.HEAD if interpreted else prose.QUICK_HEAD,
        "## What was found",
        prose.SUMMARY,
        tables.summary(cells, SUMMARY),
        INTERPRETATION.read_text() if interpreted else "",
    ]
    parts += ["## What was done", *_done(by_problem, settings)]
    alternative = "AUROC of every score by data set and distance; the tables below have the numbers"
    parts += ["## AUROC", f"![{alternative}]({picture.name})", prose.FIGURE]
    for problem, own in by_problem.items():
        parts += [
            f"### {PROBLEMS[problem].title}",
            "In percent; the best of each column in bold.",
            tables.areas(own),
            "Some of them for each kind of unknown images:",
            tables.by_kind(own, BY_KIND),
        ]
    parts += ["## More measures", "In percent; means over networks, kinds and seeds."]
    for problem, own in by_problem.items():
        for distance in DISTANCES:
            parts += [
                f"### {PROBLEMS[problem].title}, {distance}",
                f"{_share_known(own[0]):.0f} % of the images in each comparison are known ones.",
                tables.more_measures(own, distance),
            ]
    parts += ["## Errors", "Do the scores tell wrong from right predictions of known test images?"]
    for problem, own in by_problem.items():
        parts += [f"### {PROBLEMS[problem].title}: errors", tables.errors(own)]
    parts += ["## Layers and directions", prose.LAYERS]
    for net in dict.fromkeys(cell.net for cell in cells):
        own = [cell for cell in cells if cell.net == net]
        parts += [f"### {NET_TITLES[net]}", tables.layers(own)]
    counts = " or ".join(str(n) for n in dict.fromkeys(len(cell.candidates) for cell in cells))
    parts += [
        "## What validation chose",
        prose.CHOICE.format(counts=counts),
        tables.choices(cells),
        "## Claims",
        prose.CLAIMS,
        tables.claims(judged(cells), cells),
        "## Agreement with pytorch-ood",
        prose.AGREEMENT,
        tables.agreement(agreements([record for cell in cells for record in cell.records])),
        prose.TIES,
        tables.ties(cells, TIED),
        "## Once more",
        prose.AGAIN,
    ]
    path.write_text("\n\n".join(part.strip() for part in parts if part) + "\n")


def _done(by_problem: dict[str, list[Cell]], settings: Settings) -> list[str]:
    cells = [cell for own in by_problem.values() for cell in own]
    delong = max(
        (kind.auroc_high - kind.auroc_low) / 2
        for cell in cells
        for seed in cell.detections[PRIMARY]
        for kind in seed.values()
    )
    machine = describe()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        f"Machine: {machine['CPU']}, {machine['system']}; {packages}. "
        f"Written on {datetime.now(UTC):%Y-%m-%d}, at commit {machine['commit']}.",
        tables.data([own[0] for own in by_problem.values()]),
        prose.DATA,
        prose.TRAINING.format(**vars(settings)),
        tables.networks(cells),
        prose.SCORES.format(primary=PRIMARY, why=WHY_PRIMARY, neighbours=settings.neighbours),
        prose.MEASURES.format(freedom=settings.seeds - 1, delong=100 * delong),
    ]


def _share_known(cell: Cell) -> float:
    """In percent, mean over the kinds of unknown images."""
    record = cell.records[0]
    known = len(record.known("test").labels)
    unknown = [len(g.labels) for distance in DISTANCES for g in record.unknown("test", distance)]
    return float(np.mean([100 * known / (known + count) for count in unknown]))
