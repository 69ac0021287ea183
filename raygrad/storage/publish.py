"""Creates files whole, or not at all, and never replaces one."""

import errno
import os
from typing import Any

from raygrad.storage.disk import sync_folder, unfinished
from raygrad.storage.files import read_bytes
from raygrad.storage.location import absolute, is_local, resolve
from raygrad.storage.retries import error_code, repeated


def publish(uri: str, content: bytes, scratch: str) -> bool:
    """Creates a file whole, or not at all, and never replaces one.

    On a disk: written beside, fsynced, then linked, which fails if the name is taken. On an object
    store: one PUT, or a multipart upload, conditional where the store supports that; see
    :func:`create_only`. An attempt that is repeated because its answer was lost
    finds its own file, which is as good as another's.

    Args:
        uri: The file's final name.
        content: What it holds.
        scratch: A folder on the same disk for the unfinished file.

    Returns:
        False if the name was taken, whoever took it.
    """
    filesystem, path = resolve(uri)
    if not is_local(uri):
        return repeated(uri, lambda: _put(filesystem, path, content))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with unfinished(content, absolute(scratch)) as written:
        try:
            os.link(written, path)
        except FileExistsError:
            return False
    sync_folder(path)
    return True


def create_only(uri: str) -> bool:
    """Whether a file's store refuses to replace it; disks do.

    Args:
        uri: A file that is there; a store that doesn't refuse gets its own content once more.
    """
    if is_local(uri):
        return True
    filesystem, path = resolve(uri)
    content = read_bytes(uri)
    try:
        return not repeated(uri, lambda: _create(filesystem, path, content))
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return False
        raise


def _put(filesystem: Any, path: str, content: bytes) -> bool:
    try:
        return _create(filesystem, path, content)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
    # The store says that it knows no conditions. Two writers of one name write the same rows.
    if filesystem.exists(path):
        return False
    filesystem.pipe_file(path, content)
    return True


def _create(filesystem: Any, path: str, content: bytes) -> bool:
    try:
        filesystem.pipe_file(path, content, mode="create")
    except FileExistsError:
        return False
    except OSError as error:
        # s3fs knows the refusal by an element of the answer that AWS sends and SeaweedFS doesn't.
        if error_code(error) in {"PreconditionFailed", "412"}:
            return False
        raise
    return True
