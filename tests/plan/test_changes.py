"""What the columns say of changes is what dicts of Python objects say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raygrad import plan
from raygrad.errors import PlanError
from raygrad.plan import Group, Unit, Units, changes
from raygrad.storage import Listing, StoredFile, listing
from raygrad.table.segment import Segment

FILES = st.lists(
    st.builds(
        StoredFile,
        st.text("ab", min_size=1, max_size=3),
        st.integers(1, 2),
        st.sampled_from("01"),
    ),
    max_size=8,
)
PARTITIONS = st.sampled_from(["", "set=a", "set=b"])
GROUPS = st.lists(
    st.builds(Group, st.just("images"), PARTITIONS, FILES.map(Listing.of)), max_size=3
)


@st.composite
def plans(draw) -> list[Unit]:
    numbered = enumerate(draw(st.lists(FILES.filter(bool), max_size=4)))
    return [
        Unit(0, n, draw(PARTITIONS), tuple(Segment("images", *f, 0, 1) for f in files))
        for n, files in numbered
    ]


@pytest.fixture(scope="module", autouse=True, params=[2, listing.AT_ONCE])
def _pieces(request):
    """The same in pieces of few segments."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (changes, listing):
            patch.setattr(module, "AT_ONCE", request.param)
        yield


def slow_new_files(units: list[Unit], groups: list[Group]) -> tuple[list[Group], set[str]]:
    """The groups' new files, and those that were of another partition."""
    known = {(unit.partition, segment.uri) for unit in units for segment in unit.segments}
    fresh = [
        group._replace(
            files=Listing.of(f for f in group.files if (group.partition, f.uri) not in known)
        )
        for group in groups
    ]
    uris = {uri for _, uri in known}
    moved = {file.uri for group in fresh for file in group.files if file.uri in uris}
    return [group for group in fresh if len(group.files)], moved


def slow_changed_files(units: list[Unit], groups: list[Group]) -> dict[str, str]:
    found = {}
    for unit in units:
        for segment in unit.segments:
            now = [f for group in groups for f in group.files if f.uri == segment.uri]
            if not now:
                found[segment.uri] = "is gone"
            elif any((f.size, f.version) != (segment.size, segment.version) for f in now):
                found[segment.uri] = "has changed"
    return found


@given(plans(), GROUPS)
def test_new_and_moved_files_are_found(units, groups):
    fresh, moved = slow_new_files(units, groups)
    if not moved:
        assert plan.new_files(Units.of(units), groups) == fresh
        return
    with pytest.raises(PlanError) as caught:
        plan.new_files(Units.of(units), groups)
    lines = str(caught.value).splitlines()[1:-1]
    assert {line.split()[0] for line in lines} == moved
    assert len(lines) == len(set(lines))


@given(plans(), GROUPS)
def test_changed_files_are_found(units, groups):
    found = plan.changed_files(Units.of(units), groups)
    assert found == slow_changed_files(units, groups)


@given(plans(), GROUPS, st.data())
def test_changes_concern_the_units_that_are_read_from_their_files(units, groups, data):
    found = plan.changed_files(Units.of(units), groups)
    some = [unit for unit in units if data.draw(st.booleans())]
    own = {segment.uri for unit in some for segment in unit.segments}
    expected = {uri: what for uri, what in found.items() if uri in own}
    assert plan.concerning(Units.of(some), found) == expected


def test_a_moved_file_is_told_with_both_partitions():
    file = StoredFile("/a", 1, "1")
    units = Units.of([Unit(0, 0, "", (Segment("images", *file, 0, 1),))])
    with pytest.raises(PlanError) as caught:
        plan.new_files(units, [Group("images", "set=b", Listing.of([file]))])
    assert "\n  /a from none to set=b\n" in str(caught.value)
