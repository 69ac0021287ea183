"""``raygrad init``."""

import os
from collections.abc import Mapping
from typing import Any

import click

from raygrad.cli.exits import exit_codes

LOSSES = ("pseudo_label", "uniform", "confounding")
"""Those of :mod:`raygrad.losses`, which --help can't import, that need nothing but a name; a test
compares them."""


@click.command()
@click.argument("spec", type=click.Path(dir_okay=False), default="job.yaml")
@click.option("--source", metavar="PATH", help="File, folder, glob or URI of the data.")
@click.option("--format", help="Format of the files; by default what their names say.")
@click.option("--column", help="Input column; by default what the columns look like.")
@click.option(
    "--model", metavar="FACTORY", help="As torchvision:resnet50, or your own module:function."
)
@click.option("--checkpoint", metavar="PATH", help="Path or URI of the weights.")
@click.option("--loss", type=click.Choice(LOSSES), help="What is differentiated.")
@click.option("--target", metavar="NAME", help="Module that is differentiated, or all.")
@click.option("--output", metavar="PATH", help="Path or URI of the table of scores.")
@click.option("--yes", is_flag=True, help="Ask nothing; take defaults where no flag is given.")
def init(spec: str, yes: bool, source: str | None, format: str | None, **given: str | None) -> None:
    """Write a first job to SPEC, job.yaml by default, from a few questions.

    Looks at the data to propose a format and an input column. Each question has a flag.
    """
    if os.path.lexists(spec):
        raise click.UsageError(f"{spec} is there already; name another file, or remove it")
    with exit_codes():
        from raygrad import draft

        asked = _Questions({**given, "source": source}, yes)
        data = draft.look(asked("source", "Where is the data? A file, folder, glob or URI"), format)
        click.echo(f"{data.format}: {', '.join(data.columns.names)}")
        factory = asked("model", "Model, as torchvision:resnet50 or module:function")
        by_keyword = not given["column"] and data.tokens and factory.startswith("huggingface:")
        answers = draft.Answers(
            column=None if by_keyword else _column(data, asked),
            factory=factory,
            checkpoint=asked("checkpoint", "Checkpoint, a path or URI, if any", ""),
            loss=asked("loss", "Loss", LOSSES[0], click.Choice(LOSSES)),
            target=asked("target", "Module to differentiate, or all", "all"),
            output=asked("output", "Where shall the table be?", "table"),
        )
        with open(spec, "x", encoding="utf-8") as stream:
            stream.write(draft.text(data, answers))
    click.echo(f"Wrote {spec}. Next: raygrad validate {spec}")


def _column(data: Any, asked: "_Questions") -> str:
    names = data.columns.names
    column = asked("column", "Input column", data.input, click.Choice(names))
    if column not in names:
        raise click.UsageError(f'{data.path} has no column "{column}"; it has {", ".join(names)}')
    return column


class _Questions:
    """What a flag says; else what the user answers; else, where nothing may be asked, a default."""

    def __init__(self, given: Mapping[str, str | None], yes: bool) -> None:
        self._given, self._yes = given, yes

    def __call__(
        self, flag: str, question: str, default: str | None = None, kind: Any = str
    ) -> str:
        given = self._given.get(flag)
        if given:
            return given
        if not self._yes:
            return str(click.prompt(question, default=default, type=kind))
        if default is None:
            raise click.UsageError(f"--yes asks nothing, and --{flag} has no default; give it")
        return default
