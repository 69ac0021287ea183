"""The store, jobs from bucket to bucket, and a clean slate of fsspec's options and instances."""

from collections.abc import Iterator
from pathlib import Path

import fsspec.config
import pytest
import s3fs
from bucket_job import BucketJob
from proxy import FaultyProxy
from seaweed import Seaweed


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    store = Seaweed(tmp_path_factory.mktemp("seaweed"))
    yield store
    store.stop()


@pytest.fixture
def proxy(seaweed: Seaweed) -> Iterator[FaultyProxy]:
    with FaultyProxy(seaweed.endpoint) as started:
        yield started


@pytest.fixture
def as_admin(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Seaweed:
    """This process reaches the store as its administrator."""
    for name, value in seaweed.environment().items():
        monkeypatch.setenv(name, value)
    return seaweed


@pytest.fixture(autouse=True)
def _no_leftovers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsspec.config, "conf", {})
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def job(tmp_path: Path, seaweed: Seaweed) -> BucketJob:
    return BucketJob(tmp_path, seaweed)
