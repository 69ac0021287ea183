"""Storage: listings leave hidden files out, and a file is published whole, once, or not at all."""

import multiprocessing
import os
import threading
import time
import uuid

import pytest
from fsspec.implementations.local import LocalFileSystem

from raygrad import storage


@pytest.fixture
def memory():
    """The URI of an empty folder of fsspec's memory file system."""
    from fsspec.implementations.memory import MemoryFileSystem

    name = f"/{uuid.uuid4().hex}"
    yield f"memory://{name}"
    filesystem = MemoryFileSystem()
    if filesystem.exists(name):
        filesystem.rm(name, recursive=True)


def touch(root, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(root, pattern: str, suffix: str = "") -> list[str]:
    return [os.path.relpath(file.uri, root) for file in storage.list_files(pattern, suffix)]


def test_a_file_is_listed_with_its_size_and_version(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"12345")
    (file,) = storage.list_files(str(tmp_path / "a.parquet"))
    assert file.uri == str(tmp_path / "a.parquet")
    assert file.size == 5
    assert file.version


def test_the_version_changes_with_the_content_of_one_size(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    os.utime(path, (1, 1))
    before = storage.list_files(str(path))
    assert storage.list_files(str(path)) == before
    path.write_bytes(b"2")
    assert storage.list_files(str(path)) != before


def test_a_folder_is_walked_and_sorted(tmp_path):
    touch(tmp_path, "b.parquet", "a/z.parquet", "a/b/c.parquet", "readme.txt")
    assert names(tmp_path, str(tmp_path), ".parquet") == [
        "a/b/c.parquet",
        "a/z.parquet",
        "b.parquet",
    ]


@pytest.mark.parametrize("ending", ["", "/"])
def test_hidden_files_and_folders_are_left_out_as_spark_does(tmp_path, ending):
    touch(tmp_path, "a.p", "_SUCCESS.p", ".a.p", "_temporary/0/a.p", ".git/a.p", "k=_v/a.p")
    assert names(tmp_path, str(tmp_path) + ending, ".p") == ["a.p", "k=_v/a.p"]


def test_a_folder_below_a_hidden_one_can_be_listed(tmp_path):
    touch(tmp_path, "_data/.cache/a.p")
    assert names(tmp_path, str(tmp_path / "_data/.cache"), ".p") == ["_data/.cache/a.p"]


def test_a_glob_is_followed(tmp_path):
    touch(tmp_path, "a-1.p", "a-2.p", "b-1.p", "c/a-3.p")
    assert names(tmp_path, str(tmp_path / "a-*.p")) == ["a-1.p", "a-2.p"]
    assert names(tmp_path, str(tmp_path / "**/a-[13].p")) == ["a-1.p", "c/a-3.p"]


GLOBS = ["*", "a?", "*/*.p", "**/*.p", "**", "[ab]1/*", "a1/**/x.p", "*/c/*", "l*", "[!a]*"]


@pytest.mark.parametrize("glob", GLOBS)
def test_a_glob_stands_for_the_files_that_fsspec_finds(tmp_path, glob):
    touch(tmp_path, "a1/x.p", "a1/c/x.p", "b1/.h.p", "b1/_d/x.p", "a2", "é.p", "a[1].p")
    (tmp_path / "link.p").symlink_to(tmp_path / "a2")
    (tmp_path / "linked").symlink_to(tmp_path / "a1")
    found = LocalFileSystem().glob(f"{tmp_path}/{glob}", detail=True)
    expected = {
        name: (info["size"], str(info["mtime"]))
        for name, info in found.items()
        if not os.path.isdir(name)
    }
    listed = storage.list_files(f"{tmp_path}/{glob}")
    assert {file.uri: (file.size, file.version) for file in listed} == expected


def test_a_glob_follows_no_linked_folder(tmp_path):
    touch(tmp_path, "a/x.p")
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    assert names(tmp_path, str(tmp_path / "*/x.p")) == ["a/x.p"]
    with pytest.raises(FileNotFoundError):
        storage.list_files(f"{tmp_path}/l*/*")


def test_a_glob_leaves_folders_out(tmp_path):
    touch(tmp_path, "a1", "a2/b")
    assert names(tmp_path, str(tmp_path / "a?")) == ["a1"]


def test_a_linked_file_in_a_folder_is_listed(tmp_path):
    """The cache of the Hugging Face hub is made of links."""
    touch(tmp_path, "blobs/1")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot/a.p").symlink_to(tmp_path / "blobs/1")
    assert names(tmp_path, str(tmp_path / "snapshot"), ".p") == ["snapshot/a.p"]


def test_a_file_whose_name_has_brackets_can_be_named(tmp_path):
    touch(tmp_path, "part[1].p")
    assert names(tmp_path, str(tmp_path / "part[1].p")) == ["part[1].p"]


@pytest.mark.parametrize("pattern", ["nothing", "nothing*", "empty"])
def test_nothing_found_is_an_error(tmp_path, pattern):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=pattern.replace("*", ".")):
        storage.list_files(str(tmp_path / pattern))


def test_relative_paths_and_file_uris_become_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted = str(tmp_path / "a/b")
    assert storage.absolute("a/b") == wanted
    assert storage.absolute("./a/b/") == wanted
    assert storage.absolute(f"file://{wanted}") == wanted


@pytest.mark.parametrize("path", ["a/./b", "a//b", "c/../a/b", "a/b/."])
def test_other_spellings_of_a_path_are_the_same_path(tmp_path, monkeypatch, path):
    """Or else a trial could write into the real table, and a resumed job read a file twice."""
    monkeypatch.chdir(tmp_path)
    assert storage.absolute(path) == str(tmp_path / "a/b")


def test_a_relative_listing_gives_absolute_paths(tmp_path, monkeypatch):
    touch(tmp_path, "d/a.p")
    monkeypatch.chdir(tmp_path)
    assert [file.uri for file in storage.list_files("d")] == [str(tmp_path / "d/a.p")]


def test_uris_of_other_stores_keep_their_protocol(memory):
    assert storage.publish(f"{memory}/d/a.p", b"123", f"{memory}/tmp")
    (file,) = storage.list_files(f"{memory}/d", ".p")
    assert file.uri == f"{memory}/d/a.p"
    assert storage.absolute(file.uri) == file.uri
    assert file.size == 3
    assert storage.read_bytes(file.uri) == b"123"


def test_is_local(tmp_path):
    assert storage.is_local(str(tmp_path))
    assert storage.is_local("relative")
    assert storage.is_local(f"file://{tmp_path}")
    assert not storage.is_local("memory://a")


def test_names_below_are_relative_and_empty_for_no_folder(tmp_path, memory):
    touch(tmp_path, "k=a b/1.p", "k=%2F/_2.p")
    assert storage.names_below(str(tmp_path)) == {"k=a b/1.p", "k=%2F/_2.p"}
    assert storage.names_below(str(tmp_path / "nowhere")) == set()
    storage.publish(f"{memory}/t/k=1/a.p", b"", f"{memory}/tmp")
    assert storage.names_below(f"{memory}/t") == {"k=1/a.p"}
    assert storage.names_below(f"{memory}/u") == set()


@pytest.fixture(params=["disk", "memory"])
def root(request, tmp_path):
    return str(tmp_path) if request.param == "disk" else request.getfixturevalue("memory")


def test_publishing_creates_folders_and_content(root):
    assert storage.publish(f"{root}/a/b/c", b"content", f"{root}/tmp")
    assert storage.read_bytes(f"{root}/a/b/c") == b"content"


def test_the_second_to_publish_a_name_changes_nothing(root):
    assert storage.publish(f"{root}/a", b"first", f"{root}/tmp") is True
    assert storage.publish(f"{root}/a", b"second", f"{root}/tmp") is False
    assert storage.read_bytes(f"{root}/a") == b"first"


def test_publishing_leaves_nothing_in_scratch(root):
    for _ in range(2):
        storage.publish(f"{root}/a", b"first", f"{root}/tmp")
    assert storage.names_below(f"{root}/tmp") == set()


def test_an_empty_file_can_be_published(root):
    assert storage.publish(f"{root}/a", b"", f"{root}/tmp")
    assert storage.read_bytes(f"{root}/a") == b""


def test_a_file_that_is_not_there_can_not_be_read(root):
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(f"{root}/nowhere")


def test_reading_at_random_places(root):
    storage.publish(f"{root}/a", b"0123456789", f"{root}/tmp")
    with storage.open_read(f"{root}/a") as stream:
        stream.seek(7)
        assert stream.read(2) == b"78"


def test_a_failure_to_publish_leaves_neither_file_nor_part(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        storage.publish(str(tmp_path / "a"), b"x" * 100, str(tmp_path / "tmp"))
    assert storage.names_below(str(tmp_path)) == set()


def test_file_uris_publish_as_paths_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table").mkdir()
    table = f"file://{tmp_path}/table"
    assert storage.publish(f"{table}/a", b"1", f"{table}/tmp")
    assert sorted(os.listdir(tmp_path)) == ["table"]


def _race(path: str, scratch: str, content: bytes, start: float, won) -> None:
    time.sleep(max(0.0, start - time.time()))
    won.put(storage.publish(path, content, scratch))


def test_of_processes_that_race_for_a_name_exactly_one_wins(tmp_path):
    context = multiprocessing.get_context("fork")
    won = context.Queue()
    path, racers = str(tmp_path / "t/a"), 4
    start = time.time() + 0.3
    processes = [
        context.Process(
            target=_race, args=(path, str(tmp_path / "tmp"), bytes([n]) * 2_000_000, start, won)
        )
        for n in range(racers)
    ]
    for process in processes:
        process.start()
    results = [won.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(results) == [False] * (racers - 1) + [True]
    content = storage.read_bytes(path)
    assert len(content) == 2_000_000
    assert len(set(content)) == 1
    assert storage.names_below(str(tmp_path / "tmp")) == set()


def test_a_reader_never_sees_a_part_of_a_file(tmp_path):
    size, files = 3_000_000, 10
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for name in storage.names_below(str(tmp_path / "t")):
                seen.append(os.path.getsize(tmp_path / "t" / name))

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        for number in range(files):
            storage.publish(str(tmp_path / f"t/{number}"), bytes(size), str(tmp_path / "tmp"))
    finally:
        done.set()
        reader.join()
    assert seen
    assert set(seen) == {size}
