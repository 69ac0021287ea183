"""Images that a column names by path or URI, instead of holding their bytes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from raygrad import storage
from raygrad.errors import DecodeError

READERS = 16
"""Files are read by so many threads: on an object store the wait is for the network."""


def fetch(uris: Sequence[str | None]) -> list[bytes | Exception | None]:
    """The content of each file, in order, or why it can't be had; None where no file is named."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(_content, uris))


def _content(uri: str | None) -> bytes | Exception | None:
    if uri is None:
        return None
    if "://" not in uri and not uri.startswith("/"):
        return DecodeError(
            f"{uri} is a relative path, which workers can't resolve; store a whole one"
        )
    try:
        return storage.read_bytes(uri)
    except Exception as error:  # noqa: BLE001 - each row's own; stores raise what they like
        return error
