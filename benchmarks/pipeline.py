"""``python -m benchmarks.pipeline``: what the pipeline costs beside the model, and how it grows.

Two questions, each job in a process of its own, models with one torch thread:

- ``--rows 10000 100000 1000000``: a tiny model. What does a row cost, and does the driver's memory
  grow with the number of rows?
- ``--busy``: a model that needs 20 ms a batch or more. Which share of the rate of a bare loop over
  rows in memory does the pipeline reach? Plain Ray Data, Daft and Spark run beside it, forward
  only. raygrad computes the gradient of the last bias, too: a spec needs a metric, and there is
  none that costs less. All take turns, round after round; medians are told, and the range of the
  shares. The model is one of convolutions: large linear layers, whose weights don't fit the caches,
  made a bare loop's own rate differ by 15 % from run to run.

Rates of raygrad are from the first score to the last, as in its summary.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks import batch_systems, machine
from benchmarks.batch_systems import BATCH, FEATURES
from benchmarks.report import section
from raygrad.cluster.allocator import KEEPS_MEMORY

OUTPUT = Path(__file__).with_name("RESULTS_PIPELINE.md")
ROWS_PER_GROUP = 10_000
FACTORY = """
from collections import OrderedDict

from torch import manual_seed
from torch.nn import AdaptiveAvgPool2d, Conv2d, Flatten, Linear, ReLU, Sequential, Unflatten


def tiny():
    manual_seed(0)
    body = Sequential(Linear(64, 16), ReLU(), Linear(16, 16), ReLU())
    return Sequential(OrderedDict(body=body, head=Linear(16, 10))).eval()


def busy():
    manual_seed(0)
    body = [Unflatten(1, (1, 8, 8)), Conv2d(1, 64, 3, padding=1), ReLU()]
    for _ in range(8):
        body += [Conv2d(64, 64, 3, padding=1), ReLU()]
    body += [AdaptiveAvgPool2d(1), Flatten()]
    return Sequential(OrderedDict(body=Sequential(*body), head=Linear(64, 10))).eval()
"""


def prepare_folder(root: Path, rows: int, model: str) -> None:
    """Parquet files of random vectors, a spec and a factory."""
    (root / "nets.py").write_text(FACTORY)
    (root / "in").mkdir()
    rng = np.random.default_rng(0)
    for first in range(0, rows, 10 * ROWS_PER_GROUP):
        count = min(10 * ROWS_PER_GROUP, rows - first)
        values = pa.array(rng.normal(size=count * FEATURES).astype(np.float32))
        lists = pa.FixedSizeListArray.from_arrays(values, FEATURES)
        name = root / "in" / f"{first:08d}.parquet"
        pq.write_table(pa.table({"x": lists}), name, row_group_size=ROWS_PER_GROUP)
    spec = {
        "output": "table",
        "sources": [{"path": "in"}],
        "input": {"column": "x"},
        "model": {"factory": f"nets:{model}"},
        "metrics": {"head.bias": ["l1"]},
        "batch_size": BATCH,
        "rows_per_file": ROWS_PER_GROUP,
        "actors": {"min": 1, "max": 1},
    }
    (root / "job.yaml").write_text(yaml.safe_dump(spec))


def raygrad(root: Path) -> dict[str, Any]:
    """The job as ``raygrad run`` runs it."""
    os.chdir(root)
    from raygrad import validate
    from raygrad.cluster.run import run

    summary = run(validate.prepare("job.yaml"))
    found = {"rows": summary.rows, "seconds": summary.seconds, "rate": summary.rate}
    # Pages of Ray's object store that the driver has touched are in its RSS, and not its own.
    own = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert own is not None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**found, "peak MiB": peak, "own MiB": int(own[1]) / 1024}


def bare(root: Path) -> dict[str, Any]:
    """The job's scorer in a loop, rows in memory, no Ray."""
    os.chdir(root)
    import torch

    from raygrad import validate
    from raygrad.scorer import Scorer, decode_batch
    from raygrad.sources import batches

    torch.set_num_threads(1)
    job = validate.prepare("job.yaml")
    decoded = [
        decode_batch(batch, job.spec)
        for unit in job.units
        for batch in batches(unit.segments, ["x"], BATCH)
    ]
    scorer = Scorer(job.spec, job.model, torch.device("cpu"), job.kept)
    scorer.score(decoded[0])
    started = time.perf_counter()
    for batch in decoded[1:]:
        scorer.score(batch)
    seconds = time.perf_counter() - started
    rows = sum(map(len, decoded[1:]))
    return {"rows": rows, "seconds": seconds, "rate": rows / seconds}


