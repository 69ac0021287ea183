"""One batch in, one batch of scores and errors out; what fails, fails alone."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from scoring import CPU, EVERY_METRIC, KEPT, VALUES, column, job, network, rows, score
from torch import nn

from raygrad import GradientMetricCollector
from raygrad.confidence import CONFIDENCE
from raygrad.losses import LOSSES
from raygrad.metrics import metric_by_name
from raygrad.scorer import Scorer, decode_batch, raw_columns
from raygrad.table import schema


class RefusesLargeInput(nn.Module):
    """Raises where an entry is above 100, whatever else is in the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if (x > 100).any():
            raise OverflowError("too large for me")
        return self.fc(x)


class AddsTwoInputs(nn.Module):
    """Embeds tokens, masks them, adds features: a model of three keywords."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embedding = nn.Embedding(7, 3)
        self.fc = nn.Linear(2, 3)

    def forward(self, *, ids, mask, features):
        assert ids.dtype == torch.int64
        assert mask.dtype == torch.bool
        embedded = (self.embedding(ids) * mask[..., None]).sum(1)
        return {"logits": embedded + self.fc(features)}


def test_the_columns_come_as_the_schema_says():
    found = score(job(), network(), rows(VALUES.tolist()))
    assert found.schema.equals(schema.scores(KEPT, job().metrics))
    assert found.schema.names == [
        *("source", "row", "label"),
        *("prediction", "msp", "max_logit", "energy", "entropy", "margin", "gen"),
        *("all_max", "all_l1", "layer_1_weight_std"),
        *("error_stage", "error_type", "error_message"),
    ]


def test_identity_and_kept_columns_pass_through():
    found = score(job(), network(), rows(VALUES.tolist()))
    assert found["source"].to_pylist() == ["a.parquet"] * 5
    assert found["row"].to_pylist() == [10, 11, 12, 13, 14]
    assert found["label"].to_pylist() == [0, 1, 2, 3, 4]


def test_kept_columns_take_the_type_of_the_table():
    """Files of one source may differ in width; the table has that of the first."""
    table = rows(VALUES.tolist(), label=pa.array([0, 1, None, 3, 4], pa.int64()))
    found = score(job(), network(), table)
    assert found["label"].type == pa.int32()
    assert found["label"].to_pylist() == [0, 1, None, 3, 4]


@pytest.mark.parametrize("loss", ["pseudo_label", "uniform", "confounding"])
def test_scores_equal_the_collector_called_directly(loss):
    spec = job(loss=loss, metrics={"all": EVERY_METRIC, "0": EVERY_METRIC, "1.bias": ["l2"]})
    found = score(spec, network(), rows(VALUES.tolist()))
    model = network().requires_grad_(True)
    targets = {"all": model, "0": model[0], "1.bias": model[1].bias}
    metrics = [
        metric_by_name(name, targets[target])
        for target, names in spec.metrics.items()
        for name in names
    ]
    logits = model(torch.from_numpy(VALUES))
    expected = GradientMetricCollector(metrics)(LOSSES[loss](logits)).numpy()
    for index, name in enumerate(schema.metric_columns(spec.metrics)):
        np.testing.assert_allclose(column(found, name), expected[:, index], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", CONFIDENCE)
def test_forward_scores_equal_their_functions(name):
    found = score(job(), network(), rows(VALUES.tolist()))
    expected = CONFIDENCE[name](network()(torch.from_numpy(VALUES)))
    np.testing.assert_allclose(column(found, name), expected.numpy(), rtol=1e-6)


def test_the_prediction_is_the_largest_logit():
    found = score(job(), network(), rows(VALUES.tolist()))
    expected = network()(torch.from_numpy(VALUES)).argmax(1)
    assert found["prediction"].to_pylist() == expected.tolist()


def test_a_sample_scores_the_same_in_any_batch():
    whole = score(job(), network(), rows(VALUES.tolist()))
    for index in range(5):
        alone = score(job(), network(), rows(VALUES[index : index + 1].tolist()))
        for name in ["prediction", *CONFIDENCE, *schema.metric_columns(job().metrics)]:
            assert alone[name][0].as_py() == pytest.approx(whole[name][index].as_py(), rel=1e-5)


def test_one_target_does_not_need_the_others_unfrozen():
    model = network()
    Scorer(job(metrics={"1.weight": ["max"]}), model, CPU, KEPT)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["1.weight"]


def test_an_unknown_target_is_a_lookup_error():
    with pytest.raises(LookupError, match='the model has no "nope"'):
        Scorer(job(metrics={"nope": ["max"]}), network(), CPU, KEPT)


def test_rows_that_can_not_be_decoded_become_error_rows():
    values = [VALUES[0].tolist(), None, [1.0], VALUES[1].tolist()]
    found = score(job(), network(), rows(values))
    assert found["error_stage"].to_pylist() == [None, "decode", "decode", None]
    assert found["error_type"].to_pylist() == [None, "NullInputError", "ShapeError", None]
    assert found["error_message"].to_pylist() == [
        None,
        "column x is null",
        "expected shape (2,), found (1,)",
        None,
    ]
    for name in ["prediction", *CONFIDENCE, *schema.metric_columns(job().metrics)]:
        assert [value is None for value in found[name].to_pylist()] == [False, True, True, False]
    assert found["row"].to_pylist() == [10, 11, 12, 13]
    assert found["label"].to_pylist() == [0, 1, 2, 3]


def test_bad_rows_change_no_number_of_the_good_ones():
    alone = score(job(), network(), rows(VALUES[:2].tolist()))
    among = score(job(), network(), rows([VALUES[0].tolist(), None, VALUES[1].tolist()]))
    for name in schema.metric_columns(job().metrics):
        assert [among[name][0].as_py(), among[name][2].as_py()] == alone[name].to_pylist()


def test_a_batch_without_a_good_row_is_all_errors():
    found = score(job(), network(), rows([None, None]))
    assert found["error_type"].to_pylist() == ["NullInputError"] * 2
    assert found["prediction"].null_count == 2


def test_an_empty_batch_gives_an_empty_table():
    found = score(job(), network(), rows([]))
    assert len(found) == 0
    assert found.schema.equals(schema.scores(KEPT, job().metrics))


def test_a_sample_that_the_model_refuses_is_an_error_row_alone():
    values = [*VALUES[:2].tolist(), [1.0, 1000.0], *VALUES[2:].tolist()]
    spec = job(metrics={"all": ["l1"]})
    found = score(spec, RefusesLargeInput(), rows(values))
    assert found["error_stage"].to_pylist() == [None, None, "score", None, None, None]
    assert found["error_type"].to_pylist()[2] == "OverflowError"
    assert found["error_message"].to_pylist()[2] == "too large for me"
    assert [value is None for value in found["all_l1"].to_pylist()] == [
        *(False, False, True, False, False, False)
    ]


def test_the_scores_beside_a_refused_sample_are_those_without_it():
    torch.manual_seed(0)
    model, spec = RefusesLargeInput(), job(metrics={"all": ["l1", "max"]})
    clean = score(spec, model, rows(VALUES.tolist()))
    mixed = score(spec, model, rows([*VALUES.tolist(), [1000.0, 0.0]])).slice(0, 5)
    for name in [*CONFIDENCE, "all_l1", "all_max"]:
        np.testing.assert_allclose(column(mixed, name), column(clean, name), rtol=1e-5)


def test_decode_and_score_errors_stand_side_by_side():
    found = score(
        job(metrics={"all": ["l1"]}), RefusesLargeInput(), rows([None, [0, 1000], [0, 1]])
    )
    assert found["error_stage"].to_pylist() == ["decode", "score", None]
    assert found["error_type"].to_pylist() == ["NullInputError", "OverflowError", None]


class Raises(nn.Module):
    """Raises an error of one's choice for every input."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.error = error

    def forward(self, x):
        raise self.error


