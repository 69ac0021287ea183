"""From YAML to the sections of a spec, and every fault of the rest at once."""

import difflib
import json
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from raygrad.errors import Fault, SpecError
from raygrad.spec.job import JobSpec
from raygrad.spec.sections import ActorsSpec, FieldSpec, LossSpec, ModelSpec, SourceSpec


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
    "loss": LossSpec,
    "actors": ActorsSpec,
}


def _siblings(location: tuple[str | int, ...]) -> list[str]:
    return list(_SECTIONS[str(location[0])].model_fields)


def _unknown_key(place: str, key: Any, known: list[str]) -> Fault:
    close = difflib.get_close_matches(str(key), known, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"use {', '.join(known)}"
    return Fault(place, f"is no key of a spec; {hint}")
