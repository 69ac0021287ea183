"""Names and types of the table's columns, spelt out: queries in the wild depend on them."""

import duckdb
import pyarrow as pa
import pytest

from raygrad.confidence import CONFIDENCE
from raygrad.table import schema

METRICS = {"all": ["max", "l1"], "features.0.weight": ["l0.5"]}


def test_the_columns_of_a_table():
    kept = [pa.field("label", pa.int32(), nullable=False), pa.field("id", pa.string())]
    assert schema.scores(kept, METRICS).equals(
        pa.schema(
            [
                pa.field("source", pa.string(), nullable=False),
                pa.field("row", pa.int64(), nullable=False),
                ("label", pa.int32()),
                ("id", pa.string()),
                ("prediction", pa.int64()),
                ("msp", pa.float32()),
                ("max_logit", pa.float32()),
                ("energy", pa.float32()),
                ("entropy", pa.float32()),
                ("margin", pa.float32()),
                ("gen", pa.float32()),
                ("all_max", pa.float32()),
                ("all_l1", pa.float32()),
                ("features_0_weight_l0_5", pa.float32()),
                ("error_stage", pa.string()),
                ("error_type", pa.string()),
                ("error_message", pa.string()),
            ]
        )
    )


def test_a_last_layer_adds_columns_before_the_metrics():
    plain, named = schema.scores([], METRICS).names, schema.scores([], METRICS, "fc").names
    more = ["gradnorm", "feature_l1", "gradnorm_output", "exgrad"]
    place = plain.index("all_max")
    assert named == [*plain[:place], *more, *plain[place:]]
    assert schema.score_columns(schema.scores([], METRICS, "fc")) == named[3:-3]
    assert schema.reserved(METRICS, "fc") == {*named}


def test_all_columns_but_the_identity_are_nullable():
    kept = [pa.field("label", pa.int32(), nullable=False)]
    fixed = [field.name for field in schema.scores(kept, METRICS) if not field.nullable]
    assert fixed == ["source", "row"]


@pytest.mark.parametrize("name", CONFIDENCE)
def test_every_forward_score_is_a_column(name):
    assert schema.scores([], METRICS).field(name).type == pa.float32()


def test_the_columns_of_a_plan():
    assert schema.PLAN.names == [
        "generation",
        "unit",
        "partition",
        "format",
        "uri",
        "size",
        "version",
        "first_row",
        "rows",
    ]


@pytest.mark.parametrize(
    ("target", "metric", "column"),
    [
        ("all", "max", "all_max"),
        ("fc", "l1", "fc_l1"),
        ("features.0.weight", "max", "features_0_weight_max"),
        ("Encoder.Layer", "l0.5", "encoder_layer_l0_5"),
        ("fc", "linf", "fc_linf"),
    ],
)
def test_a_metric_column_is_named_by_target_and_metric(target, metric, column):
    assert schema.metric_column(target, metric) == column


@pytest.mark.parametrize(
    "target",
    [
        "all",
        "features.0.weight",
        pytest.param(
            "0",
        ),
    ],
)
def test_a_metric_column_can_be_selected_without_quotes(target):
    """The layers of a bare torch.nn.Sequential are called 0, 1, and so on."""
    name = schema.metric_column(target, "l1")
    assert duckdb.sql(f'SELECT {name} FROM (SELECT 7.5 AS "{name}")').fetchall() == [(7.5,)]


def test_metric_columns_stand_in_the_order_of_the_spec():
    assert schema.metric_columns({"b": ["max", "l1"], "a": ["l1"]}) == ["b_max", "b_l1", "a_l1"]


def test_reserved_names_are_all_columns_but_the_passed_through():
    kept = [pa.field("label", pa.int64())]
    assert schema.reserved(METRICS) == {*schema.scores(kept, METRICS).names} - {"label"}