def test_a_long_message_is_cut():
    found = score(job(metrics={"all": ["l1"]}), Raises(ValueError("é" * 10_000)), rows([[0, 0]]))
    assert found["error_message"].to_pylist() == ["é" * 500]


def test_an_error_without_words_has_an_empty_message():
    found = score(job(metrics={"all": ["l1"]}), Raises(KeyError()), rows([[0, 0]]))
    assert found["error_type"].to_pylist() == ["KeyError"]
    assert found["error_message"].to_pylist() == [""]


def test_the_class_name_is_the_type_even_of_users_own_errors():
    class MyError(Exception):
        pass

    found = score(job(metrics={"all": ["l1"]}), Raises(MyError("x")), rows([[0, 0]]))
    assert found["error_type"].to_pylist() == ["MyError"]


def test_a_message_that_is_no_unicode_is_an_error_row_like_others():
    """Python decodes foreign file names with surrogates, and error messages hold file names."""
    error = OSError("can't open \udcff.bin")
    found = score(job(metrics={"all": ["l1"]}), Raises(error), rows([[0, 0]]))
    assert found["error_type"].to_pylist() == ["OSError"]


class FalseError(Exception):
    """An error that is falsy, as one with a length of zero is."""

    def __len__(self) -> int:
        return 0


def test_an_error_that_is_falsy_is_an_error_row_like_others():
    found = score(job(metrics={"all": ["l1"]}), Raises(FalseError("x")), rows([[0, 0]]))
    assert found["error_type"].to_pylist() == ["FalseError"]


