"""List, open and publish by path or URI, through fsspec."""

import contextlib
import os
import posixpath
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple, cast

import fsspec
from fsspec.core import split_protocol, url_to_fs


class StoredFile(NamedTuple):
    """A file as a listing shows it.

    Attributes:
        uri: Absolute path of a local file, URI of any other.
        size: Bytes.
        version: What changes when the content does: an etag, or the time of modification.
    """

    uri: str
    size: int
    version: str


def absolute(uri: str) -> str:
    """The URI in a form that is the same in every process: local paths real, without file://."""
    filesystem, path = url_to_fs(uri)
    return os.path.realpath(path) if is_local(uri) else _uri(filesystem, path)


def join(base: str, *parts: str) -> str:
    """A path or URI below another."""
    return posixpath.join(base, *parts)


def is_local(uri: str) -> bool:
    """Whether the URI names a file of this machine."""
    return "file" in _protocols(url_to_fs(uri)[0])


def protocol(uri: str) -> str:
    """What stands before ``://``; ``file`` where nothing does."""
    return split_protocol(uri)[0] or "file"


def within(uri: str, folder: str) -> bool:
    """Whether an absolute URI is a folder or lies below it."""
    return uri == folder or uri.startswith(folder.rstrip("/") + "/")


def list_files(pattern: str, suffixes: tuple[str, ...] = ("",)) -> list[StoredFile]:
    """Lists the files that a path, glob or folder stands for.

    Args:
        pattern: A file, a glob, or a folder, which is walked.
        suffixes: What the names in a folder end with, in lower case.

    Returns:
        Files sorted by URI; hidden ones (a name with a leading ``.`` or ``_``) are left out of
        folders, as Spark and Hive do.

    Raises:
        FileNotFoundError: If nothing matches.
    """
    filesystem, path = url_to_fs(pattern)
    if is_local(pattern):
        path = os.path.normpath(path)
    if any(character in path for character in "*?[") and not filesystem.exists(path):
        found = filesystem.glob(path, detail=True)
    elif is_local(pattern) and os.path.isdir(path):
        return _sorted(pattern, _walk(path, suffixes))
    elif filesystem.isdir(path):
        found = {
            name: info
            for name, info in filesystem.find(path, detail=True).items()
            if name.lower().endswith(suffixes) and not _hidden(name[len(path) :])
        }
    else:
        found = {path: filesystem.info(path)}
    listed = (
        StoredFile(_uri(filesystem, name), int(info["size"] or 0), _version(info))
        for name, info in found.items()
        if info["type"] != "directory" and not (info.get("islink") and filesystem.isdir(name))
    )
    return _sorted(pattern, listed)


def _sorted(pattern: str, files: Iterable[StoredFile]) -> list[StoredFile]:
    found = sorted(files)
    if not found:
        raise FileNotFoundError(pattern)
    return found


def _walk(
    folder: str, suffixes: tuple[str, ...] = ("",), *, hidden: bool = False
) -> Iterator[StoredFile]:
    """The files of a local folder, as fsspec lists them, in half of its time."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not hidden and _hidden(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, suffixes, hidden=hidden)
            elif entry.name.lower().endswith(suffixes) and not entry.is_dir():
                own = entry.stat(follow_symlinks=False)
                size = own.st_size
                if entry.is_symlink() and os.path.exists(entry.path):
                    size = os.stat(entry.path).st_size
                yield StoredFile(entry.path, size, str(own.st_mtime))


def names_below(uri: str) -> set[str]:
    """The names of all files below a folder, relative to it; empty where there is no folder."""
    return set(sizes_below(uri))


def sizes_below(uri: str) -> dict[str, int]:
    """The names of all files below a folder, relative to it, and their sizes in bytes."""
    filesystem, path = url_to_fs(uri)
    if is_local(uri):
        walked = _walk(path, hidden=True) if os.path.isdir(path) else ()
        return {file.uri[len(path) :].lstrip("/"): file.size for file in walked}
    filesystem.invalidate_cache()
    found = filesystem.find(path, detail=True)
    return {name[len(path) :].lstrip("/"): int(info["size"] or 0) for name, info in found.items()}


@contextlib.contextmanager
def open_read(uri: str) -> Iterator[BinaryIO]:
    """Opens a file for reading at random places."""
    with fsspec.open(uri, "rb") as stream:
        yield cast(BinaryIO, stream)


def read_bytes(uri: str) -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: If there is none.
    """
    filesystem, path = url_to_fs(uri)
    return cast(bytes, filesystem.cat_file(path))


def publish(uri: str, content: bytes, scratch: str) -> bool:
    """Creates a file whole, or not at all, and never replaces one.

    On a disk: written beside, fsynced, then linked, which fails if the name is taken. On an object
    store: one PUT, conditional where the store supports that.

    Args:
        uri: The file's final name.
        content: What it holds.
        scratch: A folder on the same disk for the unfinished file.

    Returns:
        False if the name was taken, whoever took it.
    """
    filesystem, path = url_to_fs(uri)
    if not is_local(uri):
        try:
            filesystem.pipe_file(path, content, mode="create")
        except FileExistsError:
            return False
        return True
    scratch = absolute(scratch)
    unfinished = os.path.join(scratch, f"{uuid.uuid4().hex}.part")
    os.makedirs(scratch, exist_ok=True)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(unfinished, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(unfinished, path)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _uri(filesystem: Any, path: str) -> str:
    return path if "file" in _protocols(filesystem) else str(filesystem.unstrip_protocol(path))


def _version(info: dict[str, Any]) -> str:
    for key in ("ETag", "etag", "mtime", "LastModified", "created"):
        if info.get(key) is not None:
            return str(info[key])
    return ""


def _hidden(relative: str) -> bool:
    return any(part.startswith((".", "_")) for part in relative.split("/"))
