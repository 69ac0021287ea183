"""Units in columns say what units one by one say."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raygrad.storage import Listing, StoredFile, listing
from raygrad.table import plan_file, schema, units
from raygrad.table.segment import Segment
from raygrad.table.units import Unit, Units

SEGMENTS = st.builds(
    Segment,
    st.sampled_from(["parquet", "images"]),
    st.text("ab", min_size=1, max_size=3),
    st.integers(0, 2**40),
    st.text("01", max_size=2),
    st.integers(0, 2**40),
    st.none() | st.integers(1, 2**40),
)
NAMES = st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2, 999_999, 1_000_000]))


@st.composite
def plans(draw) -> list[Unit]:
    names = sorted(draw(st.sets(NAMES)))
    partitions = st.sampled_from(["", "set=a", "set=a%2F/x=é"])
    some = st.lists(SEGMENTS, min_size=1, max_size=3)
    return [Unit(*name, draw(partitions), tuple(draw(some))) for name in names]


@pytest.fixture(scope="module", autouse=True, params=[2, listing.AT_ONCE])
def _pieces(request):
    """The same in pieces of few units."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (units, listing, plan_file):
            patch.setattr(module, "AT_ONCE", request.param)
        yield


@given(plans())
def test_units_come_out_as_they_went_in(plan):
    found = Units.of(plan)
    assert list(found) == plan
    assert [found[index] for index in range(-len(plan), len(plan))] == [*plan, *plan]
    with pytest.raises(IndexError):
        found[len(plan)]


@given(plans())
def test_rows_and_paths_are_those_of_each_unit(plan):
    found = Units.of(plan)
    assert found.rows.to_pylist() == [unit.rows for unit in plan]
    assert found.paths.to_pylist() == [unit.path for unit in plan]
    rows = [unit.rows for unit in plan]
    assert found.count_rows() == (sum(filter(None, rows)), rows.count(None))


@given(plans(), st.integers(0, 2**32))
def test_some_units_can_be_picked_and_put_together(plan, seed):
    found = Units.of(plan)
    wanted = np.random.default_rng(seed).integers(2, size=len(plan)) == 1
    some, others = found.filter(wanted), found.filter(~wanted)
    assert list(some) == [u for u, w in zip(plan, wanted, strict=True) if w]
    assert list(some + others) == [*some, *others]


FOREIGN = ["0000-000000", "x/0000-000000.parquet", "_SUCCESS", "set=a/1.parquet", "0000-00.parquet"]


@given(plans(), st.data())
def test_files_are_told_to_be_of_units_by_their_whole_names(plan, data):
    paths = [unit.path for unit in plan]
    names = data.draw(st.lists(st.sampled_from([*paths, *FOREIGN]), unique=True))
    found = Units.of(plan)
    expected = [paths.index(name) if name in paths else -1 for name in names]
    assert found.places(iter(names)).tolist() == expected
    assert found.are_among(iter(names)).tolist() == [path in names for path in paths]


@given(plans(), st.sets(st.text("ab", min_size=1, max_size=3)))
def test_units_that_are_read_from_files_are_found(plan, uris):
    expected = [any(s.uri in uris for s in unit.segments) for unit in plan]
    assert Units.of(plan).read_from(uris).tolist() == expected


@given(plans().filter(bool), st.data())
def test_readers_get_their_units_segments_as_structs(plan, data):
    first = data.draw(st.integers(0, len(plan) - 1))
    last = data.draw(st.integers(first + 1, len(plan)))
    nested = Units.of(plan).nested(first, last).to_pylist()
    found = [tuple(Segment(**segment) for segment in segments) for segments in nested]
    assert found == [unit.segments for unit in plan[first:last]]


@pytest.mark.parametrize("generation", [0, 12, 12_345])
@pytest.mark.parametrize("unit", [0, 999_999, 12_345_678])
def test_a_unit_is_known_by_its_name(generation, unit):
    for partition in ("", "a=b/c=%2F"):
        path = schema.unit_path(generation, unit, partition)
        found = schema.unit_numbers(pa.chunked_array([[path]]))
        assert found.to_pylist() == [{"generation": generation, "unit": unit}]


@given(plans().filter(bool))
def test_a_loaded_plan_shares_memory_with_a_listing_of_the_same_files_only(tmp_path_factory, plan):
    root = str(tmp_path_factory.mktemp("table"))
    saved = plan_file.save(root, Units.of(plan))
    files = [StoredFile(*segment[1:4]) for unit in plan for segment in unit.segments]
    for listed in ([], files, files[1:], [f._replace(version="x") for f in files]):
        assert list(plan_file.load(root, [Listing.of(listed)])) == list(saved) == plan
