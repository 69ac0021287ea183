"""The plan: units of whole row groups, frozen at first writing, extended by new files only."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from raygrad import plan, storage
from raygrad.errors import PlanError, SpecError
from raygrad.plan import Group, Unit, Units, changes, cut
from raygrad.sources import Segment
from raygrad.storage import Listing, StoredFile, listing
from raygrad.table import plan_file, units


@pytest.fixture(autouse=True, params=[2, listing.AT_ONCE])
def _pieces(request, monkeypatch):
    """The same in pieces of few segments."""
    for module in (listing, units, cut, changes, plan_file):
        monkeypatch.setattr(module, "AT_ONCE", request.param)


@pytest.fixture
def group(tmp_path, write_parquet):
    """A group of files with so many rows each, in row groups of three."""

    def make(*counts: int, partition: str = "set=a", name: str = "f") -> Group:
        files = []
        for index, count in enumerate(counts):
            path = write_parquet(
                tmp_path / f"{name}{index}.parquet", pa.table({"v": range(count)}), 3
            )
            files += storage.list_files(path)
        return Group("parquet", partition, Listing.of(files))

    return make


def outline(units: Iterable[Unit]) -> list[list[tuple[str, int, int]]]:
    """For each unit its segments as file name, first row and rows."""
    return [
        [(part.uri.rsplit("/", 1)[1][:-8], part.first_row, part.rows) for part in unit.segments]
        for unit in units
    ]


def test_a_small_file_is_one_unit(group):
    (unit,) = plan.make([group(5)], 100)
    assert outline([unit]) == [[("f0", 0, 5)]]
    assert (unit.generation, unit.number, unit.partition, unit.rows) == (0, 0, "set=a", 5)


def test_a_unit_carries_what_its_file_was(group):
    files = group(5)
    ((segment,),) = [unit.segments for unit in plan.make([files], 100)]
    assert segment == Segment("parquet", *files.files[0], 0, 5)


def test_a_large_file_is_cut_at_row_groups_only(group):
    assert outline(plan.make([group(11)], 4)) == [[("f0", 0, 6)], [("f0", 6, 5)]]


@pytest.mark.parametrize("rows_per_file", [1, 2, 3])
def test_a_row_group_larger_than_a_unit_is_not_cut(group, rows_per_file):
    assert outline(plan.make([group(7)], rows_per_file)) == [
        [("f0", 0, 3)],
        [("f0", 3, 3)],
        [("f0", 6, 1)],
    ]


def test_small_files_share_a_unit(group):
    assert outline(plan.make([group(2, 1, 2, 2)], 4)) == [
        [("f0", 0, 2), ("f1", 0, 1), ("f2", 0, 2)],
        [("f3", 0, 2)],
    ]


def test_a_unit_may_end_in_the_middle_of_a_file(group):
    assert outline(plan.make([group(4, 8)], 5)) == [
        [("f0", 0, 4), ("f1", 0, 3)],
        [("f1", 3, 5)],
    ]


def test_partitions_share_no_unit(group):
    groups = [group(2, partition="set=a"), group(2, partition="set=b", name="g")]
    units = plan.make(groups, 100)
    assert [(unit.number, unit.partition) for unit in units] == [(0, "set=a"), (1, "set=b")]


def test_empty_files_make_no_unit_and_cost_no_row(group):
    assert len(plan.make([group(0, 0)], 4)) == 0
    assert outline(plan.make([group(0, 2, 0, 1, 0)], 10)) == [[("f1", 0, 2), ("f3", 0, 1)]]


def test_no_groups_make_no_plan():
    assert len(plan.make([], 10)) == 0


@pytest.mark.parametrize("limit", range(1, 14))
def test_a_limit_ends_the_plan_to_the_row(group, limit):
    groups = [group(4, 5), group(3, partition="set=b", name="g")]
    units = plan.make(groups, 4, limit=limit)
    assert sum(unit.rows for unit in units) == min(limit, 12)
    assert all(part.rows for unit in units for part in unit.segments)
    whole = [
        (part.uri, row)
        for unit in plan.make(groups, 4)
        for part in unit.segments
        for row in range(part.first_row, part.first_row + part.rows)
    ]
    found = [
        (part.uri, row)
        for unit in units
        for part in unit.segments
        for row in range(part.first_row, part.first_row + part.rows)
    ]
    assert found == whole[:limit]


def test_a_trial_opens_no_file_beyond_its_limit(group):
    files = group(4)
    gone = StoredFile("~nowhere/b.parquet", 1, "1")
    beyond = files._replace(files=Listing.of([*files.files, gone]))
    assert len(plan.make([beyond], 4, limit=3)) == 1


def test_a_unit_is_named_by_partition_generation_and_number(group):
    units = plan.make([group(4, partition="a=b/c=%2F")], 3, generation=12)
    assert [unit.path for unit in units] == [
        "a=b/c=%2F/0012-000000.parquet",
        "a=b/c=%2F/0012-000001.parquet",
    ]
    assert plan.make([group(1, partition="")], 3)[0].path == "0000-000000.parquet"


def test_all_files_that_are_broken_or_lack_a_column_are_told(tmp_path, write_parquet):
    paths = [
        write_parquet(tmp_path / "a.parquet", {"v": [1]}),
        write_parquet(tmp_path / "b.parquet", {"x": [1]}),
        str(tmp_path / "c.parquet"),
        write_parquet(tmp_path / "d.parquet", {"v": [1], "w": [1]}),
    ]
    (tmp_path / "c.parquet").write_bytes(b"broken")
    files = Listing.of(storage.list_files(path)[0] for path in paths)
    columns = pa.schema([("v", pa.int64()), ("w", pa.int64())])
    with pytest.raises(SpecError) as caught:
        plan.make([Group("parquet", "", files)], 10, columns=columns)
    faults = [str(fault) for fault in caught.value.faults]
    assert faults[:3] == [
        f'{paths[0]}: has no column "w"',
        f'{paths[1]}: has no column "v"',
        f'{paths[1]}: has no column "w"',
    ]
    assert faults[3].startswith(f"{paths[2]}: can't be read as parquet: ")
    assert len(faults) == 4


@pytest.mark.parametrize(
    ("first", "found", "fits"),
    [
        (pa.int64(), pa.int64(), True),
        (pa.int64(), pa.int32(), True),
        (pa.int32(), pa.int64(), False),
        (pa.int64(), pa.string(), False),
        (pa.binary(), pa.list_(pa.float32()), False),
    ],
    ids=str,
)
def test_a_column_of_another_type_is_told_unless_it_widens(
    tmp_path, write_parquet, first, found, fits
):
    path = write_parquet(tmp_path / "a.parquet", {"v": pa.array([None], found)})
    group = Group("parquet", "", storage.list_files(path))
    columns = pa.schema([("v", first)])
    if fits:
        assert len(plan.make([group], 10, columns=columns)) == 1
    else:
        with pytest.raises(
            SpecError, match=f'its column "v" is .*, that of the first file {first}'
        ):
            plan.make([group], 10, columns=columns)


def test_a_plan_is_loaded_as_it_was_saved(tmp_path, group):
    groups = [
        group(4, 0, 8),
        group(7, partition="set=a%2Fb", name="g"),
        group(2, partition="", name="h"),
    ]
    units = plan.make(groups, 4)
    root = str(tmp_path / "table")
    assert list(plan.save(root, units)) == list(units)
    assert list(plan.load(root)) == list(units)


def test_a_table_without_plan_has_no_units(tmp_path):
    assert len(plan.load(str(tmp_path / "nowhere"))) == 0


def test_a_plan_lies_in_the_table_as_one_file_a_generation(tmp_path, group):
    root = str(tmp_path / "table")
    first = plan.save(root, plan.make([group(4)], 3))
    second = plan.save(root, plan.make([group(2, name="g")], 3, generation=1))
    names = storage.names_below(f"{root}/_raygrad")
    assert names == {"plan/0000.parquet", "plan/0001.parquet"}
    assert list(plan.load(root)) == [*first, *second]


def test_a_plan_can_lie_in_another_store(tmp_path, group):
    root = f"memory:///plan-{tmp_path.name}"
    units = plan.make([group(4)], 3)
    assert list(plan.save(root, units)) == list(units)
    assert list(plan.load(root)) == list(units)


def test_the_second_of_two_planners_gets_the_plan_of_the_first(tmp_path, group):
    root, files = str(tmp_path / "table"), group(9)
    first, second = plan.make([files], 3), plan.make([files], 100)
    assert plan.save(root, first) is first
    assert list(plan.save(root, second)) == list(first)
    assert list(plan.load(root)) == list(first)


def test_planners_that_race_all_get_one_plan(tmp_path, group):
    root, files = str(tmp_path / "table"), group(9, 5)
    plans = [plan.make([files], rows) for rows in range(1, 9)]
    with ThreadPoolExecutor(8) as pool:
        saved = list(pool.map(lambda units: list(plan.save(root, units)), plans))
    assert saved[0] in [list(units) for units in plans]
    assert all(units == saved[0] for units in saved)
    assert list(plan.load(root)) == saved[0]


def test_files_that_no_unit_has_are_new(group):
    old, more = group(4, 5), group(4, 5, 2)
    units = plan.make([old], 100)
    assert plan.new_files(units, [old]) == []
    assert plan.new_files(units, [more]) == [more._replace(files=Listing.of([more.files[2]]))]
    assert plan.new_files(Units.of([]), [old]) == [old]


def test_a_new_generation_leaves_the_old_one_alone(tmp_path, group):
    root = str(tmp_path / "table")
    old = plan.save(root, plan.make([group(4)], 3))
    added = plan.new_files(plan.load(root), [group(4, 5)])
    new = plan.save(root, plan.make(added, 3, generation=1))
    assert outline(new) == [[("f1", 0, 3)], [("f1", 3, 2)]]
    assert list(plan.load(root)) == [*old, *new]
    assert len({unit.path for unit in plan.load(root)}) == 4


def test_a_known_file_under_a_new_partition_is_not_lost(group):
    """A source that is listed again with other constants is refused, for its rows are there."""
    files = group(4)
    units = plan.make([files], 100)
    with pytest.raises(PlanError, match=r"f0\.parquet from .* to set=b"):
        plan.new_files(units, [files, files._replace(partition="set=b")])


def test_an_empty_file_is_looked_at_again_but_makes_no_unit(group):
    files = group(0, 3)
    units = plan.make([files], 100)
    assert len(plan.make(plan.new_files(units, [files]), 100, generation=1)) == 0


def test_unchanged_sources_are_accepted(group):
    files = group(4, 5)
    units = plan.make([files], 3)
    assert plan.changed_files(units, [files]) == {}
    plan.refuse_changes(units, {})


def test_every_changed_and_every_vanished_file_is_named_once(group):
    files = group(7, 8, 9)
    units = plan.make([files], 3)
    first, second, third = files.files
    now = files._replace(files=Listing.of([first._replace(size=first.size + 1), third]))
    with pytest.raises(PlanError) as caught:
        plan.refuse_changes(units, plan.changed_files(units, [now]))
    assert str(caught.value) == (
        "sources are not what the table's plan was made from:\n"
        f"  {first.uri} has changed\n"
        f"  {second.uri} is gone\n"
        "restore them, or use another output"
    )


def test_a_file_of_the_same_size_but_another_version_has_changed(group):
    files = group(4)
    now = files._replace(files=Listing.of([files.files[0]._replace(version="later")]))
    units = plan.make([files], 3)
    with pytest.raises(PlanError, match="has changed"):
        plan.refuse_changes(units, plan.changed_files(units, [now]))


def test_a_file_whose_units_are_done_may_change(group):
    units = plan.make([group(4, 5)], 4)
    changes = plan.changed_files(units, [])
    assert list(changes.values()) == ["is gone", "is gone"]
    plan.refuse_changes(Units.of([]), changes)
    with pytest.raises(PlanError, match=r":\n  \S*f1.parquet is gone\nrestore"):
        plan.refuse_changes(Units.of([units[1]]), changes)
