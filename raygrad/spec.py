"""The job's spec: a YAML file as pydantic models, and every fault of it at once.

Checked here is what the text alone shows; whether files, columns, model and checkpoint are there
is checked by :mod:`raygrad.validate`.
"""

import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Secret,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo

from raygrad.errors import Fault, SpecError
from raygrad.losses import LOSSES
from raygrad.metrics import metric_by_name


def _known_loss(name: str) -> str:
    if name not in LOSSES:
        raise ValueError(f"use {' or '.join(LOSSES)}")
    return name


def _known_metric(name: str) -> str:
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


def _index_or_attribute(value: Any) -> Any:
    if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
        return value
    raise ValueError("use an index such as 0, or an attribute's name such as logits")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _fields_by_keyword(value: Any) -> Any:
    """A single field stands for the positional argument, whose keyword is the empty string."""
    if isinstance(value, Mapping) and not all(
        isinstance(v, Mapping | BaseModel) for v in value.values()
    ):
        return {"": value}
    return value


_MetricNames = Annotated[list[Annotated[str, AfterValidator(_known_metric)]], Field(min_length=1)]


_OneOrTwo = Annotated[
    list[Annotated[int, Field(gt=0)]] | None,
    BeforeValidator(lambda value: [value] if isinstance(value, int) else value),
    Field(min_length=1, max_length=2),
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceSpec(_Section):
    """Files of one format, whose rows all share the constants."""

    path: Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)] = Field(
        description="Path, URI or glob, or a list of them. @FILE reads them from a text file, one "
        "a line."
    )
    format: str = Field("parquet", description="How the files are read.")
    constants: dict[str, Any] = Field(
        default_factory=dict, description="Hive partition keys of the table and their values."
    )


class FieldSpec(_Section):
    """One argument of the model: the column that it comes from and how it becomes a tensor."""

    column: str = Field(description="The source's column.")
    decode: Literal["image", "tensor"] = Field(
        "tensor",
        description="image: encoded bytes, or paths or URIs of image files; tensor: numbers, "
        "lists, fixed-shape tensors or bytes of .npy files.",
    )
    mode: Literal["L", "RGB"] = Field("RGB", description="An image's channels: grey or colour.")
    shape: list[Annotated[int, Field(gt=0)]] | None = Field(
        None, description="Shape of one sample, images as (C, H, W); by default that of the first."
    )
    resize: _OneOrTwo = Field(
        None, description="Length of an image's shorter side, or [height, width]."
    )
    crop: _OneOrTwo = Field(
        None, description="Side of the square at an image's centre, or [height, width]."
    )
    transform: str | None = Field(
        None, description="module:function from a Pillow image to an array (C, H, W)."
    )
    rescale: float | None = Field(
        None, description="Multiplies the values; 1/255 for images by default."
    )
    mean: Annotated[list[float], Field(min_length=1)] | None = Field(
        None, description="Subtracted for each channel, rescaled."
    )
    std: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] | None = Field(
        None, description="Divides each channel, rescaled."
    )
    dtype: Literal["float32", "int64", "int32", "bool"] | None = Field(
        None, description="What the model gets; float32 for images and floats by default."
    )


class ModelSpec(_Section):
    """How each actor makes its replica of the model."""

    factory: str = Field(description="module:function that returns a torch.nn.Module.")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of the factory."
    )
    checkpoint: str | None = Field(None, description="Path or URI of a state dict.")
    logits: Annotated[
        Any,
        BeforeValidator(_index_or_attribute),
        WithJsonSchema({"type": ["integer", "string", "null"]}),
    ] = Field(None, description="Index or attribute of the model's output that holds the logits.")


class ActorsSpec(_Section):
    """The pool of scoring processes."""

    min: int = Field(1, ge=1, description="How many there are at least.")
    max: int | None = Field(
        None, ge=1, description="By default one a GPU, or one for each two CPUs."
    )
    cpus: float = Field(0.5, gt=0, description="CPUs that an actor reserves; whole ones thread.")
    gpus: float | None = Field(
        None, ge=0, description="GPUs that an actor reserves; by default 1 where there are any."
    )


