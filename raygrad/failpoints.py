"""Places where tests have a process killed; without RAYGRAD_FAILPOINTS they do nothing.

``RAYGRAD_FAILPOINTS="publish.before=FILE,driver.unit=FILE"`` kills the first process that reaches
a place, with SIGKILL, and creates the file, so that no second one is.
"""

import os
import signal

NAMES = ("publish.before", "publish.after", "driver.unit", "driver.published", "flags.before")

_MARKERS = dict(
    pair.split("=", 1) for pair in os.environ.get("RAYGRAD_FAILPOINTS", "").split(",") if pair
)


def reach(name: str) -> None:
    """Kills this process if it is the first that reaches an armed place."""
    if name in _MARKERS:
        try:
            os.close(os.open(_MARKERS[name], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
