"""Reads the demo's table with pandas, and draws demo/histograms.png."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

TABLE, PICTURE = "demo/table/scores", "demo/histograms.png"
NAMES = {
    "mnist": "known: digits 0 to 7",
    "digits_8_9": "near: digits 8 and 9",
    "photos": "far: photographs",
}


def main() -> None:
    table = pd.read_parquet(TABLE)
    draw(table[table["error_type"].isna()])
    print(
        f"\n{len(table):,} rows in {TABLE}\n"
        f"inputs and checkpoint  demo/inputs, demo/checkpoint.pt\n"
        f"histograms             {PICTURE}\n\n"
        f"Try next:\n"
        f"  .venv/bin/raygrad run jobs/demo.yaml        # again: scores nothing, all is done\n"
        f"  .venv/bin/raygrad validate jobs/demo.yaml   # what a job would do, without a cluster\n"
        f"  .venv/bin/raygrad run jobs/demo.yaml --limit 200 --output demo/trial   # a trial"
    )


def draw(table: pd.DataFrame) -> None:
    panels = {
        "L1 norm of the gradient, whole model": (table["all_l1"], "log"),
        "L1 norm of the gradient, last layer": (table["fc_l1"], "log"),
        "1 - maximum softmax probability": (1 - table["msp"], "log"),
        "energy (log sum exp of the logits)": (table["energy"], "linear"),
    }
    colours = {"mnist": "#4477AA", "digits_8_9": "#EE6677", "photos": "#CCBB44"}
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
                label=NAMES[dataset],
            )
        axis.set(title=title, ylabel="images", xscale=scale)
        axis.spines[["top", "right"]].set_visible(False)
    legend = axes[0, 0].get_legend_handles_labels()
    figure.legend(*legend, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("Do the scores tell known from unknown images?", fontsize=14)
    figure.savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    main()
