"""Where things lie below a table's root."""

from collections.abc import Iterator

from raygrad.storage import each_below, join

SCORES = "scores"
PRIVATE = "_raygrad"


def scores(root: str) -> str:
    """The folder that readers are pointed at: Hive-partitioned Parquet and nothing else."""
    return join(root, SCORES)


def identity(root: str) -> str:
    """The file that says which model, loss and metrics the table belongs to."""
    return join(root, PRIVATE, "identity.json")


def plan(root: str) -> str:
    """The folder of the plan's generations."""
    return join(root, PRIVATE, "plan")


def runs(root: str) -> str:
    """The folder of each run's log and summary."""
    return join(root, PRIVATE, "runs")


def scratch(root: str) -> str:
    """The folder of unfinished files."""
    return join(root, PRIVATE, "tmp")


def swap_lock(root: str) -> str:
    """The file that is locked while one of the table's files is replaced on a disk."""
    return join(root, PRIVATE, "swap.lock")


def lease(root: str, part: str = "") -> str:
    """The file that says which run is at work, on the whole table or on a part such as 3-of-8."""
    return join(parts(root), f"{part}.json") if part else join(root, PRIVATE, "lease.json")


def parts(root: str) -> str:
    """The folder of the leases of runs that are at work on a part."""
    return join(root, PRIVATE, "parts")


def published(root: str) -> Iterator[str]:
    """The files of all units that are done, relative to :func:`scores`."""
    return (file.uri for file in each_below(scores(root), (".parquet",), with_sizes=False))
