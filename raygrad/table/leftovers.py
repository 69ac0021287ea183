"""Unfinished files of runs that were killed, which nobody will finish."""

import contextlib
import os
import time

from raygrad import storage
from raygrad.table import layout

OLD = 24 * 3600
"""Seconds. No file takes a day to write, so an older one has no writer any more."""


def sweep(root: str) -> int:
    """Removes the old unfinished files of a table on a disk; a store shows none.

    Returns:
        How many there were.
    """
    if not storage.is_local(root):
        return 0
    swept = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(layout.scratch(root)) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another run sweeps, too
                if entry.is_file() and time.time() - entry.stat().st_mtime > OLD:
                    os.unlink(entry.path)
                    swept += 1
    return swept
