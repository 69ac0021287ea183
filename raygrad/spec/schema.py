"""The spec's JSON Schema, by which editors complete keys and mark mistakes."""

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from raygrad.spec.job import JobSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(formats: Iterable[str]) -> dict[str, Any]:
    """A JSON Schema, draft 2020-12, of what :func:`raygrad.spec.parse` accepts.

    Args:
        formats: What ``sources[].format`` may be.
    """
    schema = JobSpec.model_json_schema(schema_generator=_WithoutTitles)
    for section in schema["$defs"].values():
        del section["title"]
    schema["$defs"]["SourceSpec"]["properties"]["format"]["enum"] = list(formats)
    return {"$schema": DIALECT, **schema, "title": "raygrad job"}


class _WithoutTitles(GenerateJsonSchema):
    """A key's own name is title enough."""

    def field_title_should_be_set(self, schema: CoreSchema) -> bool:
        """Never."""
        return False
