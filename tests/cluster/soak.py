"""Random kills over several jobs, and what became of their rows: `make soak`; not in CI.

Each job is a `raygrad run` on an embedded Ray, started again for as long as it doesn't end with
exit code 0. The table at the end must say that no row was lost, doubled or scored differently.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
from ledger import Ledger
from workplace import Workplace

TITLES = {
    "scoring actor": "ray::MapWorker",
    "decode worker": "ray::MapBatches(read_and_decode)",
    "publishing worker": "ray::publish_unit",
    "coordinator": "ray::Coordinator",
    "raylet": "raylet/raylet",
    "driver": "",
}
WEIGHTS = {
    "scoring actor": 8,
    "decode worker": 6,
    "publishing worker": 1,
    "coordinator": 2,
    "raylet": 1,
    "driver": 3,
}
ROWS = 2400


def job(folder: Path) -> Workplace:
    """300 batches of 50 ms, read at some 400 rows a second."""
    workplace = Workplace(folder, rows=ROWS)
    workplace.spec["model"] |= {"factory": "faulty:Model", "arguments": {"seconds": 0.05}}
    workplace.spec["input"]["image"] |= {"transform": "faulty:slow"}
    return workplace


def processes(driver: int, title: str) -> list[int]:
    """The processes that a driver has started, directly or not, by what `ps` calls them."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
            if title in (folder / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue

    def below(pid: int) -> bool:
        while pid in parents and pid != driver:
            pid = parents[pid]
        return pid == driver

    return [pid for pid in found if pid != driver and below(pid)]


def disturb(
    process: subprocess.Popen, chance: random.Random, left: int, longest_pause: float
) -> Counter:
    """Kills something every few seconds until the run is over; returns what was killed."""
    killed: Counter = Counter()
    while process.poll() is None:
        time.sleep(chance.uniform(0.2, longest_pause))
        if killed.total() >= left or not processes(process.pid, TITLES["scoring actor"]):
            continue
        (kind,) = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        deadline = time.monotonic() + 3
        while process.poll() is None and time.monotonic() < deadline:
            driver = [process.pid] if kind == "driver" else []
            pids = driver or processes(process.pid, TITLES[kind])
            if pids:
                try:
                    os.kill(chance.choice(pids), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed[kind] += 1
                break
            time.sleep(0.002)
    return killed


def undisturbed(folder: Path) -> pa.Table:
    workplace = job(folder)
    finished = workplace.run()
    assert finished.returncode == 0, finished.stderr
    return workplace.table()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60, help="No kills after so long.")
    parser.add_argument("--pause", type=float, default=6, help="At most so long between kills, s.")
    arguments = parser.parse_args()
    chance, ledger = random.Random(arguments.seed), Ledger()
    end = time.monotonic() + 60 * arguments.minutes
    left, jobs, runs = arguments.kills, 0, 0
    with tempfile.TemporaryDirectory() as root:
        expected = undisturbed(Path(root, "undisturbed"))
        while left > 0 and time.monotonic() < end:
            jobs += 1
            workplace = job(Path(root, str(jobs)))
            total: Counter = Counter()
            code = None
            while code != 0:
                runs += 1
                with open(workplace.folder / "output", "a+b") as output:
                    process = workplace.start(stdout=output, stderr=output)
                    allowed = left if time.monotonic() < end else 0
                    killed = disturb(process, chance, allowed, arguments.pause)
                code = process.wait()
                left -= killed.total()
                total += killed
                if code != 0 and not killed:
                    sys.exit((workplace.folder / "output").read_text())
            ledger.settle(workplace, expected, **{f"SIGKILL of a {k}": n for k, n in total.items()})
            print(f"job {jobs}, {runs} runs so far, {arguments.kills - left} kills", flush=True)
    print(f"\n{jobs} jobs of {ROWS:,} rows, {runs} runs, seed {arguments.seed}\n\n{ledger}")
    if any(e.lost or e.doubled or e.different for e in ledger.entries.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
