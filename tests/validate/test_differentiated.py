"""Faults of the loss, the targets and the last layer, each with its cure."""

import pyarrow as pa
import pytest
import torch
from torch import nn

from raygrad.errors import SpecError
from raygrad.spec import LossSpec
from raygrad.validate import differentiated, prepare, report


def told(faults) -> list[str]:
    return [str(fault) for fault in faults]


def loss(name: str, **options) -> dict:
    return {"loss": LossSpec.model_validate({"name": name, **options})}


def test_targets_that_are_not_there_or_have_no_parameters_are_told():
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU()).requires_grad_(False)
    wanted = {"all": ["l1"], "0.bias": ["l1"], "1": ["l1"], "2": ["l1"]}
    assert told(differentiated.target_faults(model, wanted)) == [
        "metrics.1: ReLU has no parameters",
        'metrics.2: the model has no "2"; use all, 0, 1, 0.weight, 0.bias',
    ]


def test_a_parameter_of_whole_numbers_is_told():
    """A quantised weight has no gradient."""
    model = nn.Module()
    model.w = nn.Parameter(torch.ones(2, dtype=torch.int8), requires_grad=False)
    assert len(told(differentiated.target_faults(model, {"w": ["l1"]}))) == 1


def test_a_loss_that_needs_labels_needs_their_column():
    assert told(differentiated.loss_faults({**loss("target"), "label": "y"})) == []
    assert told(differentiated.loss_faults(loss("target"))) == [
        'loss: got "target", which needs the true classes; set label to their column'
    ]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (loss("exgrad", arguments={"classes": 3}), None),
        (loss("math:sqrt"), None),
        ({}, None),
        (
            loss("uniform", arguments={"gamma": 2}),
            "loss.arguments: got an unexpected keyword argument 'gamma'; the loss is "
            "uniform(logits)",
        ),
        (loss("no_such_module:f"), 'loss: no module "no_such_module" in'),
        (loss("math:nope"), 'loss: module math has no "nope"'),
        (loss("math:pi"), "loss: math:pi is a float; use a function from logits (N, C) to (N,)"),
        (loss("math:pow"), "loss.arguments: missing a required argument: 'y'"),
    ],
)
def test_a_loss_has_to_be_there_and_to_take_its_arguments(given, fault):
    found = told(differentiated.loss_faults(given))
    if fault is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(fault)


def model() -> nn.Module:
    found = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    found.add_module("fc", nn.Linear(2, 3))
    return found


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (None, None),
        ("fc", None),
        ("nope", 'the model has no "nope"; use fc, if it gives the logits'),
        ("1", "1 is a ReLU, not a torch.nn.Linear; use fc, if it gives the logits"),
        (
            "fc.weight",
            "fc.weight is a Parameter, not a torch.nn.Linear; use fc, if it gives the logits",
        ),
    ],
)
def test_the_last_layer_is_a_linear_layer_of_the_model(name, fault):
    expected = [] if fault is None else [f"last_layer: {fault}"]
    assert told(differentiated.last_layer_faults(model(), name)) == expected


def test_a_model_without_linear_layers_has_no_last_layer():
    convolutional = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Flatten())
    assert told(differentiated.last_layer_faults(convolutional, "0")) == [
        "last_layer: 0 is a Conv2d, not a torch.nn.Linear; leave last_layer out"
    ]


def refused(path: str) -> list[str]:
    with pytest.raises(SpecError) as raised:
        prepare(path)
    return told(raised.value.faults)


def test_all_faults_of_what_is_differentiated_are_told_at_once(job_folder):
    changes = {"loss": {"name": "target", "arguments": {"a": 1}}, "last_layer": "head"}
    faults = refused(job_folder.spec({**changes, "metrics": {"nope": ["l1"]}}, drop=("label",)))
    assert [fault.split(":")[0] for fault in faults] == [
        *("loss", "loss.arguments", "metrics.nope", "last_layer")
    ]


def test_labels_of_the_target_loss_have_to_be_whole_numbers(job_folder):
    job_folder.write("data/a.parquet", label=list("abcdefghij"))
    (fault,) = refused(job_folder.spec({"loss": "target", "keep": []}))
    assert fault.startswith("label: sources[0] has string; ")


TIMES_TWO = """
from torch import nn


class TimesTwo(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 3)

    def forward(self, x):
        return 2 * self.fc(x)


def model():
    return TimesTwo()
"""


def test_a_linear_layer_that_does_not_give_the_logits_is_refused_before_work(job_folder):
    module = job_folder.module_with(TIMES_TWO)
    factory = {"factory": f"{module}:model"}
    changes = {"model": factory, "metrics": {"all": ["l1"]}, "last_layer": "fc"}
    (fault,) = refused(job_folder.spec(changes))
    assert fault.startswith("last_layer: the output of fc, of shape (8, 3), isn't the logits")


def test_a_job_with_label_loss_and_last_layer_is_sound_and_checked_in_float64(job_folder):
    changes = {"loss": {"name": "target", "temperature": 2}, "last_layer": "fc", "keep": []}
    job = prepare(job_folder.spec(changes))
    assert 0 < job.check < 1e-5
    found = report(job, rows=10)
    assert found.scores["error_type"].null_count == 10
    assert found.explanation is not None
    logits = job_folder.model(torch.tensor(job_folder.columns(10)["x"].to_pylist()))
    labels = torch.tensor(job_folder.columns(10)["label"].to_pylist())
    gradients = []
    for row, label in zip(logits / 2, labels, strict=True):
        value = nn.functional.cross_entropy(row[None], label[None])
        fc = list(job_folder.model.parameters())
        gradient = torch.autograd.grad(value, fc, retain_graph=True)
        gradients.append(float(torch.cat([g.flatten() for g in gradient]).norm()))
    assert found.scores["fc_l2"].to_pylist() == pytest.approx(gradients, rel=1e-5)


def test_rows_of_another_class_do_not_keep_the_others_from_the_check(job_folder):
    labels = [7, None, *job_folder.columns(10)["label"].to_pylist()[2:]]
    job_folder.write("data/a.parquet", label=pa.array(labels))
    job = prepare(job_folder.spec({"loss": "target"}))
    assert job.check is not None
    assert 0 < job.check < 1e-5
    assert report(job, rows=10).scores["error_type"].to_pylist()[:3] == [*["LabelError"] * 2, None]


def test_only_labels_that_are_none_leave_nothing_to_score(job_folder):
    job_folder.write("data/a.parquet", label=pa.array([-1] * 10))
    (fault,) = refused(job_folder.spec({"loss": "target"}))
    assert fault.endswith("LabelError: column label is -1; labels count from 0")


def test_labels_of_other_classes_leave_nothing_to_score_and_the_loss_is_named(job_folder):
    job_folder.write("data/a.parquet", label=pa.array([7] * 10))
    (fault,) = refused(job_folder.spec({"loss": "target"}))
    assert fault.startswith("loss: not one of the first rows can be scored:")
    assert "the label is 7; the model has 3 classes, 0 to 2" in fault


def test_ones_own_loss_that_fails_is_named(job_folder):
    module = job_folder.module_with("def sums(logits):\n    return logits.sum()\n")
    (fault,) = refused(job_folder.spec({"loss": f"{module}:sums"}))
    assert fault.startswith("loss: not one of the first rows can be scored:")
    assert "return a tensor with one loss a sample, shape (N,)" in fault
