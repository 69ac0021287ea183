"""Ctrl-C: the first one finishes what is in flight, the second one stops at once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class Interrupts:
    """Whether the user has asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def stop_at_once(self) -> None:
        """Makes the main thread raise KeyboardInterrupt, from any thread."""
        self.asked = True
        main = threading.main_thread().ident
        assert main is not None
        # Sent to that thread: another one's signal would not wake it from a wait for a lock.
        signal.pthread_kill(main, signal.SIGINT)


@contextlib.contextmanager
def graceful_interrupts(state: Interrupts, on_first: Callable[[], None]) -> Iterator[None]:
    """Handles SIGINT and SIGTERM until the block ends.

    Args:
        state: What is set by the first signal; the second raises KeyboardInterrupt.
        on_first: Called once, in a thread of its own, since Ray's calls can't be made from within
            a signal handler that may have interrupted one of them.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        if state.asked:
            raise KeyboardInterrupt
        state.asked = True
        threading.Thread(target=on_first, daemon=True).start()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
