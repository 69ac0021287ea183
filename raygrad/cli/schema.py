"""``raygrad schema``."""

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of job specs, for editors.

    Editors that know YAML schemas complete a spec's keys and mark its mistakes once the spec's
    first line names the file that this was written to:

    \b
      raygrad schema > raygrad.schema.json
      # yaml-language-server: $schema=raygrad.schema.json
    """  # noqa: D301 - click wants a real backspace
    from raygrad.sources import SOURCES
    from raygrad.spec import json_schema

    click.echo(json.dumps(json_schema(SOURCES), indent=2, ensure_ascii=False))
