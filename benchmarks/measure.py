"""Measures all peers on one net and batch size in one run, their repeats interleaved."""

import copy
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from benchmarks import memory, nets
from benchmarks.accuracy import Truth
from benchmarks.metric_sets import METRIC_SETS
from benchmarks.peers import PEERS, Run

KNOWN_SAMPLES = 4  # whose float64 truth is computed
GRADIENT_BYTES = 2 * 2**30  # what the gradients that a peer keeps may take


@dataclass
class Row:
    """One line of the results.

    ``ratio`` and ``of_forward`` are medians over the repeats of a training step's (a forward's)
    seconds over this row's, measured in the same repeat.
    """

    net: str
    batch: int
    metric_set: str
    peer: str
    samples: int = 0
    seconds: list[float] = field(default_factory=list)
    error: float | None = None
    peak: int | None = None
    unsupported: str = ""
    ratio: float | None = None
    of_forward: float | None = None

    @property
    def rate(self) -> float | None:
        """Samples a second, from the median of the repeats."""
        return self.batch / statistics.median(self.seconds) if self.seconds else None


@dataclass(frozen=True)
class Plan:
    """What one run measures, and how long.

    Args:
        rows: Metric set and peer of each row; the baselines are added.
        seconds: What the repeats of all rows may take together.
        slow_seconds: What one repeat of a slow peer may take; it sets how many samples it computes.
        rounds: Least and most repeats.
        threads: CPU threads.
        with_memory: Whether peak memory is measured, too.
    """

    rows: Sequence[tuple[str, str]]
    seconds: float = 90.0
    slow_seconds: float = 2.0
    rounds: tuple[int, int] = (3, 15)
    threads: int = 2
    with_memory: bool = True


def measure(net: str, size: int, plan: Plan) -> list[Row]:
    """Measures one net at one batch size.

    Args:
        net: Name of the net.
        size: Samples of the batch.
        plan: What is measured.

    Returns:
        The rows, baselines first.
    """
    torch.set_num_threads(plan.threads)
    model, inputs = nets.make(net), nets.batch(net, size)
    rows = [Row(net, size, "all", name) for name, peer in PEERS.items() if peer.baseline]
    rows += [Row(net, size, metric_set, peer) for metric_set, peer in plan.rows]
    truths = {
        name: Truth(model, nets.NETS[net].head, METRIC_SETS[name], inputs[:KNOWN_SAMPLES])
        for name in {row.metric_set for row in rows if not PEERS[row.peer].baseline}
    }
    runs = []
    for row in rows:
        run = _prepared(row, model, inputs, truths.get(row.metric_set), plan)
        if run is not None:
            runs.append((row, run))
    once = sum(_first_seconds(row, run, inputs) for row, run in runs)
    rounds = min(max(int(plan.seconds / once), plan.rounds[0]), plan.rounds[1])
    for _ in range(rounds):
        for row, run in runs:
            row.seconds.append(run(inputs, row.samples).seconds)
    _set_ratios(rows)
    if plan.with_memory:
        for row, _ in runs:
            row.peak = memory.peak(
                net=net,
                metric_set=row.metric_set,
                peer=row.peer,
                size=size,
                samples=row.samples,
                threads=plan.threads,
            )
    return rows


def _prepared(
    row: Row, model: torch.nn.Module, inputs: torch.Tensor, truth: Truth | None, plan: Plan
) -> Run | None:
    """Prepares a peer, sets how many samples it computes and checks its numbers."""
    peer, metric_set = PEERS[row.peer], METRIC_SETS[row.metric_set]
    own = copy.deepcopy(model)
    targets = metric_set.targets(own, nets.NETS[row.net].head)
    tried = min(KNOWN_SAMPLES, len(inputs))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = peer.prepare(own, targets, metric_set)
            row.samples = len(inputs)
            if peer.shrinks:
                run(inputs[:2], 2)
                outcome = run(inputs, tried)
                in_time = int(plan.slow_seconds * len(inputs) / outcome.seconds)
                row.samples = min(len(inputs), max(in_time, tried))
                if peer.keeps_gradients:
                    kept = 4 * sum(p.numel() for target in targets for p in target)
                    row.samples = min(row.samples, max(GRADIENT_BYTES // kept, tried))
            outcome = run(inputs, row.samples)
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is why it can't do this
        reason = str(error).strip().splitlines() or [""]
        row.unsupported = f"{type(error).__name__}: {reason[0][:110]}"
        return None
    if truth is not None and not peer.baseline:
        row.error = truth.error(outcome.metrics)
    return run


def _first_seconds(row: Row, run: Run, inputs: torch.Tensor) -> float:
    """Seconds that one repeat really takes (those of a row may be extrapolated)."""
    start = time.perf_counter()
    run(inputs, row.samples)
    return time.perf_counter() - start


def _set_ratios(rows: Sequence[Row]) -> None:
    by_peer = {row.peer: row for row in rows if PEERS[row.peer].baseline}
    for row in rows:
        if row.seconds:
            row.ratio = statistics.median(_quotients(by_peer["training"], row))
            row.of_forward = statistics.median(_quotients(by_peer["forward"], row))


def _quotients(base: Row, row: Row) -> Iterator[float]:
    return (b / r for b, r in zip(base.seconds, row.seconds, strict=True))
