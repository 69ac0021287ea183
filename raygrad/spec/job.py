"""A job's spec as a whole."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, Secret

from raygrad.spec.sections import (
    ActorsSpec,
    FieldSpec,
    LossSpec,
    ModelSpec,
    Section,
    SourceSpec,
)
from raygrad.spec.values import BatchSize, LossName, MetricNames, RowsOrShare, known_loss


def _fields_by_keyword(value: Any) -> Any:
    """A single field stands for the positional argument, whose keyword is the empty string."""
    if isinstance(value, Mapping) and not all(
        isinstance(v, Mapping | BaseModel) for v in value.values()
    ):
        return {"": value}
    return value


def _named(value: Any) -> Any:
    """A loss's name stands for a section."""
    return {"name": known_loss(value)} if isinstance(value, str) else value


class JobSpec(Section):
    """A whole job. Relative paths are relative to the folder that raygrad runs in."""

    output: str = Field(description="Path or URI of the table.")
    sources: Annotated[list[SourceSpec], Field(min_length=1)] = Field(
        description="What is scored; see sources below."
    )
    input: Annotated[
        dict[str, FieldSpec],
        Field(min_length=1),
        BeforeValidator(
            _fields_by_keyword,
            json_schema_input_type=FieldSpec | Annotated[dict[str, FieldSpec], Field(min_length=1)],
        ),
    ] = Field(description="The model's argument, or keyword arguments by name; see input below.")
    model: ModelSpec = Field(description="See model below.")
    metrics: Annotated[dict[str, MetricNames], Field(min_length=1)] = Field(
        description="For each target, a module's or parameter's name or all, its metrics."
    )
    loss: Annotated[
        LossSpec, BeforeValidator(_named, json_schema_input_type=LossName | LossSpec)
    ] = Field(
        LossSpec.model_validate({"name": "pseudo_label"}),
        description="What is differentiated: a name, or a section; see loss below.",
    )
    last_layer: str | None = Field(
        None,
        min_length=1,
        description="Name of the torch.nn.Linear whose output is the logits, as fc. Its GradNorm "
        "and ExGrad become columns, from the forward pass alone.",
    )
    keep: list[str] = Field(default_factory=list, description="Columns passed through.")
    label: str | None = Field(
        None,
        description="Column of true classes; validate shows accuracy, and loss: target needs it.",
    )
    batch_size: BatchSize = Field(
        64,
        description="Rows that the model is called with; auto tries sizes on the device in the "
        "table's first run, and keeps the fastest that fits.",
    )
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        "fp32",
        description="tf32: float32 with fast products on GPUs that have them; bf16: autocast.",
    )
    rows_per_file: int = Field(50_000, ge=1, description="Rows of a score file, about.")
    max_errors: RowsOrShare = Field(
        None, description="Rows or share; by default 10 %, and at least 100 rows."
    )
    storage: dict[str, Secret[dict[str, Any]]] = Field(
        default_factory=dict,
        description="For each protocol, as s3, options of its fsspec file system; never shown.",
    )
    actors: ActorsSpec = Field(
        default_factory=lambda: ActorsSpec.model_validate({}), description="See actors below."
    )

    @property
    def target(self) -> str | None:
        """The column of the labels that the loss needs; None if it needs none."""
        return self.label if self.loss.takes_labels else None

    def of_the_rows(self) -> dict[str, Any]:
        """What the rows depend on, for the table's footers: nothing secret, nothing of this run."""
        return self.model_dump(
            mode="json",
            exclude_none=True,
            include={
                "sources": {"__all__": {"path", "format", "constants"}},
                **dict.fromkeys(("input", "model", "metrics", "loss", "last_layer"), True),
                **dict.fromkeys(("keep", "label", "batch_size", "precision"), True),
                "rows_per_file": True,
            },
        )
