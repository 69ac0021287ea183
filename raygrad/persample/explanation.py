"""What the engine did with each target, and what it cost: the answer to why a model is slow."""

from typing import NamedTuple

import torch

from raygrad.persample.engine import Engine


class Row(NamedTuple):
    """One target.

    Attributes:
        target: Its name.
        shape: Its shape.
        consumer: The ops that consume it, as autograd names them; "" where none was sought.
        kind: "rule", "own slice", "unreached" or "reference".
        why: For the reference, the reason.
        how: "closed form", "tiles", ...; "reference" for backwards of single samples.
        share: Of the time that the collector took, from 0 to 1.
    """

    target: str
    shape: tuple[int, ...]
    consumer: str
    kind: str
    why: str
    how: str
    share: float


class Explanation(NamedTuple):
    """A row for each target in the order of the metrics' targets; prints as a table.

    ``elsewhere`` is the share of the backward itself, of finding the plan, and of merging.
    """

    rows: list[Row]
    seconds: float
    elsewhere: float

    @property
    def referred(self) -> float:
        """The share of target entries that the reference had to take, from 0 to 1."""
        total = sum(_entries(row.shape) for row in self.rows)
        taken = sum(_entries(row.shape) for row in self.rows if row.kind == "reference")
        return taken / total if total else 0.0

    def __str__(self) -> str:
        header = ("target", "shape", "consumer", "by", "how", "share")
        lines = [
            (
                row.target,
                "x".join(map(str, row.shape)) or "scalar",
                row.consumer or "-",
                f"{row.kind}: {row.why}" if row.kind == "reference" else row.kind,
                row.how,
                f"{row.share:.1%}",
            )
            for row in self.rows
        ]
        rest = ("(backward, plan, merging)", "", "", "", "", f"{self.elsewhere:.1%}")
        table = [header, *lines, rest]
        widths = [max(len(line[column]) for line in table) for column in range(len(header))]
        text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]
        text.append(
            f"{self.seconds * 1e3:.1f} ms; {self.referred:.1%} of the entries by the reference"
        )
        return "\n".join(text)


def explanation_of(engine: Engine, names: list[str], seconds: float) -> Explanation:
    """Reads off an engine that has run what it did.

    Args:
        engine: After its run, with a clock.
        names: One for each target.
        seconds: What the whole call took.
    """
    rows = []
    for name, target, plan, how, own in zip(
        names, engine.targets, engine.plans, engine.how, engine.seconds, strict=True
    ):
        ops = dict.fromkeys(consumer.use.node.name() for consumer in plan.consumers)
        rows.append(
            Row(
                name,
                tuple(target.tensor.shape),
                ", ".join(ops),
                plan.kind,
                plan.why if plan.kind == "reference" else "",
                how or plan.kind,
                own / seconds if seconds > 0 else 0.0,
            )
        )
    return Explanation(rows, seconds, max(0.0, 1.0 - sum(row.share for row in rows)))


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was told, so that a clock shows its time."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _entries(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
