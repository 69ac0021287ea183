"""`raygrad schema` prints the schema, as text that an editor can read."""

import json

from click.testing import CliRunner

from raygrad.cli import main
from raygrad.sources import SOURCES
from raygrad.spec import json_schema


def test_it_prints_the_json_schema():
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.output) == json_schema(SOURCES)


def test_its_help_says_how_an_editor_uses_it():
    text = CliRunner().invoke(main, ["schema", "--help"]).output
    assert "raygrad schema > raygrad.schema.json" in text
    assert "# yaml-language-server: $schema=raygrad.schema.json" in text
