"""Tar files for tests, sound and broken."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path


def tar(members: Iterable[tuple[str, bytes]], mode: str = "w") -> bytes:
    """An archive of some files, in order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> str:
    """Writes an archive and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tar(members, mode))
    return str(path)
