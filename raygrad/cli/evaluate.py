"""``raygrad evaluate``: how well each score tells OOD rows and wrong predictions from the rest."""

import click

from raygrad.cli.exits import exit_codes
from raygrad.cli.tables import ABOUT_TABLES, table_option, where_option


@click.command(epilog=ABOUT_TABLES)
@table_option("--in-distribution", "In-distribution rows.", required=True)
@table_option("--ood", "OOD rows; may be given several times, each set is compared.", multiple=True)
@click.option(
    "--score",
    "scores",
    multiple=True,
    metavar="COLUMN",
    help="A score; may be given several times. All by default.",
)
@click.option(
    "--label",
    metavar="COLUMN",
    help="The true classes of in-distribution rows; by default the spec's label, if it was kept.",
)
@click.option(
    "--baseline",
    metavar="COLUMN",
    help="The score that each AUROC is compared with; msp by default.",
)
@table_option(
    "--fit-in-distribution",
    "In-distribution rows that settle the direction of scores without one; no row of those above.",
)
@table_option("--fit-ood", "OOD rows that settle it, together with those.")
@where_option
@click.option(
    "--sort",
    type=click.Choice(["auroc", "table"]),
    default="auroc",
    show_default=True,
    help="Best AUROC first, or the table's order.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "csv", "json"]),
    default="text",
    show_default=True,
    help="What is printed.",
)
def evaluate(
    *,
    in_distribution: str,
    ood: tuple[str, ...],
    scores: tuple[str, ...],
    label: str | None,
    baseline: str | None,
    fit_in_distribution: str | None,
    fit_ood: str | None,
    where: str | None,
    sort: str,
    style: str,
) -> None:
    """Measure how well each score tells OOD rows from in-distribution ones.

    AUROC with a 95 % interval and a paired test against the baseline, AUPR, the shares lost and
    missed; with labels also wrong against right predictions.

    \b
      raygrad evaluate --in-distribution demo/table/scores/dataset=mnist \\
                       --ood "demo/table where dataset = 'photos'"
    """  # noqa: D301 - click wants a real backspace
    if (fit_in_distribution is None) != (fit_ood is None):
        raise click.UsageError("--fit-in-distribution and --fit-ood are given together or not.")
    with exit_codes():
        from raygrad.cli.evaluation_text import print_evaluation
        from raygrad.ood.evaluation import evaluate as evaluation_of
        from raygrad.ood.evaluation import formats
        from raygrad.ood.rows import parse

        evaluation = evaluation_of(
            parse(in_distribution, where),
            [parse(table, where) for table in ood],
            scores or None,
            label=label,
            baseline=baseline,
            fit=None
            if fit_in_distribution is None or fit_ood is None
            else (parse(fit_in_distribution, where), parse(fit_ood, where)),
        )
        if style == "text":
            print_evaluation(evaluation, by_auroc=sort == "auroc")
        else:
            click.echo(formats.FORMATS[style](evaluation), nl=False)
