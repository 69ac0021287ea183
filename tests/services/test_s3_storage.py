"""Listing, reading and publishing on a real S3 store, whole and behind a faulty proxy."""

import io
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from proxy import every
from pydantic import Secret
from seaweed import BUCKET, READER

from raygrad import storage
from raygrad.errors import StorageError
from raygrad.storage import retries
from raygrad.storage.location import resolve

MIB = 1 << 20


@pytest.fixture
def folder(as_admin) -> str:
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def faulty(folder, proxy, monkeypatch):
    """The proxy between this process and the store; a stalled request is given up after 0.5 s."""
    options = {"endpoint_url": proxy.endpoint, "config_kwargs": {"read_timeout": 0.5}}
    storage.configure({"s3": Secret(options)})
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.01)
    return proxy


def test_a_published_file_is_listed_and_read(folder):
    assert storage.publish(f"{folder}/a b/é=1/x.p", b"0123456789", f"{folder}/tmp")
    (file,) = storage.list_files(folder, (".p",))
    assert (file.uri, file.size) == (f"{folder}/a b/é=1/x.p", 10)
    assert list(storage.list_files(f"{folder}/*/*/*.p")) == [file]
    assert storage.read_bytes(file.uri) == b"0123456789"
    with storage.open_read(file.uri) as stream:
        stream.seek(-3, io.SEEK_END)
        assert stream.read() == b"789"
    assert list(storage.each_below(folder)) == [("a b/é=1/x.p", 10, "")]


def test_a_folder_of_several_pages_is_listed_whole(folder):
    """A page has 1,000 files."""
    names = [f"{number // 700}/{number:04d}.p" for number in range(2100)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: storage.publish(f"{folder}/{name}", b"1", ""), names))
    assert [file.uri for file in storage.list_files(folder)] == [f"{folder}/{n}" for n in names]
    assert storage.names_below(folder) == set(names)
    assert not resolve(folder)[0].dircache, "nothing of it is kept in memory"


def test_a_folders_marker_is_no_file(folder):
    """Consoles make one, an empty object with a slash at its end, for each folder."""
    filesystem, path = resolve(folder)
    for key in ("", "sub/"):
        bucket, prefix, _ = filesystem.split_path(path)
        filesystem.call_s3("put_object", Bucket=bucket, Key=f"{prefix}/{key}", Body=b"")
    assert not storage.taken(folder)
    assert storage.names_below(folder) == set()
    assert storage.publish(f"{folder}/sub/a.p", b"1", "")
    assert [file.uri for file in storage.list_files(folder)] == [f"{folder}/sub/a.p"]


def test_the_second_to_publish_a_name_changes_nothing(folder):
    assert storage.publish(f"{folder}/a", b"first", "") is True
    version = storage.list_files(f"{folder}/a")
    assert storage.publish(f"{folder}/a", b"second", "") is False
    assert storage.list_files(f"{folder}/a") == version
    assert storage.read_bytes(f"{folder}/a") == b"first"


