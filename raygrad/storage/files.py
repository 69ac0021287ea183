"""What is in a file."""

import contextlib
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from raygrad.storage.location import is_local, resolve
from raygrad.storage.retries import repeated


@contextlib.contextmanager
def open_read(uri: str) -> Iterator[BinaryIO]:
    """Opens a file for reading at random places.

    Raises:
        FileNotFoundError: If there is none.
        StorageError: If the store can't be reached, or refuses.
    """
    filesystem, path = resolve(uri)
    with repeated(uri, lambda: filesystem.open(path, "rb")) as stream:
        yield stream if is_local(uri) else cast(BinaryIO, _Repeating(uri, stream))


class _Repeating(io.RawIOBase):
    """A file whose reads are repeated where the store fails; what it has read so far stays."""

    def __init__(self, uri: str, stream: BinaryIO) -> None:
        self._uri, self._stream = uri, stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        place = self._stream.tell()
        content = repeated(self._uri, lambda: self._read(place, len(view)))
        view[: len(content)] = content
        return len(content)

    def _read(self, place: int, length: int) -> bytes:
        self._stream.seek(place)
        return self._stream.read(length)


def read_bytes(uri: str) -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: If there is none.
        StorageError: If the store can't be reached, or refuses.
    """
    filesystem, path = resolve(uri)
    return repeated(uri, lambda: cast(bytes, filesystem.cat_file(path)))
