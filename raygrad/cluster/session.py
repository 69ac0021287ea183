"""Ray itself: an embedded one, or a cluster by its address; quiet unless asked."""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

from raygrad.errors import JobFailedError

EMBEDDED = "local"


@contextlib.contextmanager
def ray_session(address: str | None, verbose: bool, log: TextIO) -> Iterator[None]:
    """Connects to Ray, and lets go of it at the end.

    Args:
        address: A cluster's; None starts an embedded Ray, whatever RAY_ADDRESS says.
        verbose: Whether Ray's own messages are shown.
        log: Where they go to otherwise.
    """
    # Read when ray is imported, or by the processes that it starts.
    if address is None:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not verbose:
        os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
        # Else it also calls it an error that Ray Data's actors can be restarted (ray#53727).
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import_path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    import ray

    if address is not None:
        _require_answer(address)
    with contextlib.ExitStack() as stack:
        if not verbose:
            # Ray prints what its raylet reports to stdout, whatever log_to_driver says.
            stack.enter_context(contextlib.redirect_stdout(log))
        with contextlib.nullcontext() if verbose else _stderr_closed():
            try:
                ray.init(
                    address=address or EMBEDDED,
                    include_dashboard=False if address is None else None,
                    log_to_driver=verbose,
                    logging_level=logging.INFO if verbose else logging.ERROR,
                    # Workers import user code as the driver did, from its working directory.
                    runtime_env={"env_vars": {"PYTHONPATH": import_path}},
                )
            except Exception as error:  # Ray raises it bare where a node doesn't start in time
                where = f"to {address}" if address else "to an embedded Ray"
                raise JobFailedError(f"can't connect {where}: {error}") from error
        stack.callback(ray.shutdown)
        stack.callback(_wait_for_ray_data)
        _configure_data(verbose, log)
        yield


def _wait_for_ray_data(seconds: float = 60) -> None:
    """Lets a pipeline that was broken off end before its Ray does.

    Ray Data itself waits 2 s for it. If its thread then asks a raylet that is gone, Ray's core ends
    the process on the spot: with exit code 1 and without the message that was on its way.
    """
    until = time.monotonic() + seconds
    for thread in threading.enumerate():
        if thread.name.startswith("StreamingExecutor"):
            thread.join(max(0.0, until - time.monotonic()))


def _require_answer(address: str) -> None:
    """Ray itself would try for minutes, without a word, to reach a cluster that isn't there."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise JobFailedError(
            f"no Ray cluster answers at {address} ({error.strerror or error}); check --address, or "
            "leave it out to use an embedded Ray"
        ) from error


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    """Ray's C++ core announces its log level there, past every Python stream."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _configure_data(verbose: bool, log: TextIO) -> None:
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = verbose
    context.print_on_execution_start = verbose
    # Half an hour without progress ends a job, also before its first score: Ray Data takes the
    # limit when it starts, so that it can't be another one while nodes are on their way.
    context.execution_no_progress_timeout_s = 1800
    if not verbose:
        for name in ("ray", "ray.data"):
            logging.getLogger(name).handlers = [logging.StreamHandler(log)]
