"""``python -m benchmarks``: measures and writes benchmarks/RESULTS.md."""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, report
from benchmarks.measure import Plan, Row, measure
from benchmarks.metric_sets import METRIC_SETS
from benchmarks.nets import NETS
from benchmarks.peers import PEERS
from benchmarks.startup import help_time

RIVALS = [name for name, peer in PEERS.items() if not peer.baseline and name != "ours"]
# raygrad is measured with every metric set; the others with the dearest and the cheapest, which
# is where they differ
RIVAL_SETS = ("all", "L2")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 64, 256], metavar="N")
    parser.add_argument("--sets", nargs="+", choices=METRIC_SETS, default=list(METRIC_SETS),
                        help="metric sets that raygrad computes")  # fmt: skip
    parser.add_argument("--peers", nargs="*", choices=RIVALS, default=RIVALS,
                        help="which others are measured; none if left empty")  # fmt: skip
    parser.add_argument("--peer-sets", nargs="+", choices=METRIC_SETS, default=list(RIVAL_SETS),
                        help="metric sets that the others compute")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=90.0,
                        help="time for the repeats of one net and batch size")  # fmt: skip
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-memory", action="store_true", help="skip peak memory")
    parser.add_argument("--quick", action="store_true",
                        help="a smoke check: two small nets, nothing written")  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    found = parser.parse_args(given)
    if found.quick:
        found.nets, found.batches, found.seconds = ["mlp", "cnn"], [16], 2.0
        found.no_memory, found.peer_sets = True, ["all"]
    return found


def main() -> None:
    """Measures every net at every batch size, and writes what is there after each."""
    options = arguments()
    # peers warn of their own future; what they get wrong shows in the table
    warnings.simplefilter("ignore")
    wanted = [(metric_set, "ours") for metric_set in options.sets]
    wanted += [(s, peer) for s in options.peer_sets if s in options.sets for peer in options.peers]
    wanted.sort(key=lambda row: options.sets.index(row[0]))
    plan = Plan(
        wanted,
        seconds=options.seconds,
        slow_seconds=0.2 if options.quick else 2.0,
        rounds=(2, 3) if options.quick else (3, 15),
        threads=options.threads,
        with_memory=not options.no_memory,
    )
    described: dict[str, str] = {}
    runs: list[list[Row]] = []
    for net in options.nets:
        for size in options.batches:
            runs.append(measure(net, size, plan))
            report.show(runs[-1])
            described = described or {**machine.describe(), "raygrad --help": help_time()}
            if not options.quick:
                report.write(options.output, described, runs)
    if not options.quick:
        print(f"\nwritten to {options.output}")


if __name__ == "__main__":
    main()
