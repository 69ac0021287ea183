"""The job's spec: a YAML file as pydantic models, and every fault of it at once.

Checked here is what the text alone shows; whether files, columns, model and checkpoint are there
is checked by :mod:`raygrad.validate`.
"""

from raygrad.spec.job import JobSpec
from raygrad.spec.parsing import load, parse
from raygrad.spec.schema import json_schema
from raygrad.spec.sections import ActorsSpec, FieldSpec, LossSpec, ModelSpec, SourceSpec
from raygrad.spec.values import AUTO

__all__ = [
    "AUTO",
    "ActorsSpec",
    "FieldSpec",
    "JobSpec",
    "LossSpec",
    "ModelSpec",
    "SourceSpec",
    "json_schema",
    "load",
    "parse",
]
