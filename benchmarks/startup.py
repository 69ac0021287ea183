"""How long ``raygrad --help`` takes, beside a Python that does nothing."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

REPEATS = 9


def help_time() -> str:
    """Medians of runs that take turns, and the median of their ratios."""
    command = [str(Path(sys.executable).with_name("raygrad")), "--help"]
    bare = [sys.executable, "-c", "import click"]
    pairs = [(_seconds(command), _seconds(bare)) for _ in range(REPEATS)]
    ours = statistics.median(seconds for seconds, _ in pairs)
    ratio = statistics.median(seconds / other for seconds, other in pairs)
    return f"{ours * 1e3:.0f} ms, {ratio:.2f} times a Python that imports click and ends"


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
