"""The lease: a heartbeat that keeps two runs from doing the same work; nothing depends on it.

Without it two runs of one table would each score all open units, and all but the first file of each
would be thrown away: a waste, never a row twice.
"""

import contextlib
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from raygrad import storage
from raygrad.errors import TableBusyError
from raygrad.storage.disk import unfinished
from raygrad.storage.location import resolve
from raygrad.table import layout

BEAT = timedelta(seconds=10)
STALE = timedelta(minutes=2)
"""Long enough for a storage that stalls, short enough to wait for after a machine was lost."""

log = logging.getLogger("raygrad.run")


@dataclass(frozen=True)
class Lease:
    """Which run is at work on a table.

    Attributes:
        run: Its id.
        host: Name of the driver's machine.
        pid: The driver's process.
        namespace: That of the process number, which means nothing in another container.
        token: What no other run has.
        started: When the run took the lease, in UTC.
        beat: When it last said that it is alive, in UTC.
        part: The share of the table that it works on, such as 3-of-8; empty for all of it.
    """

    run: str
    host: str
    pid: int
    namespace: str
    token: str
    started: datetime
    beat: datetime
    part: str = ""

    @classmethod
    def of_this_process(cls, run: str, part: str = "") -> Self:
        """A new lease of a run whose driver is this process."""
        now = datetime.now(UTC)
        token = uuid.uuid4().hex
        return cls(run, socket.gethostname(), os.getpid(), _namespace(), token, now, now, part)

    @property
    def is_here(self) -> bool:
        """Whether the run's process would be one of those that this one sees."""
        return (self.host, self.namespace) == (socket.gethostname(), _namespace())

    @property
    def over(self) -> str | None:
        """Why the run can't be at work any more; None if it is."""
        if self.is_here and _gone(self.pid):
            return "its process is gone"
        if datetime.now(UTC) - self.beat > STALE:
            return f"it gave no sign of life for {_ago(self.beat)}"
        return None

    def __str__(self) -> str:
        part = f", part {self.part.replace('-of-', '/')}," if self.part else ""
        return (
            f"run {self.run}{part} on {self.host} (process {self.pid}), since "
            f"{self.started:%Y-%m-%d %H:%M:%S} UTC, last beat {_ago(self.beat)} ago"
        )


def read(root: str, part: str = "") -> Lease | None:
    """The lease of a table or part; None if no run holds it or it can't be understood."""
    try:
        found = json.loads(storage.read_bytes(layout.lease(root, part)))
        times = {name: datetime.fromisoformat(found[name]) for name in ("started", "beat")}
        return Lease(**{**found, **times})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def of_parts(root: str) -> list[Lease]:
    """The leases of the runs that work on a part of a table, in the order of the parts' names."""
    names = sorted(storage.names_below(layout.parts(root)))
    found = [read(root, name.removesuffix(".json")) for name in names if name.endswith(".json")]
    return [lease for lease in found if lease is not None]


@contextlib.contextmanager
def held(
    root: str, run: str, on_lost: Callable[[], None], *, ignore: bool = False, part: str = ""
) -> Iterator[Lease | None]:
    """Holds the lease of a table, and beats, until the block ends.

    The whole table and any of its parts exclude each other; parts don't.

    Args:
        root: The table.
        run: The id of the run that wants it.
        on_lost: Called in another thread once another run has taken the lease; it makes the block
            end with KeyboardInterrupt.
        ignore: Whether the lease of a run that is at work is taken from it.
        part: The share of the table that the run works on, such as 3-of-8; empty for all of it.

    Yields:
        The lease that was there before, of a run that is over or whose lease is ignored.

    Raises:
        TableBusyError: If another run is at work, or takes the lease later on.
    """
    before = read(root, part)
    others = [read(root)] if part else of_parts(root)
    for other in (before, *others):
        if other is None or ignore or not _goes_on(root, other):
            continue
        raise TableBusyError(
            f"another run is at work on {root}:\n  {other}\nwait for it; if it is dead, its lease "
            f"ends {STALE.seconds // 60} minutes after its last beat, or use --ignore-lease"
        )
    heartbeat = _Heartbeat(root, Lease.of_this_process(run, part), on_lost)
    heartbeat.start()
    try:
        yield before
    except KeyboardInterrupt:
        if heartbeat.taker is None:
            raise
        raise TableBusyError(
            f"stopped, since another run has taken over {root}:\n  {heartbeat.taker}\n"
            "what this one has published stays"
        ) from None
    finally:
        heartbeat.stop()


def _goes_on(root: str, lease: Lease) -> bool:
    """Whether a run is at work; of one on another machine, whether it beats once more.

    A driver that is started anew elsewhere, as Kubernetes does, is there before the lease of the
    lost one is stale.
    """
    while lease.over is None:
        there = read(root, lease.part)
        if there is None:
            return False
        if lease.is_here or there != lease:
            return True
        time.sleep(BEAT.total_seconds() / 5)
    return False


class _Heartbeat:
    """A thread that says every few seconds that its run is alive."""

    def __init__(self, root: str, lease: Lease, on_lost: Callable[[], None]) -> None:
        self.taker: Lease | None = None
        self._root, self._lease, self._on_lost = root, lease, on_lost
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """The first beat takes the lease."""
        with _shrug("taken"):
            _write(self._root, self._lease)
        self._thread.start()

    def stop(self) -> None:
        """Gives the lease back, unless it is another run's by now."""
        self._over.set()
        self._thread.join()
        with _shrug("given back"):
            if self._taker() is None:
                _remove(self._root, self._lease.part)

    def _run(self) -> None:
        while not self._over.wait(BEAT.total_seconds()):
            with _shrug("renewed"):
                self.taker = self._taker()
                if self.taker is None:
                    _write(self._root, replace(self._lease, beat=datetime.now(UTC)))
            if self.taker is not None:
                log.error("the lease was taken by %s", self.taker)
                self._on_lost()
                return

    def _taker(self) -> Lease | None:
        there = read(self._root, self._lease.part)
        return None if there is None or there.token == self._lease.token else there


@contextlib.contextmanager
def _shrug(what: str) -> Iterator[None]:
    """Nothing depends on the lease, so no trouble with it ends a run."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each kind of storage raises its own
        log.warning("the lease could not be %s: %s", what, error)


def _write(root: str, lease: Lease) -> None:
    content = json.dumps(asdict(lease), default=datetime.isoformat, indent=2).encode()
    filesystem, path = resolve(layout.lease(root, lease.part))
    if not storage.is_local(root):
        filesystem.pipe_file(path, content)
        return
    with unfinished(content, layout.scratch(root)) as written:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.replace(written, path)


def _remove(root: str, part: str = "") -> None:
    filesystem, path = resolve(layout.lease(root, part))
    with contextlib.suppress(FileNotFoundError):
        filesystem.rm_file(path)


def _gone(pid: int) -> bool:
    if pid == os.getpid():
        return True  # the number was given out anew
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _ago(moment: datetime) -> str:
    seconds = max(0, round((datetime.now(UTC) - moment).total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
