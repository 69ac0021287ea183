"""A store's bad days: a proxy that throttles, stalls and breaks connections, by count."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import urlsplit

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code>"
    b"<Message>Please reduce your request rate.</Message></Error>"
)
NOT_IMPLEMENTED = (
    b"<?xml version='1.0'?><Error><Code>NotImplemented</Code>"
    b"<Message>A header you provided implies functionality that is not implemented.</Message>"
    b"</Error>"
)
Rule = Callable[[int, str, str, dict[str, str]], str]
"""From the request's number (from 1), method, path and headers to what happens to it:

``pass``, ``throttle`` (503 before the store sees it), ``reset`` (before the store sees it),
``stall`` (no answer), ``cut`` (half of the answer, then a reset), ``lose`` (the store does it, the
answer is lost), ``refuse`` (501 NotImplemented).
"""


def every(nth: int, *faults: str) -> Rule:
    """Each nth request suffers, from one fault after the other."""
    return lambda number, *_: "pass" if number % nth else faults[number // nth % len(faults)]


class FaultyProxy:
    """Passes requests on to a store, except those that its rule picks.

    Signatures stay valid, since the Host header is passed on as it is.
    """

    def __init__(self, endpoint: str) -> None:
        self.rule: Rule = lambda *_: "pass"
        self.injected: Counter[str] = Counter()
        self._number, self._lock = 0, threading.Lock()
        self.released = threading.Event()
        proxy, target = self, urlsplit(endpoint).netloc

        class Handler(_Handler):
            owner: ClassVar[FaultyProxy] = proxy
            store: ClassVar[str] = target

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def fate(self, method: str, path: str, headers: dict[str, str]) -> str:
        with self._lock:
            self._number += 1
            fate = self.rule(self._number, method, path, headers)
            self.injected[fate] += 1
        return fate

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: ClassVar[FaultyProxy]
    store: ClassVar[str]

    def _handle(self) -> None:
        body = self._body()
        fate = self.owner.fate(self.command, self.path, dict(self.headers))
        if fate == "throttle":
            return self._answer(503, {}, SLOW_DOWN)
        if fate == "refuse":
            return self._answer(501, {}, NOT_IMPLEMENTED)
        if fate == "stall":
            self.owner.released.wait(60)
            return self._reset()
        if fate == "reset":
            return self._reset()
        connection = HTTPConnection(self.store, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in {"transfer-encoding", "connection", "expect"}:
                connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if fate == "lose":
            return self._reset()
        headers = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}
        }
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._answer(answer.status, headers, content, cut=fate == "cut", length=length)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(
        self,
        status: int,
        headers: dict[str, str],
        content: bytes,
        *,
        cut: bool = False,
        length: str | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if cut:
            self.wfile.write(content[: len(content) // 2])
            return self._reset()
        self.wfile.write(content)

    def _reset(self) -> None:
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)  # close() then sends RST
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 - http.server's names

    def log_message(self, format: str, *arguments: object) -> None:
        pass
