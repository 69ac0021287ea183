"""Reads the demo's table with pandas: how well does each score tell known from unknown images?

Prints the AUROC of every score against both unknown data sets and draws demo/histograms.png.
"""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

TABLE, PICTURE = "demo/table/scores", "demo/histograms.png"
KNOWN = "mnist"
UNKNOWN = {"digits_8_9": "near: digits 8 and 9", "photos": "far: photographs"}
BASELINES = {"msp": -1, "max_logit": -1, "energy": -1, "entropy": 1, "margin": -1, "gen": 1}
# Large gradients of the pseudo-label loss are a sign of uncertainty (Oberdiek et al. 2018); the
# smallest entry is negative, and the mean has no known direction, so it isn't judged.
GRADIENTS = {
    "all_max": 1,
    "all_min": -1,
    "all_std": 1,
    "all_l1": 1,
    "all_l2": 1,
    "fc_l1": 1,
    "fc_l2": 1,
}


def main() -> None:
    table = pd.read_parquet(TABLE)
    table = table[table["error_type"].isna()]
    known = table[table["dataset"] == KNOWN]
    accuracy = (known["prediction"] == known["label"]).mean()
    console = Console(width=100)
    console.print(
        f"\n{len(table):,} rows in {TABLE}; "
        f"accuracy on {len(known):,} held-out digits: {accuracy:.1%}"
    )
    console.print(
        auroc_table(table), "best of each column in bold; 0.5 is chance\n", highlight=False
    )
    draw(table)
    console.print(
        f"inputs and checkpoint  demo/inputs, demo/checkpoint.pt\n"
        f"table                  {TABLE}\n"
        f"histograms             {PICTURE}\n\n"
        f"Try next:\n"
        f"  .venv/bin/raygrad run jobs/demo.yaml        # again: scores nothing, all is done\n"
        f"  .venv/bin/raygrad validate jobs/demo.yaml   # what a job would do, without a cluster\n"
        f"  .venv/bin/raygrad run jobs/demo.yaml --limit 200 --output demo/trial   # a trial",
        highlight=False,
        soft_wrap=True,
    )


def auroc(table: pd.DataFrame, score: str, direction: int, unknown: str) -> float:
    rows = table[table["dataset"].isin([KNOWN, unknown])]
    return float(roc_auc_score(rows["dataset"] == unknown, direction * rows[score]))


def auroc_table(table: pd.DataFrame) -> Table:
    values = {
        score: [auroc(table, score, direction, unknown) for unknown in UNKNOWN]
        for score, direction in {**GRADIENTS, **BASELINES}.items()
    }
    best = [max(column) for column in zip(*values.values(), strict=True)]
    shown = Table("score", "kind", *UNKNOWN.values(), title="AUROC", title_justify="left")
    for score, row in values.items():
        kind = "gradient" if score in GRADIENTS else "baseline"
        cells = [
            f"[bold]{v:.3f}[/]" if v == top else f"{v:.3f}"
            for v, top in zip(row, best, strict=True)
        ]
        shown.add_row(score, kind, *cells, end_section=score == list(GRADIENTS)[-1])
    return shown


def draw(table: pd.DataFrame) -> None:
    panels = {
        "L1 norm of the gradient, whole model": (table["all_l1"], "log"),
        "L1 norm of the gradient, last layer": (table["fc_l1"], "log"),
        "1 - maximum softmax probability": (1 - table["msp"], "log"),
        "energy (log sum exp of the logits)": (table["energy"], "linear"),
    }
    colours = {KNOWN: "#4477AA", "digits_8_9": "#EE6677", "photos": "#CCBB44"}
    names = {KNOWN: "known: digits 0 to 7", **UNKNOWN}
    figure, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")
    for axis, (title, (scores, scale)) in zip(axes.flat, panels.items(), strict=True):
        values = scores.clip(lower=1e-7) if scale == "log" else scores
        space = np.geomspace if scale == "log" else np.linspace
        edges = space(values.min(), values.max(), 51)
        for dataset, colour in colours.items():
            axis.hist(
                values[table["dataset"] == dataset],
                bins=edges,
                histtype="stepfilled",
                alpha=0.45,
                color=colour,
                edgecolor=colour,
                label=names[dataset],
            )
        axis.set(title=title, ylabel="images", xscale=scale)
        axis.spines[["top", "right"]].set_visible(False)
    legend = axes[0, 0].get_legend_handles_labels()
    figure.legend(*legend, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("Do the scores tell known from unknown images?", fontsize=14)
    figure.savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    main()