def test_logits_that_are_no_matrix_are_an_error_row_with_the_cure():
    model = nn.Sequential(nn.Linear(2, 3), nn.Unflatten(1, (3, 1)))
    found = score(job(metrics={"all": ["l1"]}), model, rows([[0, 0]]))
    assert found["error_type"].to_pylist() == ["TypeError"]
    assert "set model.logits" in found["error_message"][0].as_py()


KEYWORDS = {
    "ids": {"column": "tokens", "shape": [4]},
    "mask": {"column": "mask", "shape": [4], "dtype": "bool"},
    "features": {"column": "x", "shape": [2]},
}


def keyword_rows() -> pa.Table:
    tokens = [[1, 2, 3, 0], [6, 6, 6, 6], None, [0, 5, 1, 2], [1, 99, 1, 1]]
    return rows(
        VALUES.tolist(),
        tokens=pa.array(tokens, pa.list_(pa.int64())),
        mask=pa.array([[True] * 3 + [False], [True] * 4, [True] * 4, [False] * 4, [True] * 4]),
    )


def test_a_model_of_keywords_gets_each_input_under_its_name():
    spec = job(
        input=KEYWORDS,
        model={"factory": "a:b", "logits": "logits"},
        metrics={"embedding": ["l2"], "fc": ["l1"]},
    )
    found = score(spec, AddsTwoInputs().eval(), keyword_rows())
    assert found["error_type"].to_pylist() == [None, None, "NullInputError", None, "IndexError"]
    model = AddsTwoInputs()
    good = [0, 1, 3]
    logits = model(
        ids=torch.tensor([[1, 2, 3, 0], [6, 6, 6, 6], [0, 5, 1, 2]]),
        mask=torch.tensor([[True] * 3 + [False], [True] * 4, [False] * 4]),
        features=torch.from_numpy(VALUES[good]),
    )["logits"]
    collector = GradientMetricCollector(
        [metric_by_name("l2", model.embedding), metric_by_name("l1", model.fc)]
    )
    expected = collector(LOSSES["pseudo_label"](logits)).numpy()
    for index, name in enumerate(["embedding_l2", "fc_l1"]):
        values = [found[name][row].as_py() for row in good]
        np.testing.assert_allclose(values, expected[:, index], rtol=1e-5)


