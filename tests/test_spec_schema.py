"""The JSON Schema says what the parser says, as far as a schema can."""

import copy
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from raygrad.sources import SOURCES
from raygrad.spec import json_schema, parse

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json_schema(SOURCES)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
README = re.findall(r"^```yaml\n(output:.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
TEXTS = {
    **{path.name: path.read_text() for path in sorted((ROOT / "jobs").glob("*.yaml"))},
    **{
        str(path.relative_to(ROOT)): path.read_text()
        for path in sorted((ROOT / "k8s").rglob("job.yaml"))
    },
    **{f"README.md-{number}": text for number, text in enumerate(README)},
}

SOUND = {
    "output": "table",
    "sources": [{"path": "a.parquet"}],
    "input": {"column": "x"},
    "model": {"factory": "module:function"},
    "metrics": {"all": ["max"]},
}


def changed(path: str, value: object) -> dict:
    """The sound spec with one entry, such as ``sources.0.path``, set to another value."""
    document = copy.deepcopy(SOUND)
    *way, last = path.split(".")
    place = document
    for part in way:
        place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
    place[last] = value
    return document


def test_it_is_a_schema_of_the_draft_that_it_names():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_readme_has_a_spec():
    assert len(README) == 1


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_specs_of_the_repository_fit(text):
    VALIDATOR.validate(yaml.safe_load(text))


GOOD = [
    ("sources.0.path", "a.parquet"),
    ("sources.0.path", ["a.parquet", "@b.txt"]),
    ("sources.0.constants", {"day": "2026-11-24", "fold": 3}),
    ("input", {"column": "x", "decode": "image", "resize": 256, "crop": 224}),
    ("input", {"column": "x", "decode": "image", "resize": [256, 300], "crop": [224]}),
    ("input", {"ids": {"column": "a", "dtype": "int64"}, "mask": {"column": "b"}}),
    ("input.resize", None),
    ("input.rescale", 1),
    ("input.mean", [0, 0.5]),
    ("model.arguments", {"classes": 3}),
    ("model.logits", -1),
    ("model.logits", "logits"),
    ("model.checkpoint", None),
    ("model.allow_pickle", True),
    ("metrics", {"fc": ["l1", "l0.5", "l10", "linf", "l2.0"], "all": ["mean", "std"]}),
    ("loss", "uniform"),
    ("loss", "my.losses:focal"),
    ("loss", {"name": "uniform", "temperature": 2}),
    ("loss", {"name": "exgrad", "arguments": {"classes": 3}}),
    ("last_layer", "fc"),
    ("batch_size", "auto"),
    ("precision", "bf16"),
    ("max_errors", 100),
    ("max_errors", 0.05),
    ("max_errors", None),
    ("storage", {"s3": {"endpoint_url": "http://localhost", "key": "secret"}}),
    ("actors", {"min": 1, "max": None, "cpus": 1, "gpus": 0.25}),
    ("label", None),
]
BAD = [
    ("sourcs", []),
    ("output", 3),
    ("output", None),
    ("sources", []),
    ("sources", "a.parquet"),
    ("sources.0.path", []),
    ("sources.0.path", 3),
    ("sources.0.formt", "parquet"),
    ("input", {}),
    ("input", "x"),
    ("input.colum", "x"),
    ("input.column", 3),
    ("input.decode", "audio"),
    ("input.resize", 0),
    ("input.resize", "256"),
    ("input.resize", [1, 2, 3]),
    ("input.crop", []),
    ("input.shape", [-1]),
    ("input.std", [0.0]),
    ("input", {"ids": {"colunm": "a"}}),
    ("model", None),
    ("model", {}),
    ("model.factory", 3),
    ("model.allow_pickle", "yes"),
    ("model.checkpoint_key", ""),
    ("model.logits", True),
    ("model.logits", 0.5),
    ("loss", {"temperature": 2}),
    ("loss", {"name": "uniform", "temperature": 0}),
    ("loss", {"name": "nll"}),
    ("last_layer", ""),
    ("last_layer", 3),
    ("metrics", {}),
    ("metrics", {"all": []}),
    ("metrics", {"all": "max"}),
    ("metrics", {"all": ["median"]}),
    ("metrics", {"all": ["l0"]}),
    ("metrics", {"all": ["L1"]}),
    ("loss", "nll"),
    ("batch_size", 0),
    ("batch_size", "64"),
    ("precision", "fp8"),
    ("batch_size", True),
    ("max_errors", -1),
    ("max_errors", 1.5),
    ("max_errors", "5%"),
    ("storage", {"s3": "key"}),
    ("actors", {"gpu": 1}),
    ("actors", {"cpus": 0}),
]


@pytest.mark.parametrize(("path", "value"), GOOD, ids=str)
def test_what_the_parser_takes_fits(path, value):
    document = changed(path, value)
    assert parse(document)[1] == []
    VALIDATOR.validate(document)


@pytest.mark.parametrize(("path", "value"), BAD, ids=str)
def test_what_the_parser_refuses_does_not_fit(path, value):
    document = changed(path, value)
    assert parse(document)[1]
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("key", SOUND)
def test_a_missing_key_does_not_fit(key):
    assert not VALIDATOR.is_valid({name: value for name, value in SOUND.items() if name != key})


def test_an_unknown_format_does_not_fit():
    """The parser leaves it to raygrad validate."""
    assert not VALIDATOR.is_valid(changed("sources.0.format", "webp"))


def keys(schema: object) -> list[dict]:
    """All properties of a schema, whatever section they are in."""
    if isinstance(schema, list):
        return [found for part in schema for found in keys(part)]
    if not isinstance(schema, dict):
        return []
    mine = schema.get("properties", {})
    inner = [*schema.get("$defs", {}).values(), *mine.values()]
    return [*mine.values(), *keys(inner)]


def test_every_key_has_a_description_for_the_editor_and_no_title():
    assert len(keys(SCHEMA)) > 30
    for key in keys(SCHEMA):
        assert key["description"]
        assert "title" not in key
