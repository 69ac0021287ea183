"""What a job differentiates: temperature, labels, ones own loss, expectations over labels."""

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F
from scoring import CPU, KEPT, VALUES, column, job, network, rows, score

from raygrad import GradientMetricCollector
from raygrad.errors import LabelError
from raygrad.losses import LOSSES
from raygrad.metrics import metric_by_name
from raygrad.scorer import LABELS, Scorer, decode_batch, raw_columns
from raygrad.scorer.objective import Objective
from raygrad.spec import LossSpec

METRICS = {"all": ["max", "l1"], "1.weight": ["std", "l2"]}
COLUMNS = ["all_max", "all_l1", "layer_1_weight_std", "layer_1_weight_l2"]
TARGET = {"loss": "target", "label": "label", "metrics": METRICS}


def one_backward_a_sample(loss) -> np.ndarray:
    """Metrics of some rows, float64, by autograd: loss takes logits (1, C) and the row's number."""
    model = network().double().requires_grad_(True)
    found = []
    for index, row in enumerate(VALUES):
        value = loss(model(torch.from_numpy(row[None]).double()), index).sum()
        gradients = torch.autograd.grad(value, list(model.parameters()))
        flat, weight = torch.cat([g.flatten() for g in gradients]), gradients[2].flatten()
        numbers = [flat.max(), flat.abs().sum(), weight.std(), weight.norm()]
        found.append([float(number) for number in numbers])
    return np.array(found)


def scored(**changes) -> np.ndarray:
    table = score(job(metrics=METRICS, **changes), network(), rows(VALUES.tolist()))
    assert table["error_type"].null_count == len(VALUES)
    return np.stack([column(table, name) for name in COLUMNS], 1)


@pytest.mark.parametrize("temperature", [0.5, 2, 20.0])
@pytest.mark.parametrize("loss", ["pseudo_label", "uniform", "confounding"])
def test_the_temperature_divides_the_logits(loss, temperature):
    found = scored(loss={"name": loss, "temperature": temperature})
    expected = one_backward_a_sample(lambda logits, _: LOSSES[loss](logits / temperature))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_target_loss_takes_each_row_s_label():
    labels = [2, 0, 1, 1, 0]
    table = rows(VALUES.tolist(), label=pa.array(labels, pa.int8()))
    found = score(job(**TARGET), network(), table, [pa.field("label", pa.int8())])
    expected = one_backward_a_sample(
        lambda logits, row: F.cross_entropy(logits, torch.tensor([labels[row]]))
    )
    got = np.stack([column(found, name) for name in COLUMNS], 1)
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    assert found["label"].to_pylist() == labels


def test_rows_without_a_sound_label_are_error_rows_and_harm_no_other():
    labels = [2, None, -1, 3, 0]
    table = rows(VALUES.tolist(), label=pa.array(labels, pa.int32()))
    found = score(job(**TARGET), network(), table)
    assert found["error_stage"].to_pylist() == [None, "decode", "decode", "score", None]
    assert found["error_type"].to_pylist() == [None, *["LabelError"] * 3, None]
    assert found["error_message"].to_pylist()[1:4] == [
        "column label is null; the loss needs a label",
        "column label is -1; labels count from 0",
        "the label is 3; the model has 3 classes, 0 to 2",
    ]
    assert found["label"].to_pylist() == labels
    sound = score(job(**TARGET), network(), table.take([0, 4]))
    for name in COLUMNS:
        np.testing.assert_allclose(
            column(found.take([0, 4]), name), column(sound, name), rtol=1e-6, err_msg=name
        )


def test_a_label_may_be_null_where_the_loss_needs_none():
    table = rows(VALUES.tolist(), label=pa.nulls(5, pa.int32()))
    found = score(job(loss="uniform", label="label"), network(), table)
    assert found["error_type"].null_count == 5


def test_the_first_error_of_a_row_is_that_of_its_input():
    table = rows([None], label=pa.nulls(1, pa.int32()))
    found = score(job(**TARGET), network(), table)
    assert found["error_type"].to_pylist() == ["NullInputError"]


def test_the_label_is_read_where_the_loss_needs_it():
    assert raw_columns(job(keep=[], label="y", loss="target")) == ["x", "y"]
    assert raw_columns(job(keep=[], label="y", loss="uniform")) == ["x"]


