"""``raygrad status``, ``verify``, ``errors`` and ``export``: what is in a table."""

import sys

import click

from raygrad.cli.exits import FAILED, exit_codes


@click.command()
@click.argument("table")
def status(table: str) -> None:
    """Show how far TABLE is: rows planned, done and failed, files, the last run."""
    with exit_codes():
        from raygrad.cli.summary import print_status
        from raygrad.table.status import status as status_of

        print_status(table, status_of(table))


@click.command()
@click.argument("table")
def verify(table: str) -> None:
    """Check that TABLE holds every planned row exactly once.

    Exit code 0 if so, 1 with a line for each thing that is wrong.
    """
    with exit_codes():
        from raygrad.table.verify import verify as complaints_about

        complaints = list(complaints_about(table))
        for complaint in complaints:
            click.echo(complaint)
        if complaints:
            sys.exit(FAILED)
        click.echo("Every planned row is there once, and all counts add up.")


@click.command()
@click.argument("table")
def errors(table: str) -> None:
    """Show the rows of TABLE that could not be scored, by stage and type, with an example."""
    with exit_codes():
        from raygrad.cli.summary import print_failures
        from raygrad.table.failures import failures

        print_failures(failures(table))


@click.command()
@click.argument("table")
@click.argument("out")
@click.option(
    "--partition-by",
    "columns",
    multiple=True,
    metavar="COLUMN",
    help="A column or Hive key that becomes a folder; may be given several times.",
)
@click.option(
    "--rows-per-file",
    type=click.IntRange(min=1),
    default=1_000_000,
    show_default=True,
    metavar="N",
    help="How many rows a file has at most.",
)
def export(table: str, out: str, columns: tuple[str, ...], rows_per_file: int) -> None:
    """Copy the rows of TABLE to OUT, a new place, in other folders and files.

    Without --partition-by all files lie in OUT itself. _SUCCESS is written last.
    """
    with exit_codes():
        from raygrad.cli.summary import print_exported
        from raygrad.table.export import export as export_table

        print_exported(out, export_table(table, out, columns, rows_per_file))
