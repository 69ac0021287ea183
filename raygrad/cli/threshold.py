"""``raygrad threshold fit`` and ``apply``: which rows are unusual."""

import click

from raygrad.cli.exits import exit_codes
from raygrad.cli.tables import ABOUT_TABLES, table_option, where_option

METHODS = ("quantile", "conformal", "logistic")


SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.group()
def threshold() -> None:
    """Fit a threshold on held-out rows, and flag the rows of a table with it."""


@threshold.command(epilog=ABOUT_TABLES)
@table_option("--in-distribution", "Held-out rows that are to be kept.", required=True)
@click.option(
    "--score",
    "scores",
    multiple=True,
    metavar="COLUMN",
    help="The score; with --method logistic several may be given, all by default.",
)
@click.option(
    "--keep",
    type=SHARE,
    default=0.95,
    show_default=True,
    metavar="SHARE",
    help="Which share of in-distribution rows is to be kept.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="quantile",
    show_default=True,
    help="One value of one score; the same with p-values; or a probability from many scores.",
)
@click.option("--by-class", is_flag=True, help="A threshold of its own for each predicted class.")
@table_option(
    "--ood",
    "Unusual rows, from which a direction that the table lacks is found, and logistic learns; may "
    "be given several times.",
    multiple=True,
)
@click.option(
    "--errors",
    is_flag=True,
    help="Take wrong predictions among the in-distribution rows instead of --ood.",
)
@click.option(
    "--label",
    metavar="COLUMN",
    help="The true classes, for --errors; by default the spec's label, if it was kept.",
)
@where_option
@click.option(
    "--output",
    default="threshold.json",
    show_default=True,
    metavar="FILE",
    help="The threshold file to write, a path or URI.",
)
def fit(
    *,
    in_distribution: str,
    scores: tuple[str, ...],
    keep: float,
    method: str,
    by_class: bool,
    ood: tuple[str, ...],
    errors: bool,
    label: str | None,
    where: str | None,
    output: str,
) -> None:
    """Write a threshold file that keeps a share of in-distribution rows.

    \b
      raygrad threshold fit --in-distribution known --score fc_l1 --keep 0.95
      raygrad threshold fit --in-distribution known --method logistic --ood unknown
      raygrad threshold fit --in-distribution known --method logistic --errors
    """  # noqa: D301 - click wants a real backspace
    with exit_codes():
        from raygrad.cli.threshold_summary import print_fitted
        from raygrad.ood.rows import parse
        from raygrad.ood.thresholds.fit import fit as fit_threshold

        fitted = fit_threshold(
            parse(in_distribution, where),
            scores,
            keep,
            method,
            output,
            by_class=by_class,
            ood=[parse(text, where) for text in ood],
            errors=errors,
            label=label,
        )
        print_fitted(fitted, output)


@threshold.command()
@click.argument("file")
@click.argument("table")
@click.argument("out", required=False)
@click.option(
    "--fdr",
    type=SHARE,
    metavar="SHARE",
    help="Flag by Benjamini and Hochberg's procedure at this false discovery rate over all rows of "
    "TABLE; needs --method conformal.",
)
@click.option(
    "--sql", is_flag=True, help="Print a view for DuckDB that gives the flags, instead of files."
)
def apply(file: str, table: str, out: str | None, fdr: float | None, sql: bool) -> None:
    """Flag the rows of TABLE by a threshold FILE.

    OUT, a path or URI, gets a file of flags for each file of TABLE, in the same folders: source,
    row, the score, the threshold, and is_ood, which is null for rows that have an error. Run again
    after an interruption, the same command goes on.

    \b
      raygrad threshold apply threshold.json table flags
      raygrad threshold apply threshold.json table --sql | duckdb
    """  # noqa: D301 - click wants a real backspace
    with exit_codes():
        from raygrad.cli.threshold_summary import print_flags
        from raygrad.ood.rows import parse
        from raygrad.ood.thresholds.apply import Application

        if sql == (out is not None):
            raise click.UsageError("Give either OUT, for files of flags, or --sql.")
        application = Application(file, parse(table), fdr)
        if out is None:
            click.echo(application.view())
        else:
            print_flags(out, application.write(out))
