"""A spec's text: what is right is taken, and everything that is wrong is told at once."""

import copy

import pytest
import yaml

from raygrad.errors import SpecError
from raygrad.losses import LOSSES
from raygrad.metrics import METRICS
from raygrad.spec import JobSpec, LossSpec, load, parse

SOUND = {
    "output": "table",
    "sources": [{"path": "a.parquet"}],
    "input": {"column": "x"},
    "model": {"factory": "module:function"},
    "metrics": {"all": ["max"]},
}


def changed(path: str, value: object) -> dict:
    """The sound spec with one entry, such as ``model.factory``, set to another value."""
    document = copy.deepcopy(SOUND)
    *way, last = path.split(".")
    place = document
    for part in way:
        place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
    place[last] = value
    return document


def faults_of(document: object) -> list[str]:
    return [str(fault) for fault in parse(document)[1]]


def job_of(document: object) -> JobSpec:
    sections, faults = parse(document)
    assert faults == []
    return JobSpec(**sections)


def test_the_smallest_spec_gets_the_documented_defaults():
    job = job_of(SOUND)
    assert job.loss == LossSpec(name="pseudo_label", temperature=1.0, arguments={})
    assert job.last_layer is None
    assert (job.batch_size, job.rows_per_file, job.max_errors) == (64, 50_000, None)
    assert (job.keep, job.label) == ([], None)
    assert (job.actors.min, job.actors.max, job.actors.cpus, job.actors.gpus) == (
        1,
        None,
        0.5,
        None,
    )
    assert (job.sources[0].format, job.sources[0].constants) == ("parquet", {})
    assert job.input[""].decode == "tensor"
    assert job.model.checkpoint is None


def test_one_field_stands_for_the_positional_argument():
    assert list(job_of(SOUND).input) == [""]


def test_several_fields_are_keyword_arguments():
    fields = {"ids": {"column": "a", "dtype": "int64"}, "mask": {"column": "b", "dtype": "bool"}}
    job = job_of(changed("input", fields))
    assert list(job.input) == ["ids", "mask"]
    assert job.input["mask"].column == "b"


@pytest.mark.parametrize("path", ["a", ["a"]])
def test_a_path_and_a_list_of_one_are_the_same(path):
    assert job_of(changed("sources.0.path", path)).sources[0].path == ["a"]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_of_the_table_can_be_named(loss):
    named = job_of(changed("loss", loss)).loss
    assert (named.name, named.temperature, named.arguments) == (loss, 1.0, {})
    assert job_of(changed("loss", {"name": loss})).loss == named


@pytest.mark.parametrize("loss", LOSSES)
def test_the_target_column_is_the_label_where_the_loss_needs_one(loss):
    job = job_of({**SOUND, "loss": loss, "label": "y"})
    assert job.target == ("y" if loss == "target" else None)


@pytest.mark.parametrize("temperature", [2, 0.5, 1000])
def test_a_loss_has_a_temperature_and_arguments(temperature):
    section = {"name": "my.losses:focal", "temperature": temperature, "arguments": {"gamma": 2}}
    loss = job_of(changed("loss", section)).loss
    assert loss.model_dump() == section


def test_ones_own_loss_can_be_named_alone():
    assert job_of(changed("loss", "mine:loss")).loss.name == "mine:loss"


@pytest.mark.parametrize("metric", [*METRICS, "l1", "l2", "l0.5", "l10", "linf"])
def test_every_metric_of_the_table_and_every_norm_can_be_named(metric):
    assert job_of(changed("metrics", {"all": [metric]})).metrics == {"all": [metric]}


@pytest.mark.parametrize("value", [0, 100, 0.0, 0.05, None])
def test_max_errors_is_a_number_of_rows_or_a_share(value):
    assert job_of(changed("max_errors", value)).max_errors == value


@pytest.mark.parametrize("value", [None, 0, -1, "logits"])
def test_logits_are_an_index_or_a_name(value):
    assert job_of(changed("model.logits", value)).model.logits == value


REQUIRED = ["output", "sources", "input", "model", "metrics"]


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_section_is_told_with_what_it_is_for(key):
    document = {name: value for name, value in SOUND.items() if name != key}
    (fault,) = faults_of(document)
    assert fault.startswith(f"{key}: is missing; ")


def test_an_empty_mapping_misses_everything_at_once():
    assert [fault.split(":")[0] for fault in faults_of({})] == REQUIRED