def test_labels_beyond_int64_are_error_rows():
    table = rows(VALUES[:1].tolist(), label=pa.array([2**64 - 1], pa.uint64()))
    found = score(job(**TARGET), network(), table, [pa.field("label", pa.uint64())])
    assert found["error_type"].to_pylist() == ["LabelError"]


def test_labels_travel_with_the_inputs():
    spec = job(**TARGET)
    scorer = Scorer(spec, network(), CPU, KEPT)
    labels = pa.array([1, None, 0], pa.int32())
    batch = decode_batch(rows(VALUES[:3].tolist(), label=labels), spec)
    assert scorer.inputs(batch)[LABELS].tolist() == [1, 0]
    assert scorer.score(batch, scorer.upload(batch)).equals(scorer.score(batch))


def expectation(classes: int) -> np.ndarray:
    """Sum over labels of probability times metric, a backward for each sample and label."""
    logits = network().double()(torch.from_numpy(VALUES).double())
    p, labels = logits.softmax(1).detach().sort(1, descending=True)
    total = np.zeros((len(VALUES), len(COLUMNS)))
    for place in range(classes):
        chosen = labels[:, place]
        metrics = one_backward_a_sample(
            lambda logits, row, chosen=chosen: F.cross_entropy(logits, chosen[row : row + 1])
        )
        total += p[:, place : place + 1].numpy() * metrics
    return total


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_exgrad_is_an_expectation_over_the_most_probable_labels(classes):
    found = scored(loss={"name": "exgrad", "arguments": {"classes": classes}})
    np.testing.assert_allclose(found, expectation(classes), rtol=1e-4)


def test_exgrad_over_more_labels_than_there_are_is_exact():
    np.testing.assert_allclose(scored(loss="exgrad"), expectation(3), rtol=1e-4)


def test_exgrad_of_all_labels_is_the_closed_form_on_the_last_layer():
    spec = job(loss="exgrad", metrics={"1.weight": ["l1"]}, last_layer="1")
    found = score(spec, network(), rows(VALUES.tolist()))
    closed = column(found, "exgrad")
    np.testing.assert_allclose(column(found, "layer_1_weight_l1"), closed, rtol=1e-5)


OWN = '''
"""Losses of one's own."""
import torch


def focal(logits, *, gamma=0.0):
    p = logits.softmax(1).amax(1)
    return -((1 - p) ** gamma) * p.log()


def mean(logits):
    return logits.logsumexp(1).mean()


def nothing(logits):
    return None


number = 3
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The name of a module of losses, importable."""
    (tmp_path / "own_losses_of_a_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "own_losses_of_a_test"


@pytest.mark.parametrize(("arguments", "gamma"), [({}, 0), ({"gamma": 2}, 2)])
def test_ones_own_loss_takes_logits_and_arguments(own, arguments, gamma):
    found = scored(loss={"name": f"{own}:focal", "temperature": 2, "arguments": arguments})

    def focal(logits, _):
        p = (logits / 2).softmax(1).amax(1)
        return -((1 - p) ** gamma) * p.log()

    np.testing.assert_allclose(found, one_backward_a_sample(focal), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("mean", "returned a Tensor of shape () for 5 samples"), ("nothing", "returned a NoneType")],
)
def test_ones_own_loss_has_to_give_one_number_a_sample(own, name, complaint):
    objective = Objective(LossSpec(name=f"{own}:{name}", temperature=1.0))
    with pytest.raises(TypeError, match="one loss a sample") as raised:
        objective.terms(torch.zeros(5, 3))
    assert complaint in str(raised.value)


def test_temperature_one_leaves_every_bit_alone():
    spec = job(metrics=METRICS)
    found = score(spec, network(), rows(VALUES.tolist()))
    model = network().requires_grad_(True)
    targets = {"all": model, "1.weight": model[1].weight}
    metrics = [metric_by_name(n, targets[t]) for t, names in spec.metrics.items() for n in names]
    logits = model(torch.from_numpy(VALUES))
    expected = GradientMetricCollector(metrics)(LOSSES["pseudo_label"](logits)).numpy()
    assert np.array_equal(np.stack([column(found, name) for name in COLUMNS], 1), expected)


def test_a_label_beyond_the_classes_is_told_by_its_number():
    objective = Objective(LossSpec(name="target", temperature=1.0))
    with pytest.raises(LabelError, match="the label is 7; the model has 3 classes, 0 to 2"):
        objective.terms(torch.zeros(2, 3), torch.tensor([0, 7]))
