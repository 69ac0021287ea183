"""A plan of many files costs bytes a file, not a thousand."""

import gc
import tracemalloc
from collections.abc import Iterator

import pyarrow as pa
import pytest

from raygrad import plan
from raygrad.plan import Group
from raygrad.storage import Listing, StoredFile

FILES = 100_000


def files() -> Iterator[StoredFile]:
    """A file's URI of 30 characters, and a version of 18."""
    for number in range(FILES):
        place = number * 7919 % FILES  # no store promises an order
        name = f"{place // 1000:04d}/{place % 1000:04d}.png"
        yield StoredFile(f"/tmp/tmpabcdefgh/{name}", 74, f"1764035413.{place:07d}")


class Memory:
    """Bytes a file that are held now by Python, NumPy and Arrow, and the most of the first two."""

    def __enter__(self) -> "Memory":
        gc.collect()
        self._arrow = pa.total_allocated_bytes()
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        self.held = (held + pa.total_allocated_bytes() - self._arrow) / FILES
        self.peak = peak / FILES


@pytest.fixture
def group() -> Group:
    return Group("images", "set=a", Listing.of(files()))


def test_a_listing_is_held_in_70_bytes_a_file():
    with Memory() as memory:
        listed = Listing.of(files())
    assert len(listed) == FILES
    assert memory.held < 70
    assert memory.peak < 150  # of a piece of it, which is a third of these files


def test_a_plan_adds_50_bytes_a_file(group):
    with Memory() as memory:
        units = plan.make([group], 1)
    assert len(units) == FILES
    assert memory.held < 50
    assert memory.peak < 150


def test_a_loaded_plan_adds_50_bytes_a_file_to_a_listing_of_the_same_files(tmp_path, group):
    root = str(tmp_path)
    plan.save(root, plan.make([group], 1))
    with Memory() as memory:
        units = plan.load(root, [group.files])
    assert len(units) == FILES
    assert memory.held < 50
    with Memory() as memory:
        assert plan.new_files(units, [group]) == []
        assert plan.changed_files(units, [group]) == {}
        done = units.are_among(f"set=a/0000-{number:06d}.parquet" for number in range(FILES - 5))
        still_open = units.filter(~done)
    assert len(still_open) == 5
    assert memory.held < 5
    assert memory.peak < 150
