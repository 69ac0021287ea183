"""KubeRay's CRD as a strict JSON Schema: what the API server would prune or refuse is an error."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

CRD = Path(__file__).parent / "crds" / "rayjob-v1.json"

OBJECT_META = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
"""The CRD leaves metadata open; these are the keys that a manifest of ours may have."""


def strict(schema: Any) -> Any:
    """Forbids unknown keys wherever the CRD lists the known ones and doesn't keep others."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        if not made.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    elif made.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
        made["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if made.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


def _schema() -> dict[str, Any]:
    schema = json.loads(CRD.read_text())
    schema["properties"]["metadata"] = OBJECT_META
    schema["properties"]["kind"] = {"const": "RayJob"}
    schema["properties"]["apiVersion"] = {"const": "ray.io/v1"}
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    del schema["properties"]["status"]
    return strict(schema)


VALIDATOR = Draft202012Validator(_schema())


def complaints(rayjob: dict[str, Any]) -> Iterator[str]:
    """What KubeRay's CRD has against a RayJob, each with its place."""
    for error in VALIDATOR.iter_errors(rayjob):
        yield f"{error.json_path}: {error.message}"
