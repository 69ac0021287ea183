"""A job is prepared whole, or refused with every reason; nothing is written before that."""

import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from raygrad import plan
from raygrad.errors import IdentityError, PlanError, SpecError
from raygrad.table import identity, layout
from raygrad.validate import prepare


def faults_of(path: str, **options) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        prepare(path, **options)
    return {fault.place: fault.message for fault in caught.value.faults}


def start(job, published: int = 0) -> None:
    """Does what a run does before and after scoring, without scoring."""
    identity.claim(job.spec.output, job.identity)
    if len(job.fresh):
        plan.save(job.spec.output, job.fresh)
    for unit in list(job.open)[:published]:
        path = os.path.join(layout.scores(job.spec.output), unit.path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass


def test_a_sound_job_is_prepared(job_folder):
    job = prepare(job_folder.spec())
    assert job.spec.output == str(job_folder.root / "table")
    assert job.spec.model.checkpoint == str(job_folder.root / "weights.pt")
    assert [field.name for field in job.kept] == ["label"]
    assert [unit.path for unit in job.open] == [
        "dataset=a/0000-000000.parquet",
        "dataset=a/0000-000001.parquet",
    ]
    assert sum(unit.rows for unit in job.units) == 10
    assert list(job.fresh) == list(job.units)
    assert len(job.done) == 0
    assert torch.equal(job.model[0].weight, job_folder.model[0].weight)


def test_preparing_writes_nothing(job_folder):
    path = job_folder.spec()
    before = sorted(job_folder.root.rglob("*"))
    prepare(path)
    new = set(job_folder.root.rglob("*")) - set(before)
    assert {file for file in new if "__pycache__" not in str(file)} == set()


def test_the_shape_is_that_of_the_first_rows(job_folder):
    assert prepare(job_folder.spec()).spec.input[""].shape == [2]


def test_a_shape_of_the_spec_is_kept(job_folder):
    changes = {"input": {"column": "x", "shape": [2]}}
    assert prepare(job_folder.spec(changes)).spec.input[""].shape == [2]


def test_a_corrupt_first_row_does_not_hide_the_shape(job_folder):
    values = [None, *[[0.0, 1.0]] * 9]
    job_folder.write("data/a.parquet", x=pa.array(values, pa.list_(pa.float32())))
    assert prepare(job_folder.spec()).spec.input[""].shape == [2]


def test_an_empty_first_source_does_not_hide_the_shape(job_folder):
    job_folder.write("data/b.parquet", rows=0)
    sources = [
        {"path": "data/b.parquet", "constants": {"dataset": "b"}},
        {"path": "data/a.parquet", "constants": {"dataset": "a"}},
    ]
    assert prepare(job_folder.spec({"sources": sources})).spec.input[""].shape == [2]


def test_many_empty_first_files_do_not_hide_the_shape(job_folder):
    """Spark writes an empty file for each partition that is empty."""
    for number in range(9):
        job_folder.write(f"data/many/{number}.parquet", rows=0)
    job_folder.write("data/many/9.parquet")
    sources = [{"path": "data/many"}]
    assert prepare(job_folder.spec({"sources": sources})).spec.input[""].shape == [2]


def test_rows_of_which_none_can_be_decoded_are_refused(job_folder):
    job_folder.write("data/a.parquet", x=pa.array([None] * 10, pa.list_(pa.float32())))
    assert faults_of(job_folder.spec()) == {
        "input.column": ("none of the first rows can be decoded; NullInputError: column x is null")
    }


def test_a_source_without_rows_is_refused(job_folder):
    job_folder.write("data/a.parquet", rows=0)
    assert faults_of(job_folder.spec()) == {
        "input.column": "none of the first rows can be decoded; there are no rows"
    }


def test_a_shape_that_no_row_has_is_refused(job_folder):
    assert faults_of(job_folder.spec({"input": {"column": "x", "shape": [3]}})) != {}


def test_a_model_that_fails_on_every_row_is_refused_with_its_traceback(job_folder):
    job_folder.write("data/a.parquet", x=pa.array([[1.0, 2.0, 3.0]] * 10))
    message = faults_of(job_folder.spec())["model"]
    assert message.startswith("not one of the first rows can be scored:\n")
    assert "mat1 and mat2 shapes cannot be multiplied" in message


def test_every_fault_of_a_bad_job_comes_in_one_error(job_folder):
    (job_folder.root / "broken.parquet").write_bytes(b"broken")
    changes = {
        "sources": [
            {"path": "data/a.parquet", "constants": {"dataset": "01"}},
            {"path": "data/a.parquet", "format": "webp", "constants": {"dataset": "b"}},
            {"path": "nowhere/*.parquet", "constants": {"dataset": "c"}},
            {"path": "broken.parquet", "constants": {"dataset": "d"}},
            {"path": "data/a.parquet", "constants": {"set": "e"}},
        ],
        "input": {"column": "pixels"},
        "keep": ["label", "prediction", "label", "group", "row", "source"],
        "label": "truth",
        "metrics": {"all": ["max"], "tail": ["l1"]},
        "loss": "nll",
        "batch": 4,
    }
    faults = faults_of(job_folder.spec(changes))
    assert {place: message.split(": ")[0] for place, message in faults.items()} == {
        "batch": 'is no key of a spec; did you mean "batch_size"?',
        "loss": 'got "nll"; use pseudo_label, uniform, confounding, target, exgrad, or your own '
        "module:function",
        "input.column": 'sources[4] has no column "pixels"; it has x, label',
        "keep[1]": '"prediction" is a column of the table already; rename it in the source',
        "keep[2]": '"label" is a column of the table already; rename it in the source',
        "keep[3]": 'sources[4] has no column "group"; it has x, label',
        "keep[4]": '"row" is a column of the table already; rename it in the source',
        "keep[5]": '"source" is a column of the table already; rename it in the source',
        "label": 'sources[4] has no column "truth"; it has x, label',
        "sources[0].constants.dataset": ("got '01'; readers take it for a number; add a letter"),
        "sources[1].format": 'got "webp"; use parquet, images, numpy, webdataset',
        "sources[2].path": "nothing is at nowhere/*.parquet",
        "sources[3].path": f"{job_folder.root}/broken.parquet can't be read as parquet",
        "sources[4].constants": "every source needs the same keys in the same order",
        "metrics.tail": 'the model has no "tail"; use all, fc, fc.weight, fc.bias',
    }


def test_faults_of_the_model_and_the_checkpoint_stand_beside_others(job_folder):
    changes = {"keep": ["energy"], "model": {"factory": "no_such:f"}}
    assert set(faults_of(job_folder.spec(changes))) == {"keep[0]", "model.factory"}
    torch.save({"fc.weight": torch.zeros(3, 2)}, "other.pt")
    model = {**job_folder.document["model"], "checkpoint": "other.pt"}
    faults = faults_of(job_folder.spec({"keep": ["energy"], "model": model}))
    assert set(faults) == {"keep[0]", "model.checkpoint"}
    assert 'Missing key(s) in state_dict: "fc.bias"' in faults["model.checkpoint"]


@pytest.mark.parametrize("name", ["all_l1", "all_max", "fc_l2", "msp", "error_type"])
def test_a_kept_column_that_is_named_like_one_of_ours_is_refused(job_folder, name):
    job_folder.write("data/a.parquet", **{name: pa.array(range(10))})
    assert faults_of(job_folder.spec({"keep": [name]})) == {
        "keep[0]": f'"{name}" is a column of the table already; rename it in the source'
    }


def test_a_kept_column_that_differs_by_case_only_is_refused(job_folder):
    job_folder.write("data/a.parquet", Prediction=pa.array(range(10)))
    assert "keep[0]" in faults_of(job_folder.spec({"keep": ["Prediction"]}))


@pytest.mark.parametrize("name", ["row", "source"])
def test_an_input_that_is_named_like_the_identity_is_read_or_refused(job_folder, name):
    job_folder.write("data/a.parquet", **{name: job_folder.columns(10)["x"]})
    try:
        prepare(job_folder.spec({"input": {"column": name}}))
    except SpecError as error:
        assert error.faults[0].place == "input.column"  # noqa: PT017


def test_two_metrics_of_one_column_are_refused(job_folder):
    metrics = {"fc": ["l1", "max", "l1"]}
    assert faults_of(job_folder.spec({"metrics": metrics})) == {
        "metrics": 'two metrics would both be column "fc_l1"; leave one out'
    }


@pytest.mark.parametrize(
    ("kind", "values"), [("text", ["a"] * 4), ("list", [[1]] * 4)], ids=["text", "list"]
)
def test_a_kept_column_of_another_type_in_another_source_is_refused(job_folder, kind, values):
    job_folder.write("data/b.parquet", rows=4, label=pa.array(values))
    sources = [
        {"path": "data/a.parquet", "constants": {"dataset": "a"}},
        {"path": "data/b.parquet", "constants": {"dataset": "b"}},
    ]
    assert faults_of(job_folder.spec({"sources": sources})) != {}


def test_a_file_that_lacks_a_column_is_refused(job_folder):
    job_folder.write("data/b.parquet", label=None)
    sources = [{"path": "data", "constants": {"dataset": "a"}}]
    assert faults_of(job_folder.spec({"sources": sources})) == {
        f"{job_folder.root}/data/b.parquet": 'has no column "label"'
    }


def test_a_source_of_another_source_that_lacks_the_column_is_refused(job_folder):
    job_folder.write("data/b.parquet", x=None)
    sources = [
        {"path": "data/a.parquet", "constants": {"dataset": "a"}},
        {"path": "data/b.parquet", "constants": {"dataset": "b"}},
    ]
    assert faults_of(job_folder.spec({"sources": sources})) == {
        "input.column": 'sources[1] has no column "x"; it has label'
    }


@pytest.mark.parametrize(
    "output",
    [
        pytest.param(
            "nope://bucket/table",
        ),
        pytest.param(
            "weights.pt",
        ),
    ],
)
def test_an_output_that_can_not_be_a_table_is_refused(job_folder, output):
    assert "output" in faults_of(job_folder.spec({"output": output}))


class TestTrials:
    def test_a_limit_needs_an_output(self, job_folder):
        assert faults_of(job_folder.spec(), limit=3) == {
            "--limit": "needs --output, a trial never writes into the job's own table"
        }

    @pytest.mark.parametrize(
        "output",
        [
            "table",
            "./table",
            "table/",
            pytest.param(
                "data/../table",
            ),
            pytest.param("link"),
        ],
    )
    def test_the_output_must_be_another_table(self, job_folder, output):
        (job_folder.root / "table").mkdir()
        (job_folder.root / "link").symlink_to("table")
        assert faults_of(job_folder.spec(), limit=3, output=output) == {
            "--output": "is the job's own table; a trial needs another one"
        }

    def test_it_ends_at_its_limit_in_its_own_table(self, job_folder):
        job = prepare(job_folder.spec(), limit=7, output="trial")
        assert job.spec.output == str(job_folder.root / "trial")
        assert [unit.rows for unit in job.units] == [6, 1]
        assert job.identity["limit"] == 7

    def test_it_is_resumed_with_the_same_limit_only(self, job_folder):
        path = job_folder.spec()
        start(prepare(path, limit=7, output="trial"))
        assert len(prepare(path, limit=7, output="trial").units) == 2
        with pytest.raises(IdentityError, match="limit: the table has 7, this job 3"):
            prepare(path, limit=3, output="trial")

    def test_its_faults_stand_beside_others(self, job_folder):
        faults = faults_of(job_folder.spec({"loss": "nll"}), limit=3)
        assert set(faults) == {"--limit", "loss"}


CHANGES = {
    "loss": ({"loss": "uniform"}, 'loss.name: the table has "pseudo_label", this job "uniform"'),
    "temperature": (
        {"loss": {"name": "pseudo_label", "temperature": 2}},
        "loss.temperature: the table has 1.0, this job 2.0",
    ),
    "last layer": ({"last_layer": "fc"}, 'last_layer: the table has null, this job "fc"'),
    "metrics": (
        {"metrics": {"all": ["max"], "fc": ["l2"]}},
        'metrics.all: the table has ["max", "l1"], this job ["max"]',
    ),
    "batch size": ({"batch_size": 5}, "batch_size: the table has 4, this job 5"),
    "keep": ({"keep": []}, 'keep: the table has ["label"], this job []'),
    "transform": (
        {"input": {"column": "x", "rescale": 2.0}},
        "rescale: the table has null, this job 2.0",
    ),
}


class TestResume:
    def test_done_units_are_seen(self, job_folder):
        path = job_folder.spec()
        start(prepare(path), published=1)
        job = prepare(path)
        assert len(job.fresh) == 0
        assert job.done.tolist() == [True, False]
        assert [unit.path for unit in job.open] == ["dataset=a/0000-000001.parquet"]

    def test_a_finished_job_has_nothing_open(self, job_folder):
        path = job_folder.spec()
        start(prepare(path), published=2)
        assert len(prepare(path).open) == 0

    def test_the_plan_is_loaded_and_never_made_anew(self, job_folder):
        start(prepare(job_folder.spec()), published=1)
        job = prepare(job_folder.spec({"rows_per_file": 100}))
        assert [unit.rows for unit in job.units] == [6, 4]

    def test_new_files_become_a_new_generation(self, job_folder):
        path = job_folder.spec({"sources": [{"path": "data", "constants": {"dataset": "a"}}]})
        start(prepare(path), published=2)
        job_folder.write("data/b.parquet", rows=4)
        job = prepare(path)
        assert [unit.path for unit in job.open] == ["dataset=a/0001-000000.parquet"]
        assert [unit.rows for unit in job.fresh] == [4]

    def test_a_changed_file_with_open_units_is_refused(self, job_folder):
        path = job_folder.spec()
        start(prepare(path), published=1)
        changed = job_folder.write("data/a.parquet", rows=12)
        with pytest.raises(PlanError, match=f"{changed} has changed"):
            prepare(path)

    def test_a_vanished_file_with_open_units_is_refused(self, job_folder):
        job_folder.write("data/b.parquet")
        path = job_folder.spec({"sources": [{"path": "data", "constants": {"dataset": "a"}}]})
        start(prepare(path), published=1)
        os.unlink("data/b.parquet")
        with pytest.raises(PlanError, match=r"data/b\.parquet is gone"):
            prepare(path)

    def test_a_changed_file_whose_units_are_done_is_no_matter(self, job_folder):
        path = job_folder.spec()
        start(prepare(path), published=2)
        job_folder.write("data/a.parquet", rows=12)
        assert len(prepare(path).open) == 0

    def test_a_source_spelt_differently_is_the_same_source(self, job_folder):
        start(prepare(job_folder.spec()), published=2)
        sources = [{"path": "./data/../data/a.parquet", "constants": {"dataset": "a"}}]
        assert len(prepare(job_folder.spec({"sources": sources})).open) == 0

    def test_arguments_and_label_of_a_loss_are_part_of_the_identity(self, job_folder):
        loss = {"name": "exgrad", "arguments": {"classes": 2}}
        start(prepare(job_folder.spec({"loss": loss})))
        with pytest.raises(IdentityError) as caught:
            prepare(job_folder.spec({"loss": "target"}))
        assert [line.strip() for line in str(caught.value).splitlines()[1:-1]] == [
            'label: the table has null, this job "label"',
            "loss.arguments.classes: the table has 2, this job null",
            'loss.name: the table has "exgrad", this job "target"',
        ]

    @pytest.mark.parametrize(("change", "line"), CHANGES.values(), ids=CHANGES)
    def test_another_identity_is_refused_with_a_diff(self, job_folder, change, line):
        start(prepare(job_folder.spec()))
        with pytest.raises(IdentityError) as caught:
            prepare(job_folder.spec(change))
        (told,) = str(caught.value).splitlines()[1:-1]
        assert told.endswith(line)

    def test_other_weights_are_refused(self, job_folder):
        path = job_folder.spec()
        start(prepare(path))
        state = job_folder.model.state_dict()
        state["fc.bias"][0] += 1
        torch.save(state, "weights.pt")
        with pytest.raises(IdentityError, match=r"model\.fingerprint: the table has"):
            prepare(path)

    def test_the_same_weights_elsewhere_are_welcome(self, job_folder):
        start(prepare(job_folder.spec()))
        shutil.move("weights.pt", "moved.pt")
        model = {**job_folder.document["model"], "checkpoint": "moved.pt"}
        assert len(prepare(job_folder.spec({"model": model})).open) == 2

    def test_the_same_weights_in_another_file_format_are_welcome(self, job_folder):
        start(prepare(job_folder.spec()))
        whole = {"state_dict": job_folder.model.state_dict()}
        torch.save(whole, "whole.ckpt")
        more = {"checkpoint": "whole.ckpt", "checkpoint_key": "state_dict", "allow_pickle": True}
        model = {**job_folder.document["model"], **more}
        assert len(prepare(job_folder.spec({"model": model})).open) == 2


def publish_with_an_error(job) -> None:
    """As a run does whose unit 0 has one row that failed."""
    start(job)
    path = os.path.join(layout.scores(job.spec.output), job.units[0].path)
    os.makedirs(os.path.dirname(path))
    footer = json.dumps({"rows": {"failed": 1}})
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata({"raygrad": footer}), path)


def test_units_with_errors_are_scored_again_if_asked_for(job_folder):
    path = job_folder.spec()
    first = prepare(path)
    publish_with_an_error(first)
    assert list(prepare(path).to_score) == [first.units[1]]
    again = prepare(path, retry_errors=True)
    assert again.retried == {first.units[0].path: 1}
    assert list(again.to_score) == [first.units[1], first.units[0]]


def test_errors_of_a_source_that_changed_are_not_tried_again(job_folder):
    path = job_folder.spec()
    job = prepare(path)
    publish_with_an_error(job)
    for unit in list(job.units)[1:]:
        shutil.copy(
            os.path.join(layout.scores(job.spec.output), job.units[0].path),
            os.path.join(layout.scores(job.spec.output), unit.path),
        )
    source = job.units[0].segments[0].uri
    os.utime(source, (1, 1))
    with pytest.raises(PlanError) as caught:
        prepare(path, retry_errors=True)
    assert f"{source} has changed" in str(caught.value)
    assert "or run without --retry-errors" in str(caught.value)
    assert len(prepare(path).to_score) == 0