WAYS = {
    "bare": bare,
    "raygrad": raygrad,
    "bare_forward": batch_systems.bare_forward,
    "ray_data": batch_systems.ray_data,
    "daft": batch_systems.daft,
    "spark": batch_systems.spark,
}
"""Each of the second kind is held against the loop of its own kind, which comes before it."""


def measured(way: str, root: Path) -> dict[str, Any]:
    """One way in a fresh process; bare loops have the malloc that raygrad gives its actors."""
    environment = os.environ | (KEEPS_MEMORY["env_vars"] if way.startswith("bare") else {})
    command = [sys.executable, "-m", "benchmarks.pipeline", "--one", way, str(root)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def growth(counts: list[int]) -> list[str]:
    """A tiny model over more and more rows."""
    head = "rows | seconds | rows/s once started | microseconds a row | driver's peak RSS MiB | "
    lines = [f"| {head}its own memory at the end MiB |", "|-|-|-|-|-|-|"]
    for rows in counts:
        with tempfile.TemporaryDirectory() as folder:
            prepare_folder(Path(folder), rows, "tiny")
            found = measured("raygrad", Path(folder))
        cost = 1e6 / found["rate"]
        lines.append(
            f"| {rows:,} | {found['seconds']:.1f} | {found['rate']:,.0f} | {cost:.1f} | "
            f"{found['peak MiB']:,.0f} | {found['own MiB']:,.0f} |"
        )
        print(lines[-1], flush=True)
    return lines


def busy(rows: int, rounds: int) -> list[str]:
    """A model that keeps an actor busy, in each way."""
    rates, shares, seconds = (np.zeros((len(WAYS), rounds)) for _ in range(3))
    for turn in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            prepare_folder(Path(folder), rows, "busy")
            for index, way in enumerate(WAYS):
                found = measured(way, Path(folder))
                rates[index, turn], seconds[index, turn] = found["rate"], found["seconds"]
                if way.startswith("bare"):
                    loop = found["rate"]
                shares[index, turn] = found["rate"] / loop
                print(f"{way}: {found['rate']:,.0f} rows/s, {shares[index, turn]:.3f}", flush=True)
    lines = ["| way | scores | ms a batch | rows/s once started | share of its loop | whole s |"]
    lines.append("|-|-|-|-|-|-|")
    for index, way in enumerate(WAYS):
        scores = "forward and one bias's gradient" if way in ("bare", "raygrad") else "forward only"
        rate, share = np.median(rates[index]), shares[index]
        span = f"{np.median(share):.3f} ({share.min():.3f} to {share.max():.3f})"
        lines.append(
            f"| {way} | {scores} | {BATCH / rate * 1e3:.1f} | {rate:,.0f} | {span} | "
            f"{np.median(seconds[index]):.1f} |"
        )
    print("\n".join(lines))
    return lines


def main() -> None:
    """Measures what is asked for, prints the tables and writes them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[])
    parser.add_argument("--busy", type=int, metavar="ROWS", help="rows for the busy model")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        way, root = options.one
        print(json.dumps(WAYS[way](Path(root))))
        return
    described = machine.describe()
    head = [f"{described['CPU']}, {described['date']}, commit {described['commit']}.", ""]
    if options.rows:
        section(OUTPUT, "Rows", [*head, *growth(options.rows)])
    if options.busy:
        lines = busy(options.busy, options.rounds)
        section(OUTPUT, "A busy model", [*head, *lines])


if __name__ == "__main__":
    main()