class JobSpec(_Section):
    """A whole job. Relative paths are relative to the folder that raygrad runs in."""

    output: str = Field(description="Path or URI of the table.")
    sources: Annotated[list[SourceSpec], Field(min_length=1)] = Field(
        description="What is scored; see sources below."
    )
    input: Annotated[
        dict[str, FieldSpec], BeforeValidator(_fields_by_keyword), Field(min_length=1)
    ] = Field(description="The model's argument, or keyword arguments by name; see input below.")
    model: ModelSpec = Field(description="See model below.")
    metrics: Annotated[dict[str, _MetricNames], Field(min_length=1)] = Field(
        description="For each target, a module's or parameter's name or all, its metrics."
    )
    loss: Annotated[str, AfterValidator(_known_loss)] = Field(
        "pseudo_label", description="What is differentiated; see the losses above."
    )
    keep: list[str] = Field(default_factory=list, description="Columns passed through.")
    label: str | None = Field(None, description="Column of true classes; validate shows accuracy.")
    batch_size: int = Field(64, ge=1, description="Rows that the model is called with.")
    rows_per_file: int = Field(50_000, ge=1, description="Rows of a score file, about.")
    max_errors: Annotated[
        Any,
        BeforeValidator(_rows_or_share),
        WithJsonSchema({"type": ["integer", "number", "null"], "minimum": 0}),
    ] = Field(None, description="Rows or share; by default 10 %, and at least 100 rows.")
    storage: dict[str, Secret[dict[str, Any]]] = Field(
        default_factory=dict,
        description="For each protocol, as s3, options of its fsspec file system; never shown.",
    )
    actors: ActorsSpec = Field(
        default_factory=lambda: ActorsSpec.model_validate({}), description="See actors below."
    )

    def of_the_rows(self) -> dict[str, Any]:
        """What the rows depend on, for the table's footers: nothing secret, nothing of this run."""
        return self.model_dump(
            mode="json",
            exclude_none=True,
            include={
                "sources": {"__all__": {"path", "format", "constants"}},
                **dict.fromkeys(("input", "model", "metrics", "loss", "keep", "label"), True),
                **dict.fromkeys(("batch_size", "rows_per_file"), True),
            },
        )


def parse(document: Any) -> tuple[dict[str, Any], list[Fault]]:
    """Validates each section on its own, so that one fault doesn't hide another.

    Args:
        document: What the YAML file holds.

    Returns:
        The sections that are sound, by name, and the faults of all others.
    """
    if not isinstance(document, Mapping):
        return {}, [Fault("spec", f"is a {type(document).__name__}; use keys such as sources:")]
    fields = JobSpec.model_fields
    sections: dict[str, Any] = {}
    faults = [_unknown_key(str(key), key, list(fields)) for key in document if key not in fields]
    for name, field in fields.items():
        if name not in document:
            if field.is_required():
                faults.append(Fault(name, f"is missing; {field.description or 'see README.md'}"))
            else:
                sections[name] = field.get_default(call_default_factory=True)
            continue
        try:
            sections[name] = _adapter(field).validate_python(document[name], strict=True)
        except ValidationError as error:
            faults += [_fault((name, *detail["loc"]), detail) for detail in error.errors()]
    return sections, faults


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    return TypeAdapter(field.rebuild_annotation())


def load(path: str) -> tuple[dict[str, Any], list[Fault]]:
    """Reads and parses a spec.

    Args:
        path: A local YAML file.

    Returns:
        See :func:`parse`.

    Raises:
        SpecError: If there is no such file or it isn't YAML.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            return parse(yaml.safe_load(stream))
    except OSError as error:
        raise SpecError([Fault(path, f"can't be read: {error.strerror}")], path) from error
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError([Fault(path, f"is no YAML: {error}")], path) from error


def _fault(location: tuple[str | int, ...], detail: Any) -> Fault:
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in location if part != ""
    )
    place = place.removeprefix(".")
    if detail["type"] == "extra_forbidden":
        return _unknown_key(place, location[-1], _siblings(location))
    if detail["type"] == "missing":
        return Fault(place, "is missing")
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if location[0] == "storage":  # may hold secrets
        return Fault(place, message)
    return Fault(place, f"got {_shown(detail['input'])}; {message}")


def _shown(value: Any) -> str:
    try:
        return json.dumps(value, default=str)
    except TypeError:  # a key that is no text
        return str(value)


_SECTIONS: dict[str, type[BaseModel]] = {
    "sources": SourceSpec,
    "input": FieldSpec,
    "model": ModelSpec,
    "actors": ActorsSpec,
}


def _siblings(location: tuple[str | int, ...]) -> list[str]:
    return list(_SECTIONS[str(location[0])].model_fields)


def _unknown_key(place: str, key: Any, known: list[str]) -> Fault:
    close = difflib.get_close_matches(str(key), known, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"use {', '.join(known)}"
    return Fault(place, f"is no key of a spec; {hint}")
