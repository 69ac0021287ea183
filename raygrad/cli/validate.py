"""``raygrad validate``."""

import click

from raygrad.cli.exits import exit_codes


@click.command()
@click.argument("spec", type=click.Path(dir_okay=False))
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="How many rows of each source to score.",
)
def validate(spec: str, rows: int) -> None:
    """Check the job SPEC without a cluster, and score a few rows.

    Shows what the table will hold, a rate, and the accuracy where the spec names a label: wrong
    preprocessing is the commonest mistake.
    """
    with exit_codes():
        from raygrad import validate as dry_run
        from raygrad.cli.summary import print_report

        job = dry_run.prepare(spec)
        print_report(job, dry_run.report(job, rows))
