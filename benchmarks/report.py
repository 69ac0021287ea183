"""Shows results: a line a row while they come, and RESULTS.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measure import KNOWN_SAMPLES, Row
from benchmarks.peers import PEERS
from benchmarks.reach import judged

COLUMNS = ("metrics", "peer", "samples/s", "x training", "x forward", "peak MiB", "error", "note")
NOTES = f"""\
- Each net and batch size is one run: all rows take turns, repeat after repeat, and ratios are
  medians over the repeats of two times from the same repeat. More than 1 is faster.
- x training: a training step is a forward and a backward of the summed loss; x forward: a forward
  without grad.
- Slow peers compute as many samples of the batch as fit a time limit (2 seconds) and 2 GiB
  of gradients; the note says how many, the rate is extrapolated. gradient_metrics runs the forward
  of the whole batch, and a backward over the whole batch for each of these samples.
- peak MiB: what a process of its own grew by above the loaded model and batch.
- error: the largest relative error of the first {KNOWN_SAMPLES} samples against float64, one
  backward a sample; forward pass and loss in float32 count. Maximum and minimum are relative to
  the larger of the two, the mean to the mean of absolute values.
- last-layer-L1 is GradNorm, with all other parameters frozen, for every peer.
- "unsupported" is what the package answered when tried, "WRONG" an error above 1e-2.
"""


def cells(row: Row) -> list[str]:
    """A row's cells, in the order of ``COLUMNS``."""
    peer = PEERS[row.peer]
    wanted = "-" if peer.baseline else row.metric_set
    if row.unsupported:
        return [wanted, peer.title, "", "", "", "", "", f"unsupported: {row.unsupported}"]
    note = []
    if row.samples < row.batch:
        note.append(f"on {row.samples} of {row.batch} samples")
    if row.error is not None and row.error > 1e-2:
        note.append("WRONG")
    return [
        wanted,
        peer.title,
        _number(row.rate),
        _number(row.ratio),
        _number(row.of_forward),
        "" if row.peak is None else f"{row.peak / 2**20:.0f}",
        "" if row.error is None else f"{row.error:.0e}",
        ", ".join(note),
    ]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def show(rows: Sequence[Row]) -> None:
    """Prints the rows of one run."""
    print(f"\n{rows[0].net}, batch {rows[0].batch}, {len(rows[0].seconds)} repeats")
    lines = [list(COLUMNS), *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS) - 1)]
    for line in lines:
        padded = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=False))
        ]
        print("  ".join([*padded, line[-1]]).rstrip(), flush=True)


def write(path: Path, machine: Mapping[str, str], runs: Sequence[Sequence[Row]]) -> None:
    """Writes all runs as Markdown."""
    parts = ["# Benchmark results\n", "Written by `make bench`; don't edit.\n"]
    parts.append("\n".join(f"- {key}: {value}" for key, value in machine.items()) + "\n")
    parts.append(NOTES)
    goals = list(judged([row for run in runs for row in run]))
    if goals:
        parts.append("## Goals\n")
        body = [
            [name, f"{goal:g}", f"{found:.3g}", "yes" if reached else "no"]
            for name, goal, found, reached in goals
        ]
        parts.append(_table(("what", "goal", "measured", "reached"), body))
    for rows in runs:
        parts.append(f"## {rows[0].net}, batch {rows[0].batch}\n")
        parts.append(f"{len(rows[0].seconds)} repeats.\n")
        parts.append(_table(COLUMNS, [cells(row) for row in rows]))
    path.write_text("\n".join(parts))


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["-"] * len(head), *body]
    return (
        "\n".join("|" + "|".join(c.replace("|", "/") for c in line) + "|" for line in lines) + "\n"
    )


def section(path: Path, title: str, lines: Sequence[str]) -> None:
    """Replaces one section of a Markdown page, or adds it at the end."""
    whole = path.read_text() if path.exists() else "# Results of the pipeline\n"
    head, *parts = whole.split("\n## ")
    sections = {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}
    sections[title] = "\n".join(lines).strip()
    path.write_text(
        "\n\n".join([head.strip(), *(f"## {t}\n\n{text}" for t, text in sections.items())]) + "\n"
    )
