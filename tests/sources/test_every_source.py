"""What holds of every source: a new one can't be added without these."""

import numpy as np
import pyarrow as pa
import pytest
from writers import PIXELS, WRITERS

from raygrad import plan, storage
from raygrad.errors import SpecError
from raygrad.plan import Group
from raygrad.scorer import INPUT, decode_batch
from raygrad.sources import SOURCES, Segment, batches
from raygrad.spec import FieldSpec, JobSpec, SourceSpec
from raygrad.validate import checks

every_source = pytest.mark.parametrize("format", SOURCES)


def spec(format: str, **field) -> JobSpec:
    given = {"shape": [1, 4, 4], **WRITERS[format].field, **field}
    return JobSpec.model_construct(input={"": FieldSpec.model_validate(given)}, keep=[])


def decoded(format: str, folder, batch_size: int = 3, limit: int | None = None) -> pa.Table:
    """All rows of a folder, planned, read and decoded as a job does it."""
    group = Group(format, "", storage.list_files(str(folder), SOURCES[format].SUFFIXES))
    columns = pa.schema([("image", pa.null())])
    tables = [
        decode_batch(batch, spec(format))
        for unit in plan.make([group], 1, columns=columns, limit=limit)
        for batch in batches(unit.segments, ["image"], batch_size)
    ]
    return pa.concat_tables(tables) if tables else pa.table({"row": []})


def pixels(table: pa.Table) -> np.ndarray:
    flat = table[INPUT].combine_chunks().flatten().to_numpy()
    return flat.reshape(-1, 1, 4, 4)


def test_every_source_has_a_writer():
    assert WRITERS.keys() == SOURCES.keys()


@every_source
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_rows_come_back_in_order_whatever_the_batch_size(tmp_path, format, rows):
    WRITERS[format].write(tmp_path, PIXELS[:rows])
    for batch_size in (1, 3, 100):
        found = decoded(format, tmp_path, batch_size)
        np.testing.assert_array_equal(pixels(found), PIXELS[:rows])
        assert found["error_type"].null_count == rows
        identities = zip(found["source"].to_pylist(), found["row"].to_pylist(), strict=True)
        assert len(set(identities)) == rows


@every_source
@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_a_limit_is_kept_to_the_row(tmp_path, format, limit):
    WRITERS[format].write(tmp_path, PIXELS)
    found = decoded(format, tmp_path, limit=limit)
    np.testing.assert_array_equal(pixels(found), PIXELS[:limit])


@every_source
def test_a_source_without_rows_is_no_fault_and_no_row(tmp_path, format):
    WRITERS[format].write(tmp_path, [])
    if not any(tmp_path.iterdir()):
        with pytest.raises(FileNotFoundError):
            decoded(format, tmp_path)
    else:
        assert len(decoded(format, tmp_path)) == 0


@every_source
def test_a_row_without_an_input_is_an_error_row(tmp_path, format):
    if not WRITERS[format].nulls:
        with pytest.raises(ValueError, match="same shape"):
            np.stack([PIXELS[0], None])
        return
    WRITERS[format].write(tmp_path, [None, PIXELS[1], None])
    found = decoded(format, tmp_path)
    assert found["error_type"].is_valid().to_pylist() == [True, False, True]
    assert set(found["error_stage"].to_pylist()) == {"decode", None}
    np.testing.assert_array_equal(pixels(found)[1], PIXELS[1])


@every_source
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"no such format" * 100])
def test_a_file_of_another_kind_is_told_before_work_starts_or_in_its_row(tmp_path, format, content):
    (tmp_path / WRITERS[format].empty).write_bytes(content)
    if format == "images":  # they are planned unopened
        assert decoded(format, tmp_path)["error_type"].to_pylist() == ["DecodeError"]
    else:
        with pytest.raises(SpecError, match=f"can't be read as {format}"):
            decoded(format, tmp_path)


@every_source
def test_a_file_that_is_gone_is_an_error_of_the_storage(tmp_path, format):
    WRITERS[format].write(tmp_path, PIXELS[:1])
    (file,) = storage.list_files(str(tmp_path))
    segment = Segment(format, file.uri, file.size, file.version, 0, 1)
    (tmp_path / file.uri).unlink()
    with pytest.raises(FileNotFoundError):
        list(batches([segment], ["image"], 1))


@every_source
@pytest.mark.parametrize("name", ["a b", "a=b", "année 日本", "%41", "a+b#c", "it's"])
def test_folders_may_have_any_name(tmp_path, format, name):
    folder = tmp_path / name
    folder.mkdir()
    WRITERS[format].write(folder, PIXELS[:2])
    found = decoded(format, folder)
    assert len(found) == 2
    assert all(source.startswith(f"{folder}/") for source in found["source"].to_pylist())


@every_source
def test_paths_globs_folders_and_lists_name_the_same_files(tmp_path, format):
    WRITERS[format].write(tmp_path, PIXELS)
    files = sorted(str(path) for path in tmp_path.iterdir())
    expected = [file.uri for file in storage.list_files(str(tmp_path))]
    for path in [str(tmp_path), f"{tmp_path}/*", files, [*files, str(tmp_path)]]:
        faults: list = []
        source = SourceSpec(path=path, format=format)
        group, _ = checks.list_source("sources[0]", source, {}, faults)
        assert [file.uri for file in group.files] == expected
        assert faults == []


@every_source
def test_the_plan_counts_rows_or_says_that_it_can_not(tmp_path, format):
    WRITERS[format].write(tmp_path, PIXELS)
    group = Group(format, "", storage.list_files(str(tmp_path)))
    rows, uncounted = plan.make([group], 100).count_rows()
    assert (rows, uncounted) == ((7, 0) if WRITERS[format].counted else (0, 1))
