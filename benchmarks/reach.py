"""What the project set out to reach, and whether these rows do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.measure import Row


@dataclass(frozen=True)
class Goal:
    """A ratio that raygrad's rows of one metric set should reach.

    Args:
        metric_set: Name of the metric set.
        nets: From a net's name to the least ratio.
        base: ``training`` or ``forward``.
        batches: Batch sizes that count; empty for all.
    """

    metric_set: str
    nets: dict[str, float]
    base: str = "training"
    batches: tuple[int, ...] = ()


EVERY = ("mlp", "cnn", "resnet18", "vit-tiny", "encoder")
GOALS = [
    Goal("all", {"mlp": 1.1, "cnn": 0.9, "resnet18": 0.8, "vit-tiny": 0.85, "encoder": 0.85}),
    Goal("mean-std-L2", dict.fromkeys(EVERY, 1.0)),
    Goal("L2", dict.fromkeys(EVERY, 1.0)),
    Goal("last-layer-L1", dict.fromkeys(("resnet18", "vit-tiny", "encoder"), 0.95), "forward"),
    Goal("last-layer-L1", dict.fromkeys(("mlp", "cnn"), 0.85), "forward", (256,)),
]
MEMORY = 1.25  # times the training step's
PREDECESSOR = {"cnn": 20.0, "mlp": 500.0}  # times gradient_metrics at batch 64


def judged(rows: Sequence[Row]) -> Iterator[tuple[str, float, float, bool]]:
    """Goals that these rows can be held against.

    Yields:
        What was to be reached, the goal, what was measured, and whether that is reached.
    """
    by_key = {(r.net, r.batch, r.metric_set, r.peer): r for r in rows}
    ours = [row for row in rows if row.peer == "ours" and row.seconds]
    for goal in GOALS:
        for row in ours:
            if row.metric_set != goal.metric_set or row.net not in goal.nets:
                continue
            if goal.batches and row.batch not in goal.batches:
                continue
            found = row.ratio if goal.base == "training" else row.of_forward
            name = f"{row.net}, batch {row.batch}, {row.metric_set}: x {goal.base}"
            yield name, goal.nets[row.net], found, found >= goal.nets[row.net]
    for row in ours:
        old = by_key.get((row.net, row.batch, row.metric_set, "gradient_metrics"))
        if row.net in PREDECESSOR and row.batch == 64 and old and old.rate:
            found, least = row.rate / old.rate, PREDECESSOR[row.net]
            yield (
                f"{row.net}, batch 64, {row.metric_set}: x gradient_metrics",
                least,
                found,
                (found >= least),
            )
        base = by_key.get((row.net, row.batch, "all", "training"))
        if row.peak is not None and base and base.peak:
            found = row.peak / base.peak
            yield (
                f"{row.net}, batch {row.batch}, {row.metric_set}: peak memory at most",
                MEMORY,
                (found),
                found <= MEMORY,
            )
