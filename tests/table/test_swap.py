"""Compare-and-swap: of two who read the same version, one replaces it."""

import errno
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from raygrad import storage
from raygrad.table import swap


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path) -> tuple[str, str]:
    root = str(tmp_path) if request.param == "disk" else f"memory:///{uuid.uuid4().hex}"
    uri = f"{root}/scores/a.parquet"
    storage.publish(uri, b"one", f"{root}/_raygrad/tmp")
    return root, uri


def test_a_file_that_is_still_the_one_that_was_read_is_replaced(place):
    root, uri = place
    assert swap.replace(root, uri, b"three", swap.version_of(uri))
    assert storage.read_bytes(uri) == b"three"


def test_a_file_that_was_replaced_meanwhile_is_left_alone(place):
    root, uri = place
    version = swap.version_of(uri)
    assert swap.replace(root, uri, b"two", version)
    assert not swap.replace(root, uri, b"three", version)
    assert storage.read_bytes(uri) == b"two"


def test_a_file_that_is_gone_has_no_version(tmp_path):
    with pytest.raises(FileNotFoundError):
        swap.version_of(str(tmp_path / "nothing"))


def test_of_many_who_read_one_version_one_replaces_it(tmp_path):
    root, uri = str(tmp_path), str(tmp_path / "a.parquet")
    storage.publish(uri, b"old", f"{root}/_raygrad/tmp")
    version = swap.version_of(uri)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: swap.replace(root, uri, b"%d" % n, version), range(32)))
    assert won.count(True) == 1
    assert storage.read_bytes(uri) == b"%d" % won.index(True)


class _Refusal(Exception):  # noqa: N818 - stands for botocore's ClientError
    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code}}


class _Bucket:
    """As much of s3fs as a swap uses; a real server is in tests/services."""

    protocol = ("s3", "s3a")

    def __init__(self, code: str | None) -> None:
        self.code, self.calls = code, []

    def pipe_file(self, path, content, **options) -> None:
        self.calls.append((path, content, options))
        if self.code:
            raise OSError(errno.EINVAL, "refused") from _Refusal(self.code)


@pytest.mark.parametrize(
    ("code", "won"),
    [(None, True), ("PreconditionFailed", False), ("ConditionalRequestConflict", False)],
)
def test_on_s3_the_put_is_conditional_and_one(monkeypatch, code, won):
    bucket = _Bucket(code)
    monkeypatch.setattr(swap, "is_local", lambda _: False)
    monkeypatch.setattr(swap, "repeated", lambda _, operation: operation())
    monkeypatch.setattr(swap, "resolve", lambda _: (bucket, "b/k"))
    assert swap.replace("s3://b", "s3://b/k", b"new", '"e1"') is won
    assert bucket.calls == [("b/k", b"new", {"chunksize": 4, "IfMatch": '"e1"'})]


def test_on_s3_another_failure_is_raised(monkeypatch):
    monkeypatch.setattr(swap, "is_local", lambda _: False)
    monkeypatch.setattr(swap, "repeated", lambda _, operation: operation())
    monkeypatch.setattr(swap, "resolve", lambda _: (_Bucket("AccessDenied"), "b/k"))
    with pytest.raises(OSError, match="refused"):
        swap.replace("s3://b", "s3://b/k", b"new", '"e1"')