def test_one_keyword_alone_is_passed_by_its_name():
    class TakesPixels(nn.Linear):
        def forward(self, *, pixels):
            return super().forward(pixels)

    spec = job(input={"pixels": {"column": "x", "shape": [2]}}, metrics={"all": ["l1"]})
    found = score(spec, TakesPixels(2, 3), rows(VALUES.tolist()))
    assert found["error_type"].null_count == 5


def test_a_column_of_plain_numbers_can_be_an_input():
    model = nn.Sequential(nn.Unflatten(0, (-1, 1)), nn.Linear(1, 3))
    spec = job(input={"": {"column": "n", "shape": []}}, metrics={"all": ["l1"]})
    table = rows(VALUES.tolist(), n=pa.array([1.0, 2.0, None, 4.0, 5.0]))
    found = score(spec, model, table)
    assert found["error_type"].to_pylist() == [None, None, "NullInputError", None, None]


def test_images_are_normalised_before_the_model(encoded):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    field = {
        "column": "x",
        "decode": "image",
        "mode": "L",
        "shape": [1, 3, 4],
        "mean": [0.5],
        "std": [2.0],
    }
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    spec = job(input={"": field}, metrics={"all": ["l1"]})
    found = score(spec, model, rows([None], x=pa.array([encoded(pixels)])))
    expected = model((torch.from_numpy(pixels)[None, None] / 255 - 0.5) / 2)
    assert found["max_logit"][0].as_py() == pytest.approx(expected.max().item(), rel=1e-5)


def test_a_decoded_batch_holds_identity_kept_inputs_and_errors():
    batch = decode_batch(keyword_rows(), job(input=KEYWORDS))
    assert batch.schema.names == [
        *("source", "row", "label"),
        *("input:ids", "input:mask", "input:features"),
        *("error_stage", "error_type", "error_message"),
    ]
    assert batch.schema.field("input:ids").type == pa.list_(pa.int64(), 4)
    assert batch["error_stage"].to_pylist() == [None, None, "decode", None, None]


def test_images_travel_as_bytes(encoded):
    field = {"column": "x", "decode": "image", "mode": "L", "shape": [1, 3, 4]}
    content = encoded(np.zeros((3, 4), np.uint8))
    batch = decode_batch(rows([None], x=pa.array([content])), job(input={"": field}))
    assert batch.schema.field("input:").type == pa.list_(pa.uint8(), 12)


def test_the_first_error_of_a_row_is_the_one_that_is_told():
    fields = {"a": {"column": "x", "shape": [2]}, "b": {"column": "label", "shape": [3]}}
    batch = decode_batch(rows([None, [1.0, 2.0]]), job(input=fields))
    assert batch["error_type"].to_pylist() == ["NullInputError", "ShapeError"]


def test_raw_columns_are_each_read_once():
    spec = job(keep=["label", "x"], input={"a": {"column": "x"}, "b": {"column": "y"}})
    assert raw_columns(spec) == ["label", "x", "y"]
    assert raw_columns(spec, "label") == ["label", "x", "y"]
    assert raw_columns(spec, "truth", None) == ["label", "x", "y", "truth"]


def test_the_logits_are_the_models_and_so_are_its_errors():
    spec = job(metrics={"all": ["l1"]})
    scorer = Scorer(spec, RefusesLargeInput(), CPU, KEPT)
    inputs = scorer.inputs(decode_batch(rows([[0.0, 1000.0]]), spec))
    with pytest.raises(OverflowError, match="too large for me"):
        scorer.logits(inputs)


def test_nothing_is_kept_from_batch_to_batch():
    scorer = Scorer(job(), network(), CPU, KEPT)
    batch = decode_batch(rows(VALUES.tolist()), job())
    assert scorer.score(batch).equals(scorer.score(batch))


def test_ids_beyond_float_precision_pass_through_and_predictions_stay_whole():
    big = 2**62 + 1
    kept = [pa.field("label", pa.int64())]
    table = rows(VALUES[:1].tolist(), label=pa.array([big], pa.int64()))
    found = score(job(), network(), table, kept)
    assert found["label"].to_pylist() == [big]
    assert found["prediction"].type == pa.int64()
