"""Compare-and-swap of one file: the only way in which a published file ever changes."""

import fcntl
import os
import posixpath
from typing import Any

from raygrad.storage import is_local
from raygrad.storage.disk import sync_folder, unfinished
from raygrad.storage.location import is_s3, resolve
from raygrad.storage.retries import error_code, repeated
from raygrad.table import layout

_LOST = {"PreconditionFailed", "412", "ConditionalRequestConflict"}
"""What S3 calls it when the file has another etag by now, or another PUT is under way."""


def version_of(uri: str) -> str:
    """What no two contents of a file have in common: its etag, or inode, size and time.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    filesystem, path = resolve(uri)
    if is_local(uri):
        state = os.stat(path)
        return f"{state.st_ino}-{state.st_size}-{state.st_mtime_ns}"
    filesystem.invalidate_cache(posixpath.dirname(path))
    info = repeated(uri, lambda: filesystem.info(path))
    return str(info.get("ETag") or info.get("etag") or info.get("created") or info["size"])


def replace(root: str, uri: str, content: bytes, version: str) -> bool:
    """Replaces a file whole, if it is still the one that was read.

    On a disk: a rename under a lock that all swappers of the table take. On S3: one PUT with
    If-Match. Elsewhere the version is compared before a plain PUT, so of two swappers at once the
    later one wins; the file is one of theirs, whole.

    Args:
        root: The table.
        uri: The file's name.
        content: What it shall hold.
        version: That of the content that this one was made from, see :func:`version_of`.

    Returns:
        False if the file has another version by now; it is left as it is.
    """
    filesystem, path = resolve(uri)
    if is_local(uri):
        return _rename(root, path, content, version)
    if is_s3(filesystem):
        return repeated(uri, lambda: _put_if_match(filesystem, path, content, version))
    if version_of(uri) != version:
        return False
    repeated(uri, lambda: filesystem.pipe_file(path, content))
    return True


def _rename(root: str, path: str, content: bytes, version: str) -> bool:
    with (
        unfinished(content, layout.scratch(root)) as written,
        open(layout.swap_lock(root), "a", encoding="utf-8") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        if version_of(path) != version:
            return False
        os.replace(written, path)
    sync_folder(path)
    return True


def _put_if_match(filesystem: Any, path: str, content: bytes, etag: str) -> bool:
    try:
        # One PUT whatever the size: s3fs would not pass a condition on to a multipart upload.
        filesystem.pipe_file(path, content, chunksize=len(content) + 1, IfMatch=etag)
    except OSError as error:
        if error_code(error) in _LOST:
            return False
        raise
    return True
