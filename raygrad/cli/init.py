"""``raygrad init``."""

import os
from typing import Any

import click

from raygrad.cli.exits import exit_codes

LOSSES = ("pseudo_label", "uniform")
"""Those of :mod:`raygrad.losses`, which --help can't import; a test compares them."""


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

        asked = _Questions(yes)
        data = draft.look(source or asked("Where is the data? A file, folder, glob or URI"), format)
        click.echo(f"{data.format}: {', '.join(data.columns.names)}")
        factory = given["model"] or asked("Model, as torchvision:resnet50 or module:function")
        answers = draft.Answers(
            column=_column(data, factory, given["column"], asked),
            factory=factory,
            checkpoint=given["checkpoint"] or asked("Checkpoint, a path or URI", ""),
            loss=given["loss"] or asked("Loss", LOSSES[0], click.Choice(LOSSES)),
            target=given["target"] or asked("Module to differentiate, or all", "all"),
            output=given["output"] or asked("Where shall the table be?", "table"),
        )
        with open(spec, "x", encoding="utf-8") as stream:
            stream.write(draft.text(data, answers))
    click.echo(f"Wrote {spec}. Next: raygrad validate {spec}")


def _column(data: Any, factory: str, given: str | None, asked: "_Questions") -> str | None:
    if given is None and data.tokens and factory.startswith("huggingface:"):
        return None
    column = given or asked("Input column", data.input, click.Choice(data.columns.names))
    if column not in data.columns.names:
        names = ", ".join(data.columns.names)
        raise click.UsageError(f'{data.path} has no column "{column}"; it has {names}')
    return column


class _Questions:
    """Asks, or takes the default where nothing may be asked."""

    def __init__(self, yes: bool) -> None:
        self._yes = yes

    def __call__(self, question: str, default: str | None = None, kind: Any = str) -> str:
        if not self._yes:
            return str(click.prompt(question, default=default, type=kind))
        if default is None:
            raise click.UsageError(f"--yes asks nothing, but there is no default; {question}")
        return default