def test_a_file_of_several_parts_is_created_only_once_too(folder, as_admin):
    """s3fs uploads from 100 MiB on in parts; the condition stands in the last request."""
    large = np.arange(101 * MIB // 8).tobytes()
    assert storage.publish(f"{folder}/a", large, "") is True
    assert storage.publish(f"{folder}/a", bytes(len(large)), "") is False
    assert storage.read_bytes(f"{folder}/a") == large
    uploads = as_admin.filesystem().call_s3("list_multipart_uploads", Bucket=BUCKET)
    assert not uploads.get("Uploads"), "the refused upload is taken back"


def test_neither_publishing_nor_asking_makes_folders(folder, as_admin):
    storage.reach_for_writing(f"{folder}/table")
    assert as_admin.filesystem().find(folder, withdirs=True) == []
    storage.publish(f"{folder}/table/a", b"1", f"{folder}/table/tmp")
    keys = as_admin.filesystem().call_s3("list_objects_v2", Bucket=BUCKET, Prefix=folder[12:])
    assert [entry["Key"] for entry in keys["Contents"]] == [f"{folder[12:]}/table/a"]


def test_a_read_only_key_can_be_reached_but_not_for_writing(folder, as_admin, monkeypatch):
    for name, value in as_admin.environment(READER).items():
        monkeypatch.setenv(name, value)
    storage.reach(folder)
    with pytest.raises(StorageError, match=f"s3://{BUCKET} refuses access"):
        storage.reach_for_writing(folder)


FAULTS = ["throttle", "reset", "cut", "lose"]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_third_request_fails_and_nothing_is_lost(folder, faulty, fault):
    faulty.rule = every(3, fault)
    contents = {f"{folder}/{n:02d}.p": bytes([n]) * 1000 for n in range(6)}
    for uri, content in contents.items():
        storage.publish(uri, content, "")
    assert [file.uri for file in storage.list_files(folder, (".p",))] == list(contents)
    for uri, content in contents.items():
        assert storage.read_bytes(uri) == content
        with storage.open_read(uri) as stream:
            assert stream.read() == content
    assert faulty.injected[fault] >= 5


def test_an_upload_whose_answer_was_lost_is_there_once(folder, faulty):
    """The repeated attempt finds its own file; that is as good as another's."""
    lost = iter(["lose"])
    faulty.rule = lambda _, method, *__: next(lost, "pass") if method == "PUT" else "pass"
    assert storage.publish(f"{folder}/a", b"mine", "") is False
    assert faulty.injected["lose"] == 1
    assert storage.read_bytes(f"{folder}/a") == b"mine"


def test_a_store_that_stalls_is_asked_again(folder, faulty):
    stalls = iter(["stall"] * 2)
    faulty.rule = lambda *_: next(stalls, "pass")
    assert storage.publish(f"{folder}/a", b"1", "")
    assert storage.read_bytes(f"{folder}/a") == b"1"
    assert faulty.injected["stall"] == 2


def test_a_parquet_file_is_read_whole_though_bodies_break_off(folder, faulty):
    table = pa.table({"x": np.random.default_rng(0).normal(size=100_000)})
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, row_group_size=10_000)
    storage.publish(f"{folder}/a.parquet", buffer.getvalue().to_pybytes(), "")
    faulty.rule = every(2, "cut", "reset")
    with storage.open_read(f"{folder}/a.parquet") as stream:
        assert pq.read_table(stream).equals(table)
    assert faulty.injected["cut"] + faulty.injected["reset"] >= 1


def test_a_store_that_never_answers_is_given_up_with_its_name(folder, faulty, monkeypatch):
    monkeypatch.setattr(retries, "ATTEMPTS", 2)
    faulty.rule = lambda *_: "throttle"
    with pytest.raises(StorageError, match=f"s3://{BUCKET} failed 2 times, the last .* rate"):
        storage.read_bytes(f"{folder}/a")


@pytest.mark.parametrize("name", ["nothing", "nothing*"])
def test_what_is_not_there_is_asked_for_once(folder, faulty, name):
    with pytest.raises(FileNotFoundError):
        storage.list_files(f"{folder}/{name}")
    before = sum(faulty.injected.values())
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(f"{folder}/nothing")
    assert sum(faulty.injected.values()) - before <= 3


def test_a_store_without_conditions_gets_a_plain_upload_under_the_same_name(folder, faulty):
    def rule(number, method, path, headers):
        return "refuse" if "If-None-Match" in headers else "pass"

    faulty.rule = rule
    assert storage.publish(f"{folder}/a", b"first", "") is True
    assert storage.publish(f"{folder}/a", b"second", "") is False
    assert storage.read_bytes(f"{folder}/a") == b"first"
    assert faulty.injected["refuse"] == 2


def test_whether_the_store_refuses_to_replace_a_file_is_found_out(folder, faulty):
    storage.publish(f"{folder}/a", b"first", "")
    assert storage.create_only(f"{folder}/a") is True
    faulty.rule = lambda _, method, path, headers: (
        "refuse" if "If-None-Match" in headers else "pass"
    )
    assert storage.create_only(f"{folder}/a") is False
    assert storage.read_bytes(f"{folder}/a") == b"first"
