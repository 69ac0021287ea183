"""Types of a spec's values: what YAML may hold for each, and what to say where it holds another."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from raygrad.losses import LOSSES


class _MetricSchema:
    """JSON Schema of a metric's name, made when somebody asks: metrics bring torch with them."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        from raygrad.metrics import METRICS

        norms = r"^l(inf|\d*[1-9]\d*(\.\d+)?|\d+\.\d*[1-9]\d*)$"
        return {"anyOf": [{"enum": list(METRICS)}, {"type": "string", "pattern": norms}]}


def known_loss(name: str) -> str:
    """A loss of the table, or what looks like an import path.

    Raises:
        ValueError: If it is neither, with what there is.
    """
    if name not in LOSSES and ":" not in name:
        raise ValueError(f"use {', '.join(LOSSES)}, or your own module:function")
    return name


def _known_metric(name: str) -> str:
    from raygrad.metrics import metric_by_name

    try:
        metric_by_name(name, [])
    except ValueError as error:
        raise ValueError(str(error).partition("; ")[2]) from None
    return name


def _rows_or_share(value: Any) -> Any:
    is_rows = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if value is None or is_rows or (isinstance(value, float) and 0 <= value < 1):
        return value
    raise ValueError("use a number of rows such as 100, or a share of them such as 0.05")


def _rows_or_auto(value: Any) -> Any:
    if value == AUTO or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError("use a number of rows such as 64, or auto")


def _index_or_attribute(value: Any) -> Any:
    if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
        return value
    raise ValueError("use an index such as 0, or an attribute's name such as logits")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


AUTO = "auto"
"""A batch size that the first run of a table settles."""

BatchSize = Annotated[
    Any,
    BeforeValidator(_rows_or_auto),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": AUTO}]}),
]

_Positive = Annotated[int, Field(gt=0)]

LossName = Annotated[
    str,
    AfterValidator(known_loss),
    WithJsonSchema({"anyOf": [{"enum": list(LOSSES)}, {"type": "string", "pattern": ":"}]}),
]

MetricName = Annotated[str, AfterValidator(_known_metric), _MetricSchema()]

MetricNames = Annotated[list[MetricName], Field(min_length=1)]

OneOrMore = Annotated[
    list[str],
    Field(min_length=1),
    BeforeValidator(
        _listed,
        json_schema_input_type=str | Annotated[list[str], Field(min_length=1)],
    ),
]

_OneOrTwo = Annotated[list[_Positive], Field(min_length=1, max_length=2)]

OneOrTwo = Annotated[
    _OneOrTwo | None,
    BeforeValidator(
        lambda value: [value] if isinstance(value, int) else value,
        json_schema_input_type=_Positive | _OneOrTwo | None,
    ),
]

RowsOrShare = Annotated[
    Any,
    BeforeValidator(
        _rows_or_share,
        json_schema_input_type=Annotated[int, Field(ge=0)]
        | Annotated[float, Field(ge=0, lt=1)]
        | None,
    ),
]

IndexOrAttribute = Annotated[
    Any, BeforeValidator(_index_or_attribute, json_schema_input_type=int | str | None)
]
