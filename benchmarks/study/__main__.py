"""``python -m benchmarks.study``: trains, scores, and writes docs/study.md."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.study import page
from benchmarks.study.record import record
from benchmarks.study.results import Cell
from benchmarks.study.settings import FULL, QUICK


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("--quick", action="store_true",
                        help="a check with few images that are installed")  # fmt: skip
    parser.add_argument("--seeds", type=int, help="networks of each kind")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="train and score anew")
    parser.add_argument("--output", type=Path, help="docs/study.md, or else .study/quick.md")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Runs the study."""
    options = arguments(given)
    torch.set_num_threads(options.threads)
    settings = QUICK if options.quick else FULL
    settings = replace(settings, seeds=options.seeds or settings.seeds)
    output = options.output or Path(".study/quick.md" if options.quick else "docs/study.md")
    cells = []
    for problem in settings.problems:
        for net in settings.nets:
            records = []
            for seed in range(settings.seeds):
                found = record(problem, net, seed, settings, cached=not options.fresh)
                print(f"{problem}, {net}, seed {seed}: accuracy {found.accuracy:.1%}", flush=True)
                records.append(found)
            cells.append(Cell(records))
    page.write(cells, settings, output, interpreted=not options.quick)
    print(f"written to {output}")


if __name__ == "__main__":
    main()
