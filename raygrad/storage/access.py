"""Whether a store can be reached, read and written, found out without leaving anything there."""

import contextlib
from typing import Any

from raygrad.storage.location import is_s3, join, resolve
from raygrad.storage.retries import repeated


def reach(uri: str) -> None:
    """Asks a store for the first file below a URI, which need not exist.

    Raises:
        StorageError: If the store, or the bucket, isn't there or refuses.
    """
    filesystem, path = resolve(uri)
    fixed = path.split("*")[0].split("?")[0].split("[")[0]
    with contextlib.suppress(FileNotFoundError):
        repeated(uri, lambda: _first(filesystem, fixed))


def _first(filesystem: Any, path: str) -> None:
    if not is_s3(filesystem):
        filesystem.exists(path)
        return
    # Not exists, whose HEAD has an answer without a reason, nor a listing of maybe 10^6 files.
    bucket, key, _ = filesystem.split_path(path)
    filesystem.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)


def reach_for_writing(folder: str) -> None:
    """Asks an S3 store whether files may be created in a folder.

    A multipart upload is begun and taken back: it needs the permission to write, yet makes neither
    file nor folder. Other stores are only asked whether they are there.

    Raises:
        StorageError: If the store, or the bucket, isn't there or refuses.
    """
    reach(folder)
    filesystem, path = resolve(join(folder, "_raygrad", "probe"))
    if not is_s3(filesystem):
        return
    bucket, key, _ = filesystem.split_path(path)
    upload = repeated(
        folder,
        lambda: filesystem.call_s3("create_multipart_upload", Bucket=bucket, Key=key)["UploadId"],
    )
    # Who may write may not always take back; what stays is invisible and expires.
    with contextlib.suppress(PermissionError):
        filesystem.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload)