BAD = {
    "unknown key, near a known one": (
        "sourcs",
        [],
        'sourcs: is no key of a spec; did you mean "sources"?',
    ),
    "unknown key of the model": (
        "model.chekpoint",
        "a.pt",
        'model.chekpoint: is no key of a spec; did you mean "checkpoint"?',
    ),
    "unknown key, near none": (
        "model.zzz",
        1,
        "model.zzz: is no key of a spec; use factory, arguments, checkpoint, checkpoint_key, "
        "allow_pickle, logits",
    ),
    "unknown key of a source": (
        "sources.0.formt",
        "parquet",
        'sources[0].formt: is no key of a spec; did you mean "format"?',
    ),
    "unknown key of the input": (
        "input.decod",
        "image",
        'input.decod: is no key of a spec; did you mean "decode"?',
    ),
    "unknown key of the actors": (
        "actors.gpu",
        1,
        'actors.gpu: is no key of a spec; did you mean "gpus"?',
    ),
    "unknown loss": (
        "loss",
        "nll",
        'loss: got "nll"; use pseudo_label, uniform, confounding, target, exgrad, or your own '
        "module:function",
    ),
    "unknown loss in a section": (
        "loss",
        {"name": "nll"},
        'loss.name: got "nll"; use pseudo_label, uniform, confounding, target, exgrad, or your own '
        "module:function",
    ),
    "unknown key of the loss": (
        "loss",
        {"name": "uniform", "temprature": 2},
        'loss.temprature: is no key of a spec; did you mean "temperature"?',
    ),
    "temperature of zero": (
        "loss",
        {"name": "uniform", "temperature": 0},
        "loss.temperature: got 0; input should be greater than 0",
    ),
    "infinite temperature": (
        "loss",
        {"name": "uniform", "temperature": float("inf")},
        "loss.temperature: got Infinity; input should be a finite number",
    ),
    "a section without a name": ("loss", {"temperature": 2}, "loss.name: is missing"),
    "no name for the last layer": (
        "last_layer",
        "",
        'last_layer: got ""; string should have at least 1 character',
    ),
    "unknown metric": (
        "metrics.all",
        ["max", "median"],
        'metrics.all[1]: got "median"; use max, min, mean, std, or a p-norm such as l1, l2 or linf',
    ),
    "batch of none": (
        "batch_size",
        0,
        "batch_size: got 0; use a number of rows such as 64, or auto",
    ),
    "no sources": (
        "sources",
        [],
        "sources: got []; list should have at least 1 item after validation, not 0",
    ),
    "a text for the sources": (
        "sources",
        "a.parquet",
        'sources: got "a.parquet"; input should be a valid list',
    ),
    "a number for a column": (
        "input.column",
        3,
        "input.column: got 3; input should be a valid string",
    ),
    "unknown decoder": (
        "input.decode",
        "audio",
        "input.decode: got \"audio\"; input should be 'image' or 'tensor'",
    ),
    "unknown mode": (
        "input.mode",
        "RGBA",
        "input.mode: got \"RGBA\"; input should be 'L' or 'RGB'",
    ),
    "a share of one": (
        "max_errors",
        1.0,
        "max_errors: got 1.0; use a number of rows such as 100, or a share of them such as 0.05",
    ),
    "negative rows": (
        "max_errors",
        -1,
        "max_errors: got -1; use a number of rows such as 100, or a share of them such as 0.05",
    ),
    "percent": (
        "max_errors",
        "5%",
        'max_errors: got "5%"; use a number of rows such as 100, or a share of them such as 0.05',
    ),
    "a bool for the logits": (
        "model.logits",
        True,
        "model.logits: got true; use an index such as 0, or an attribute's name such as logits",
    ),
    "metrics as a text": (
        "metrics.all",
        "max",
        'metrics.all: got "max"; input should be a valid list',
    ),
    "no actors": ("actors.min", 0, "actors.min: got 0; input should be greater than or equal to 1"),
    "no cpus": ("actors.cpus", 0, "actors.cpus: got 0; input should be greater than 0"),
    "a null model": (
        "model",
        None,
        "model: got null; input should be a valid dictionary or instance of ModelSpec",
    ),
}


@pytest.mark.parametrize(("path", "value", "message"), BAD.values(), ids=BAD)
def test_a_fault_is_told_with_place_value_and_cure(path, value, message):
    faults = faults_of(changed(path, value))
    assert message in faults
    assert len(faults) == 1


@pytest.mark.parametrize(
    ("key", "cure"),
    [
        ("batch_size", "use a number of rows such as 64, or auto"),
        ("rows_per_file", "input should be a valid integer"),
    ],
)
@pytest.mark.parametrize(("value", "shown"), [("64", '"64"'), (True, "true"), (64.0, "64.0")])
def test_what_only_looks_like_a_whole_number_is_refused(key, cure, value, shown):
    assert faults_of(changed(key, value)) == [f"{key}: got {shown}; {cure}"]


@pytest.mark.parametrize("name", ["l0", "l-1", "lnan", "l", "L1", "l2 ", "linf2", "1"])
def test_a_norm_of_no_sense_is_refused(name):
    (fault,) = faults_of(changed("metrics.all", [name]))
    assert fault.startswith(f'metrics.all[0]: got "{name}"; use ')


def test_norm_zero_says_what_p_may_be():
    (fault,) = faults_of(changed("metrics.all", ["l0"]))
    assert fault == "metrics.all[0]: got \"l0\"; use a number in (0, inf] or 'inf'"


