"""``raygrad query``: SQL over tables."""

import re

import click

from raygrad.cli.exits import exit_codes

FORMATS = ("table", "csv", "json", "parquet")


@click.command()
@click.argument("sql")
@click.argument("tables", nargs=-1, required=True, metavar="TABLE...")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    help="How rows are printed or written; by default a table, or what FILE ends with.",
)
@click.option(
    "--output", metavar="FILE", help="Write all rows to a new file, a path or URI, instead."
)
@click.option(
    "--rows",
    "most",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    metavar="N",
    help="How many rows a printed table has at most.",
)
def query(
    sql: str, tables: tuple[str, ...], kind: str | None, output: str | None, most: int
) -> None:
    """Ask TABLE a question in SQL (DuckDB's), which only reads.

    Views: scores (all rows, with the Hive keys), scored (rows that have scores), errors (rows that
    have none), files, and runs. TABLE is a table, a partition of one, or "TABLE where SQL". Several
    are named, as known=TABLE other=TABLE; then the views are known.scores, other.errors and so on,
    and known alone is known.scores.

    \b
      raygrad query "SELECT dataset, median(fc_l1) FROM scored GROUP BY ALL" table
      raygrad query "FROM scored ORDER BY energy LIMIT 100" table --output unsure.csv
    """  # noqa: D301 - click wants a real backspace
    with exit_codes():
        from raygrad.cli.query_answer import print_answer, print_rows
        from raygrad.ood.query import Query
        from raygrad.ood.rows import parse

        named = [_named(text) for text in tables]
        names = [name.lower() for name, _ in named]
        if len(named) > 1 and ("" in names or len(set(names)) < len(names)):
            raise click.UsageError("Name each of several tables: known=TABLE other=TABLE.")
        kind = _kind(kind, output)
        asked = Query(sql, {name: parse(text) for name, text in named})
        if output is not None:
            click.echo(f"{asked.write(output, kind):,} rows in {output}")
        elif kind == "table":
            print_answer(asked.answer(most), most)
        else:
            print_rows(asked, kind)


def _named(text: str) -> tuple[str, str]:
    """The name before TABLE, if there is one."""
    found = re.fullmatch(r"([A-Za-z_]\w*)=(.+)", text, re.DOTALL)
    return (found[1], found[2]) if found else ("", text)


def _kind(kind: str | None, output: str | None) -> str:
    if output is None:
        if kind == "parquet":
            raise click.UsageError("--format parquet is for files; give --output FILE.")
        return kind or "table"
    by_name = output.rpartition(".")[2].lower()
    kind = kind or (by_name if by_name in FORMATS else "")
    if kind in ("", "table"):
        raise click.UsageError(f"Say what {output} is to be: --format csv, json or parquet.")
    return kind
