"""Copies of remote files that all processes of a node share."""

import hashlib
import os
import posixpath
import shutil
import stat
import tempfile

from filelock import FileLock

from raygrad.errors import StorageError
from raygrad.storage.files import open_read
from raygrad.storage.find import each_file
from raygrad.storage.location import is_local, resolve

CHUNK = 8 << 20


def on_this_node(uri: str) -> str:
    """The path of a file on this node, fetched at most once for all processes of this user.

    Args:
        uri: A file; one of this node's disks is itself the answer.

    Raises:
        FileNotFoundError: If there is none.
        StorageError: If the store can't be reached, or refuses.
    """
    if is_local(uri):
        return str(resolve(uri)[1])
    (file,) = each_file(uri)
    # Of this content: a checkpoint that is written anew under its old name is another file.
    name = hashlib.sha256(f"{file.uri}\n{file.size}\n{file.version}".encode()).hexdigest()[:32]
    path = os.path.join(_folder(), name + posixpath.splitext(uri)[1])
    with FileLock(f"{path}.lock"):
        if not os.path.exists(path):
            with open_read(uri) as there, open(f"{path}.part", "wb") as here:
                shutil.copyfileobj(there, here, CHUNK)
            os.replace(f"{path}.part", path)
    return path


def _folder() -> str:
    """A folder for temporary files into which nobody else can write."""
    folder = os.path.join(tempfile.gettempdir(), f"raygrad-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    found = os.lstat(folder)
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise StorageError(
            f"{folder} may be written by others, who could put other weights there; remove it, or "
            "set TMPDIR"
        )
    return folder