def test_all_faults_come_at_once():
    document = {
        "sources": [{"path": "a"}, {"path": []}, {"paths": "c"}],
        "input": {"ids": {"colunm": "a"}, "mask": {"column": 1}},
        "model": {"factory": 3, "zzz": 1},
        "metrics": {"all": ["max", "maxx"], "fc": ["l0"]},
        "loss": "nope",
        "batch_size": 0,
        "actors": {"min": 0, "cpus": "many"},
        "max_errors": 2.5,
        "extra": 1,
    }
    places = {fault.place for fault in parse(document)[1]}
    assert places == {
        "output",
        "sources[1].path",
        "sources[2].path",
        "sources[2].paths",
        "input.ids.column",
        "input.ids.colunm",
        "input.mask.column",
        "model.factory",
        "model.zzz",
        "metrics.all[1]",
        "metrics.fc[0]",
        "loss",
        "batch_size",
        "actors.min",
        "actors.cpus",
        "max_errors",
        "extra",
    }


def test_a_fault_leaves_the_sound_sections_usable():
    sections, faults = parse(changed("loss", "nope"))
    assert [fault.place for fault in faults] == ["loss"]
    assert set(sections) == set(JobSpec.model_fields) - {"loss"}


@pytest.mark.parametrize(
    ("document", "kind"), [(None, "NoneType"), ([1], "list"), ("text", "str"), (3, "int")]
)
def test_a_document_that_is_no_mapping_is_refused(document, kind):
    assert faults_of(document) == [f"spec: is a {kind}; use keys such as sources:"]


@pytest.mark.parametrize("key", [1, None, True])
def test_a_key_that_is_no_text_is_an_unknown_key(key):
    (fault,) = faults_of({**SOUND, key: 1})
    assert fault.startswith(f"{key}: is no key of a spec; ")


def test_an_empty_list_of_metrics_is_refused():
    (fault,) = parse(changed("metrics", {"all": []}))[1]
    assert fault.place == "metrics.all"


@pytest.mark.parametrize("shape", [[-1, 28, 28], [0]])
def test_a_shape_without_extent_is_refused(shape):
    faults = parse(changed("input.shape", shape))[1]
    assert [fault.place for fault in faults] == ["input.shape[0]"]


def test_a_date_as_a_key_in_the_wrong_place_is_a_fault_like_others():
    document = yaml.safe_load("keep: {2024-01-01: a}")
    assert "keep" in [fault.place for fault in parse(document)[1]]


def test_load_reads_a_file(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump({**SOUND, "label": "année"}, allow_unicode=True), "utf-8")
    sections, faults = load(str(path))
    assert faults == []
    assert sections["label"] == "année"


def test_an_empty_file_is_told(tmp_path):
    path = tmp_path / "job.yaml"
    path.touch()
    assert [str(fault) for fault in load(str(path))[1]] == [
        "spec: is a NoneType; use keys such as sources:"
    ]


def test_a_spec_that_is_not_there_is_told(tmp_path):
    path = str(tmp_path / "nowhere.yaml")
    with pytest.raises(SpecError) as caught:
        load(path)
    assert [str(fault) for fault in caught.value.faults] == [
        f"{path}: can't be read: No such file or directory"
    ]


def test_a_folder_is_no_spec(tmp_path):
    with pytest.raises(SpecError, match="can't be read: Is a directory"):
        load(str(tmp_path))


NOT_YAML = {
    "an open bracket": b"sources: [",
    "a tab": b"model:\n\tfactory: a",
    "an object tag": b"model: !!python/object/apply:os.getcwd []",
    "control characters": b"\x00\x01",
    "latin-1": pytest.param(
        "label: année".encode("latin-1"),
    ),
    "a day that doesn't exist": pytest.param(
        b"sources: [{path: a, constants: {day: 2024-02-31}}]",
    ),
}


@pytest.mark.parametrize("content", NOT_YAML.values(), ids=NOT_YAML)
def test_what_is_no_yaml_is_told(content, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load(str(path))
    assert str(caught.value).startswith(f"{path} has 1 fault:\n  {path}: is no YAML: ")


def test_specs_can_not_be_changed_by_accident():
    with pytest.raises(ValueError, match="frozen"):
        job_of(SOUND).batch_size = 3


def test_every_key_of_a_spec_survives_a_round_trip():
    document = {
        **copy.deepcopy(SOUND),
        "loss": {"name": "uniform", "temperature": 2.0, "arguments": {}},
        "last_layer": "fc",
        "keep": ["a", "b"],
        "label": "a",
        "actors": {"min": 2, "max": 4, "cpus": 1.0, "gpus": 0.25},
        "input": {
            "image": {
                "column": "x",
                "decode": "image",
                "mode": "L",
                "shape": [1, 28, 28],
                "rescale": 0.5,
                "mean": [0.1],
                "std": [0.2],
                "dtype": "float32",
            }
        },
    }
    dumped = job_of(document).model_dump(exclude_unset=True)
    wanted = {**document, "sources": [{"path": ["a.parquet"]}]}
    assert {key: dumped[key] for key in document} == wanted
