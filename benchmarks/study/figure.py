"""The one figure: AUROC of every score, by problem and distance."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from benchmarks.study.measures import over_seeds
from benchmarks.study.nets import NET_TITLES
from benchmarks.study.problems import PROBLEMS
from benchmarks.study.results import ALL_ROWS, DISTANCES, Cell
from benchmarks.study.scores import ROWS
from benchmarks.study.settings import PRIMARY

COLOURS = {"cnn": "#0077BB", "resnet": "#EE7733"}
MARKERS = {"cnn": "o", "resnet": "s"}
OFFSETS = {"cnn": -0.17, "resnet": 0.17}


def draw(cells: Sequence[Cell], path: Path) -> None:
    """Writes the figure as a PNG."""
    problems = list(dict.fromkeys(cell.problem for cell in cells))
    titles = {name: title.strip("*") for family in ROWS.values() for name, title in family.items()}
    heights = {name: place for place, name in enumerate(ALL_ROWS)}
    figure, axes = plt.subplots(
        1,
        2 * len(problems),
        figsize=(3 + 4.2 * len(problems), 0.8 + 0.3 * len(ALL_ROWS)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    panels = [(problem, distance) for problem in problems for distance in DISTANCES]
    for axis, (problem, distance) in zip(axes[0], panels, strict=True):
        for cell in (cell for cell in cells if cell.problem == problem):
            intervals = [over_seeds(cell.auroc(name, distance)) for name in ALL_ROWS]
            axis.errorbar(
                [interval.mean for interval in intervals],
                [heights[name] + OFFSETS[cell.net] for name in ALL_ROWS],
                xerr=[interval.half for interval in intervals],
                fmt=MARKERS[cell.net],
                color=COLOURS[cell.net],
                markersize=4,
                elinewidth=1,
                label=NET_TITLES[cell.net],
            )
        axis.axvline(0.5, color="0.6", linewidth=1, linestyle=":")
        axis.set_title(f"{PROBLEMS[problem].title}, {distance}", fontsize=10)
        axis.set(xlabel="AUROC", xlim=(min(0.45, axis.get_xlim()[0]), 1.01))
        axis.grid(axis="y", color="0.92")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        for family in list(ROWS.values())[1:]:
            first = next(name for name in family if name in heights)
            axis.axhline(heights[first] - 0.5, color="0.7", linewidth=0.8)
    axes[0, 0].set_yticks(range(len(ALL_ROWS)), [titles[name] for name in ALL_ROWS])
    axes[0, 0].get_yticklabels()[heights[PRIMARY]].set_fontweight("bold")
    axes[0, 0].invert_yaxis()
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper right", ncols=2, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)
