"""``python -m benchmarks.planning``: how long a job takes to plan, and to find what is open.

Real image files on this machine's disk, a unit each. Every figure comes from a fresh process that
does what ``raygrad run`` does before and after Ray's start, imports included: "plan" makes a new
table's plan and writes it, "resume" loads it when 99 % of the units have their file.
"""

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmarks import machine
from benchmarks.report import section

FACTORY = """
import torch


def linear():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
"""
FILES_PER_FOLDER = 1000
OUTPUT = Path(__file__).with_name("RESULTS_PIPELINE.md")


def prepare_folder(root: Path, files: int) -> None:
    """A job whose images are links to one file, which list as files of their own."""
    (root / "tiny.py").write_text(FACTORY)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(root / "one.png")
    for number in range(files):
        folder = root / "in" / f"{number // FILES_PER_FOLDER:04d}"
        if number % FILES_PER_FOLDER == 0:
            folder.mkdir(parents=True)
            shutil.copy(root / "one.png", folder / "one.png")  # a file takes 65,000 links at most
            os.rename(folder / "one.png", folder / "0000.png")
        else:
            os.link(folder / "0000.png", folder / f"{number % FILES_PER_FOLDER:04d}.png")
    spec = {
        "output": "table",
        "sources": [{"path": "in", "format": "images"}],
        "input": {"column": "image", "decode": "image", "mode": "L"},
        "model": {"factory": "tiny:linear"},
        "metrics": {"all": ["l1"]},
        "rows_per_file": 1,
    }
    (root / "job.yaml").write_text(yaml.safe_dump(spec))


def finish(root: Path, share: float) -> None:
    """Puts a file into place for so many of the plan's units; only names are ever looked at."""
    from raygrad import plan
    from raygrad.table import layout

    units = plan.load(str(root / "table"))
    scores = Path(layout.scores(str(root / "table")))
    scores.mkdir(exist_ok=True)
    for unit in itertools.islice(units, int(share * len(units))):
        (scores / unit.path).write_bytes(b"")


def one(root: Path) -> dict[str, float]:
    """What ``raygrad run`` does beside Ray, in this process."""
    started = time.perf_counter()
    os.chdir(root)
    from raygrad import plan, validate
    from raygrad.table import identity

    imported = time.perf_counter()
    job = validate.prepare("job.yaml")
    prepared = time.perf_counter()
    identity.claim(job.spec.output, job.identity)
    if len(job.fresh):
        plan.save(job.spec.output, job.fresh)
    return {
        "units": len(job.units),
        "open": len(job.open),
        "imports": imported - started,
        "prepare": prepared - imported,
        "save": time.perf_counter() - prepared,
        "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measured(root: Path) -> dict[str, float]:
    """:func:`one` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.planning", "--one", str(root)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measures, prints the table and writes it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one)))
        return
    lines = [
        "| files | what | units open | imports s | prepare s | write plan s | together s | "
        "peak RSS MiB |",
        "|-|-|-|-|-|-|-|-|",
    ]
    for files in options.files:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            prepare_folder(root, files)
            for what in ("plan", "resume"):
                found = measured(root)
                seconds = [found["imports"], found["prepare"], found["save"]]
                shown = " | ".join(f"{value:.2f}" for value in [*seconds, sum(seconds)])
                lines.append(
                    f"| {files:,} | {what} | {found['open']:,} | {shown} | {found['MiB']:,.0f} |"
                )
                print(lines[-1], flush=True)
                if what == "plan":
                    finish(root, 0.99)
    described = machine.describe()
    head = [f"{described['CPU']}, {described['date']}, commit {described['commit']}.", ""]
    section(OUTPUT, "Planning", [*head, *lines])


if __name__ == "__main__":
    main()
