"""Rows tried one by one in a process of their own, so that one that kills it costs only itself."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa

from raygrad.errors import ProcessDied

Work = Callable[[pa.Table], pa.Table]


def row_by_row(
    rows: pa.Table,
    build: Callable[[], Work],
    failed: Callable[[pa.Table, ProcessDied], pa.Table],
    attempt: Callable[[int], AbstractContextManager[int]],
) -> pa.Table:
    """Does some work on each row alone, in a subprocess that is started anew whenever it dies.

    Args:
        rows: At least one.
        build: Makes in the subprocess what does the work, and is picklable.
        failed: Makes the result of a row that killed its process.
        attempt: Announces a row by its index; more than 0 processes have died at it where the
            subprocess took this one along, as happens when memory runs out.

    Returns:
        The results, in order.

    Raises:
        Exception: What ``build`` or the work raised.
    """
    results = []
    child = None
    try:
        for index in range(len(rows)):
            row = rows.slice(index, 1)
            with attempt(index) as deaths:
                if deaths:
                    results.append(failed(row, ProcessDied("its process was killed")))
                    continue
                child = child or _Child(build)
                try:
                    results.append(child.work(row))
                except ProcessDied as error:
                    results.append(failed(row, error))
                    child = None
    finally:
        if child is not None:
            child.stop()
    return pa.concat_tables(results, promote_options="permissive")


class _Child:
    """A process that does some work on tables.

    Raises:
        RuntimeError: If it dies before it has been given a row.
    """

    def __init__(self, build: Callable[[], Work]) -> None:
        # Not a fork: the threads and CUDA contexts of this process don't survive one.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, build), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._answer()
        except ProcessDied as error:
            raise RuntimeError(f"can't try rows alone: before the first one, {error}") from error

    def work(self, row: pa.Table) -> Any:
        """The result of one row.

        Raises:
            ProcessDied: If the process dies.
        """
        with contextlib.suppress(BrokenPipeError):  # it died since its last row
            self._pipe.send(row)
        return self._answer()

    def stop(self) -> None:
        self._pipe.close()
        self._process.join()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            raise ProcessDied(f"its process {_end(self._process.exitcode)}") from None
        if isinstance(answer, Exception):
            self.stop()
            raise answer
        return answer


def _serve(pipe: Connection, build: Callable[[], Work]) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    try:
        work = build()
        pipe.send(None)
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:  # noqa: BLE001 - raised in the parent
        pipe.send(error)


def _end(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exited with code {code}"
    return f"was killed by {signal.Signals(-code).name}"
