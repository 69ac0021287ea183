"""Writing on a disk so that a name holds a whole file or nothing, also after a power cut."""

import contextlib
import os
import uuid
from collections.abc import Iterator


@contextlib.contextmanager
def unfinished(content: bytes, scratch: str) -> Iterator[str]:
    """A new file whose content is on the disk, to be linked or renamed; removed at the end.

    Args:
        content: What it holds.
        scratch: The folder for it, made where it is missing.

    Yields:
        Its path.
    """
    os.makedirs(scratch, exist_ok=True)
    path = os.path.join(scratch, f"{uuid.uuid4().hex}.part")
    try:
        with open(path, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def sync_folder(path: str) -> None:
    """Brings a new or changed name of a file to the disk."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
