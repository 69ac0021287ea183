"""Closed forms of the last layer: columns that equal the engine's, or a refusal."""

import copy

import numpy as np
import pyarrow as pa
import pytest
import torch
from scoring import CPU, KEPT, VALUES, column, job, network, rows, score
from torch import nn

from raygrad.confidence import LAST_LAYER
from raygrad.errors import LastLayerError
from raygrad.scorer import Scorer, decode_batch


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_gradnorm_is_the_engine_s_norm_of_the_weight_gradient(temperature, precision):
    spec = job(
        loss={"name": "uniform", "temperature": temperature},
        metrics={"1.weight": ["l1"]},
        last_layer="1",
        precision=precision,
    )
    found = score(spec, network(), rows(VALUES.tolist()))
    engine = column(found, "layer_1_weight_l1")
    rtol = 1e-5 if precision == "fp32" else 1e-2
    np.testing.assert_allclose(column(found, "gradnorm"), engine, rtol=rtol)


def test_each_score_equals_its_function():
    found = score(job(last_layer="1"), network(), rows(VALUES.tolist()))
    model = network()
    features = model[0](torch.from_numpy(VALUES))
    for name, function in LAST_LAYER.items():
        expected = function(features, model[1](features), 1.0).numpy()
        np.testing.assert_allclose(column(found, name), expected, rtol=1e-6, err_msg=name)


def test_the_other_scores_are_as_without_it():
    table = rows(VALUES.tolist())
    plain, more = (score(job(**last), network(), table) for last in ({}, {"last_layer": "1"}))
    assert more.drop_columns(list(LAST_LAYER)).equals(plain)


def test_rows_that_fail_have_none_and_others_keep_theirs():
    clean = score(job(last_layer="1"), network(), rows(VALUES[:2].tolist()))
    table = rows([VALUES[0].tolist(), None, VALUES[1].tolist()])
    found = score(job(last_layer="1"), network(), table)
    for name in LAST_LAYER:
        first, failed, last = found[name].to_pylist()
        assert ([first, last], failed) == (clean[name].to_pylist(), None)


def test_an_empty_batch_has_the_columns():
    found = score(job(last_layer="1"), network(), rows([]))
    assert set(LAST_LAYER) <= set(found.schema.names)


def test_the_model_is_left_without_a_hook():
    model = network()
    score(job(last_layer="1"), model, rows(VALUES.tolist()))
    copy.deepcopy(model)
    assert not model[1]._forward_hooks


class Keyword(nn.Module):
    """Calls its last layer by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 3)

    def forward(self, x):
        return {"features": x, "logits": self.fc(input=x)}


def test_logits_may_be_picked_out_of_the_output():
    spec = job(
        model={"factory": "a:b", "logits": "logits"}, metrics={"fc": ["l1"]}, last_layer="fc"
    )
    found = score(spec, Keyword(), rows(VALUES.tolist()))
    np.testing.assert_allclose(column(found, "feature_l1"), np.abs(VALUES).sum(1), rtol=1e-6)


class Twice(Keyword):
    def forward(self, x):
        return self.fc(x) + self.fc(-x)


class Never(Keyword):
    def forward(self, x):
        return nn.functional.linear(x, self.fc.weight)


class Scaled(Keyword):
    def forward(self, x):
        return 2 * self.fc(x)


class ScaledInPlace(Keyword):
    def forward(self, x):
        return self.fc(x).mul_(2)


class Tokens(Keyword):
    def forward(self, x):
        return self.fc(x[:, None].expand(-1, 4, -1)).mean(1)


class Cosine(nn.Linear):
    def forward(self, input):
        unit = nn.functional.normalize
        return nn.functional.linear(unit(input, dim=1), unit(self.weight, dim=1))


class CosineHead(Keyword):
    def __init__(self) -> None:
        super().__init__()
        self.fc = Cosine(2, 3)

    def forward(self, x):
        return self.fc(x)


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (Twice, "fc is called 2 times in a forward pass"),
        (Never, "fc is called 0 times in a forward pass"),
        (Scaled, r"the output of fc, of shape \(5, 3\), isn't the logits"),
        (ScaledInPlace, "isn't its input times its weight, plus its bias"),
        (Tokens, r"the output of fc, of shape \(5, 4, 3\), isn't the logits"),
        (CosineHead, "isn't its input times its weight, plus its bias: a Cosine"),
    ],
)
def test_a_layer_that_does_not_give_the_logits_stops_the_job(kind, complaint):
    torch.manual_seed(0)
    spec = job(metrics={"all": ["l1"]}, last_layer="fc")
    with pytest.raises(LastLayerError, match=complaint) as raised:
        score(spec, kind(), rows((3 * VALUES).tolist()))
    assert "eave last_layer out" in str(raised.value)


def test_logits_that_are_no_numbers_are_scores_that_are_none():
    values = [*VALUES[:2].tolist(), [float("nan"), 1.0]]
    found = score(job(last_layer="1"), network(), rows(values))
    assert found["error_type"].null_count == 3
    assert np.isnan(column(found, "gradnorm")).tolist() == [False, False, True]


def test_a_batch_that_is_scored_row_by_row_has_them_too():
    class RefusesLargeInput(nn.Sequential):
        def forward(self, x):
            if (x > 100).any():
                raise OverflowError("too large")
            return super().forward(x)

    torch.manual_seed(0)
    model = RefusesLargeInput(nn.Linear(2, 4), nn.Linear(4, 3)).eval().requires_grad_(False)
    spec = job(last_layer="1")
    batch = decode_batch(rows([*VALUES[:2].tolist(), [1000.0, 0.0]]), spec)
    found = Scorer(spec, model, CPU, KEPT).score(batch)
    plain = score(spec, network(), rows(VALUES[:2].tolist()))
    assert found["error_type"].to_pylist() == [None, None, "OverflowError"]
    for name in LAST_LAYER:
        assert found[name].to_pylist()[:2] == pytest.approx(plain[name].to_pylist(), rel=1e-5)
    assert pa.types.is_float32(found.schema.field("gradnorm").type)
