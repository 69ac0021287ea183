"""``raygrad report``: a table's scores as one HTML page."""

import os

import click

from raygrad.cli.exits import exit_codes
from raygrad.cli.tables import ABOUT_TABLES, TABLE, table_option, where_option


def _in_a_folder(_context: click.Context, _option: click.Parameter, path: str) -> str:
    """Refuses a path whose folder isn't there before minutes of work, not after."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise click.BadParameter(f"there is no folder {folder}; make it first")
    return path


@click.command(epilog=ABOUT_TABLES)
@click.argument("table", metavar=TABLE)
@table_option("--in-distribution", "Rows that the model was made for; those of TABLE by default.")
@table_option(
    "--ood", "Rows that are out-of-distribution; may be given several times.", multiple=True
)
@where_option
@click.option("--score", metavar="NAME", help="What the most unusual rows are ordered by.")
@click.option(
    "--unusual",
    type=click.IntRange(0, 100),
    default=12,
    show_default=True,
    metavar="N",
    help="How many unusual rows of each set are shown.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True),
    callback=_in_a_folder,
    default="report.html",
    show_default=True,
    help="The page.",
)
def report(
    table: str,
    *,
    in_distribution: str | None,
    ood: tuple[str, ...],
    where: str | None,
    score: str | None,
    unusual: int,
    output: str,
) -> None:
    """Show the scores of TABLE as one HTML page that opens offline.

    Histograms, the most unusual rows with thumbnails, errors, runs and provenance; with --ood also
    ROC and precision-recall curves and a table of measures.
    """
    with exit_codes():
        from raygrad.cli.summary import print_report_page
        from raygrad.ood.report import gather, render
        from raygrad.ood.rows import parse

        contents = gather(
            parse(table, where),
            parse(in_distribution, where) if in_distribution else None,
            [parse(rows, where) for rows in ood],
            score=score,
            unusual=unusual,
        )
        page = render(contents).encode()
        with open(output, "wb") as stream:
            stream.write(page)
        print_report_page(output, len(page), contents.findings)
