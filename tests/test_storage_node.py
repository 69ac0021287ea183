"""Remote files come to a node once, whichever process asks first."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from raygrad.errors import StorageError
from raygrad.storage import node, on_this_node


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where temporary files go."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"raygrad-{os.getuid()}"


@pytest.fixture
def remote():
    uri = f"memory:///{uuid.uuid4().hex}/weights.safetensors"
    fsspec.filesystem("memory").pipe_file(uri, b"weights")
    return uri


@pytest.fixture
def downloads(monkeypatch):
    """Counts how often a remote file is opened."""
    opened = []
    real = node.open_read
    monkeypatch.setattr(node, "open_read", lambda uri: opened.append(uri) or real(uri))
    return opened


def test_a_local_file_stays_where_it_is(tmp_path):
    assert on_this_node(str(tmp_path / "a.pt")) == str(tmp_path / "a.pt")


def test_a_remote_file_is_fetched_once(remote, downloads, place):
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(on_this_node, [remote] * 20))
    (path,) = paths
    assert Path(path).read_bytes() == b"weights"
    assert path.endswith(".safetensors")
    assert len(downloads) == 1
    assert sorted(os.listdir(place)) == sorted([os.path.basename(path) + e for e in ("", ".lock")])


def test_new_content_under_the_same_name_is_fetched(remote):
    before = on_this_node(remote)
    fsspec.filesystem("memory").pipe_file(remote, b"other weights")
    assert Path(on_this_node(remote)).read_bytes() == b"other weights"
    assert Path(before).read_bytes() == b"weights"


def test_a_download_that_broke_off_leaves_nothing_to_be_loaded(remote, monkeypatch):
    def breaks(there, here, length):
        here.write(b"wei")
        raise OSError("reset")

    monkeypatch.setattr("shutil.copyfileobj", breaks)
    with pytest.raises(OSError, match="reset"):
        on_this_node(remote)
    monkeypatch.undo()
    assert Path(on_this_node(remote)).read_bytes() == b"weights"


def test_a_folder_of_others_is_not_trusted(remote, place):
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    with pytest.raises(StorageError, match="may be written by others"):
        on_this_node(remote)


def test_a_file_that_is_not_there(remote):
    with pytest.raises(FileNotFoundError):
        on_this_node(remote + ".not")
