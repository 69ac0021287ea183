"""Each check of a spec against the world, on its own."""

import pyarrow as pa
import pytest

from raygrad.sources import Description
from raygrad.spec import FieldSpec, SourceSpec
from raygrad.validate import checks

DESCRIBED = Description(pa.schema([("x", pa.int64()), ("label", pa.int64())]), (3,))


def source(**options) -> SourceSpec:
    return SourceSpec.model_validate({"path": ["a"], **options})


def told(faults) -> list[str]:
    return [str(fault) for fault in faults]


def test_without_a_limit_any_output_is_fine():
    assert told(checks.limit_faults({"output": "a"}, None, None)) == []
    assert told(checks.limit_faults({"output": "a"}, "a", None)) == []


def test_a_limit_with_a_faulty_output_section_is_no_fault_more():
    assert told(checks.limit_faults({}, "b", 3)) == []


def test_a_limit_needs_another_output():
    assert told(checks.limit_faults({"output": "a"}, None, 3)) == [
        "--limit: needs --output, a trial never writes into the job's own table"
    ]
    assert told(checks.limit_faults({"output": "a"}, "a/", 3)) == [
        "--output: is the job's own table; a trial needs another one"
    ]


def test_columns_that_are_there_are_no_fault():
    sections = {"input": {"": FieldSpec(column="x")}, "keep": ["label"], "label": "label"}
    assert told(checks.column_faults("sources[0]", DESCRIBED, sections)) == []
    assert told(checks.column_faults("sources[0]", DESCRIBED, {})) == []


def test_each_missing_column_is_told_at_its_place():
    sections = {
        "input": {"ids": FieldSpec(column="tokens"), "x": FieldSpec(column="x")},
        "keep": ["label", "group"],
        "label": "truth",
    }
    assert told(checks.column_faults("sources[2]", DESCRIBED, sections)) == [
        'input.ids.column: sources[2] has no column "tokens"; it has x, label',
        'keep[1]: sources[2] has no column "group"; it has x, label',
        'label: sources[2] has no column "truth"; it has x, label',
    ]


def test_the_place_of_the_only_input_has_no_keyword():
    assert checks.field_place("") == "input.column"
    assert checks.field_place("ids") == "input.ids.column"


def test_a_missing_path_is_told_beside_a_sound_one(tmp_path, write_parquet):
    path = write_parquet(tmp_path / "a.parquet", {"x": [1]})
    faults = []
    found = checks.list_source("sources[0]", source(path=["/nowhere", path]), {}, faults)
    assert told(faults) == ["sources[0].path: nothing is at /nowhere"]
    assert [file.uri for file in found[0].files] == [path]


def test_a_file_that_is_listed_twice_is_taken_once(tmp_path, write_parquet):
    path = write_parquet(tmp_path / "a.parquet", {"x": [1]})
    found = checks.list_source("sources[0]", source(path=[path, str(tmp_path), path]), {}, [])
    assert [file.uri for file in found[0].files] == [path]


def test_a_protocol_that_nobody_knows_is_told():
    faults = []
    assert checks.list_source("sources[0]", source(path=["nope://a"]), {}, faults) is None
    (fault,) = told(faults)
    assert fault.startswith("sources[0].path: nope://a can't be listed: ValueError: ")


def test_an_unknown_format_is_told_with_the_known_ones():
    faults = []
    assert checks.list_source("sources[1]", source(format="webp"), {}, faults) is None
    assert told(faults) == ['sources[1].format: got "webp"; use parquet, images, numpy, webdataset']


def test_every_source_needs_the_same_partition_keys_in_the_same_order():
    sections = {
        "sources": [
            source(constants={"a": "x", "b": "y"}),
            source(constants={"b": "y", "a": "x"}),
            source(),
            source(constants={"a": "x", "b": "z"}),
        ]
    }
    message = "every source needs the same keys in the same order: a, b"
    assert told(checks.name_faults(sections)) == [
        f"sources[1].constants: {message}",
        f"sources[2].constants: {message}",
    ]


@pytest.mark.parametrize("key", ["row", "prediction", "all_max", "label"])
def test_a_partition_key_that_is_a_column_is_told(key):
    sections = {
        "sources": [source(constants={key: "x"})],
        "keep": ["label"],
        "metrics": {"all": ["max"]},
    }
    assert told(checks.name_faults(sections)) == [
        f"sources[0].constants.{key}: is a column of the table already; use another name"
    ]


def test_a_metric_whose_column_would_be_the_last_layer_s_is_told():
    sections = {"metrics": {"feature": ["l1"]}}
    assert told(checks.name_faults(sections)) == []
    assert told(checks.name_faults({**sections, "last_layer": "fc"})) == [
        'metrics: a metric would be column "feature_l1", which is the last layer\'s; leave one out'
    ]


def test_kept_columns_may_have_the_last_layer_s_names_where_there_is_none():
    sections = {"keep": ["gradnorm", "gen"], "metrics": {"all": ["l1"]}}
    (fault,) = told(checks.name_faults(sections))
    assert fault.startswith('keep[1]: "gen" is a column of the table already')
    assert len(told(checks.name_faults({**sections, "last_layer": "fc"}))) == 2


def test_targets_whose_columns_would_be_one_are_told():
    sections = {"metrics": {"a.b": ["max"], "a_b": ["max", "min"], "A.b": ["l1"]}}
    assert told(checks.name_faults(sections)) == [
        'metrics: two metrics would both be column "a_b_max"; leave one out'
    ]


def test_as_many_means_as_channels_are_wanted():
    """Three means of a grey image would make three channels of one, silently."""
    grey = FieldSpec(column="x", shape=[1, 28, 28], mean=[0.1, 0.2, 0.3], std=[0.1])
    assert told(checks.channel_faults("", grey)) == [
        "input.mean: got 3 entries; the input has 1 channels"
    ]


def test_names_of_a_rows_identity_are_no_inputs_and_no_labels():
    sections = {"input": {"": FieldSpec(column="row")}, "label": "source"}
    assert told(checks.name_faults(sections)) == [
        'input.column: "row" is what the table calls a row by; rename it in the source',
        'label: "source" is what the table calls a row by; rename it in the source',
    ]


def test_an_output_below_a_file_is_told(tmp_path):
    (tmp_path / "file").touch()
    assert told(checks.output_faults(str(tmp_path / "file" / "table"))) == [
        f"output: {tmp_path / 'file'} is a file; use a folder"
    ]
