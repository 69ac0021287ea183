"""Names and types of all columns, those of the plan included: the one place that knows them."""

import re
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from raygrad.confidence import CONFIDENCE, LAST_LAYER

VERSION = 2

IDENTITY_COLUMNS = {"source": pa.string(), "row": pa.int64()}
ERROR_COLUMNS = {
    "error_stage": pa.string(),
    "error_type": pa.string(),
    "error_message": pa.string(),
}
FORWARD_COLUMNS = {
    "prediction": pa.int64(),
    **{name: pa.float32() for name in CONFIDENCE},
}
LAST_LAYER_COLUMNS = {name: pa.float32() for name in LAST_LAYER}
"""Those of a table whose spec names its last layer, between the forward-only and the metrics."""

PLAN = pa.schema(
    [
        ("generation", pa.int32()),
        ("unit", pa.int32()),
        ("partition", pa.string()),
        ("format", pa.string()),
        ("uri", pa.string()),
        ("size", pa.int64()),
        ("version", pa.string()),
        ("first_row", pa.int64()),
        ("rows", pa.int64()),
    ]
)
"""One row a segment; a unit's segments stand together, in order. Open-ended: rows is null."""


def total(rows: Iterable[int | None]) -> int | None:
    """The rows of a unit's segments together; None if one of them is open-ended."""
    counted = 0
    for count in rows:
        if count is None:
            return None
        counted += count
    return counted


def unit_path(generation: int, unit: int, partition: str) -> str:
    """The name of a unit's file below ``scores/``."""
    name = f"{generation:04d}-{unit:06d}.parquet"
    return f"{partition}/{name}" if partition else name


def unit_paths(generation: pa.Array, unit: pa.Array, partition: pa.Array) -> pa.Array:
    """:func:`unit_path` of many units."""
    numbers = [
        pc.utf8_lpad(pc.cast(number, pa.string()), width, "0")
        for number, width in ((generation, 4), (unit, 6))
    ]
    name = pc.binary_join_element_wise(pc.binary_join_element_wise(*numbers, "-"), ".parquet", "")
    folder = pc.cast(partition, pa.string())
    below = pc.binary_join_element_wise(folder, name, "/")
    return pc.if_else(pc.equal(folder, ""), name, below)


def unit_numbers(paths: pa.ChunkedArray) -> pa.Table:
    """The generations and units in the names of some files; -1 where one isn't that of a unit."""
    found = pc.extract_regex(paths, r"(?:^|/)(?P<generation>\d{4,9})-(?P<unit>\d{6,9})\.parquet$")
    columns = {
        name: pc.cast(pc.struct_field(found, name), pa.int64()).fill_null(-1)
        for name in ("generation", "unit")
    }
    return pa.table(columns)


def metric_column(target: str, metric: str) -> str:
    """The SQL-friendly name of a metric's column, as ``fc_l1`` or ``features_0_weight_max``."""
    name = re.sub(r"\W+", "_", f"{target}_{metric}").lower()
    return f"layer_{name}" if name[0].isdigit() else name


def metric_columns(metrics: Mapping[str, Sequence[str]]) -> list[str]:
    """The columns of a spec's metrics, in their order."""
    return [metric_column(target, name) for target, names in metrics.items() for name in names]


def score_columns(found: pa.Schema) -> list[str]:
    """The forward-only scores and metrics among a score file's columns; no passed-through ones."""
    if "prediction" not in found.names:
        return []
    after = found.names[found.names.index("prediction") + 1 :]
    return [name for name in after if pa.types.is_float32(found.field(name).type)]


def forward_columns(last_layer: str | None) -> dict[str, pa.DataType]:
    """What a forward pass alone gives, in a table whose spec names that last layer, or none."""
    return {**FORWARD_COLUMNS, **(LAST_LAYER_COLUMNS if last_layer else {})}


def reserved(metrics: Mapping[str, Sequence[str]], last_layer: str | None = None) -> set[str]:
    """The names that passed-through columns and partition keys can't have."""
    ours = {**IDENTITY_COLUMNS, **forward_columns(last_layer), **ERROR_COLUMNS}
    return {*ours, *metric_columns(metrics)}


def scores(
    kept: Iterable[pa.Field],
    metrics: Mapping[str, Sequence[str]],
    last_layer: str | None = None,
) -> pa.Schema:
    """The schema of every score file.

    Args:
        kept: The passed-through columns.
        metrics: The spec's metrics by target.
        last_layer: The spec's last layer, if it names one.

    Returns:
        Identity, passed-through, forward-only, metric and error columns; all but the identity
        nullable.
    """
    identity = [pa.field(name, kind, nullable=False) for name, kind in IDENTITY_COLUMNS.items()]
    ours = {
        **forward_columns(last_layer),
        **{name: pa.float32() for name in metric_columns(metrics)},
        **ERROR_COLUMNS,
    }
    return pa.schema(
        [
            *identity,
            *(pa.field(field.name, field.type) for field in kept),
            *(pa.field(name, kind) for name, kind in ours.items()),
        ]
    )
