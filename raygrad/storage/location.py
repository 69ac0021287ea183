"""Paths and URIs, and the file system that each belongs to."""

import os
import posixpath
from typing import Any

from fsspec.core import split_protocol, url_to_fs

from raygrad.errors import StorageError
from raygrad.storage.options import missing_package


def absolute(uri: str) -> str:
    """The URI in a form that is the same in every process: local paths real, without file://."""
    filesystem, path = resolve(uri)
    return os.path.realpath(path) if _is_disk(filesystem) else uri_of(filesystem, path)


def join(base: str, *parts: str) -> str:
    """A path or URI below another."""
    return posixpath.join(base, *parts)


def is_local(uri: str) -> bool:
    """Whether the URI names a file of this machine."""
    return _is_disk(resolve(uri)[0])


def protocol(uri: str) -> str:
    """What stands before ``://``; ``file`` where nothing does."""
    return split_protocol(uri)[0] or "file"


def within(uri: str, folder: str) -> bool:
    """Whether an absolute URI is a folder or lies below it."""
    return uri == folder or uri.startswith(folder.rstrip("/") + "/")


def store(uri: str) -> str:
    """The bucket that a URI lies in, as ``s3://bucket``."""
    kind, path = split_protocol(uri)
    return f"{kind or 'file'}://{path.split('/')[0]}"


def resolve(uri: str) -> tuple[Any, str]:
    """A URI's file system, with the process's options, and its path there.

    Raises:
        StorageError: If the protocol's package isn't installed.
    """
    try:
        filesystem, path = url_to_fs(uri)
    except ImportError as error:
        raise StorageError(missing_package(protocol(uri))) from error
    if is_s3(filesystem):
        # Its 5 times botocore's 5 would keep a stalled request for 6 minutes; ours come on top.
        filesystem.retries = 1
    return filesystem, path


def filesystem(uri: str) -> Any:
    """A file system of its own for a library that reads the URI without retries of ours."""
    shared, _ = resolve(uri)
    return type(shared)(*shared.storage_args, skip_instance_cache=True, **shared.storage_options)


def is_s3(filesystem: Any) -> bool:
    """Whether it speaks S3, as AWS and many other stores do."""
    return "s3" in _protocols(filesystem)


def uri_of(filesystem: Any, path: str) -> str:
    """The inverse of :func:`resolve`; an absolute path on a disk."""
    return path if _is_disk(filesystem) else str(filesystem.unstrip_protocol(path))


def _is_disk(filesystem: Any) -> bool:
    return "file" in _protocols(filesystem)


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
