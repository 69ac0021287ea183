"""How every command is told which rows: TABLE, a partition, or 'TABLE where SQL', and --where."""

from collections.abc import Callable
from typing import Any

import click

TABLE = "TABLE"
"""Metavar of an argument or option that ``raygrad.ood.rows.parse`` reads."""

ABOUT_TABLES = (
    "A TABLE is a table, one of its partitions (TABLE/scores/dataset=mnist), or either followed by "
    "a condition: \"TABLE where dataset = 'mnist' AND label < 8\"."
)
"""For the help of commands that take tables."""

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def table_option(
    flag: str, text: str, *, required: bool = False, multiple: bool = False
) -> Decorator:
    """An option whose value is a TABLE; the command gets it as it was typed.

    Inside ``exit_codes()`` it does ``raygrad.ood.rows.parse(value, where)``.
    """
    return click.option(flag, metavar=TABLE, required=required, multiple=multiple, help=text)


where_option: Decorator = click.option(
    "--where", metavar="SQL", help="A condition that the rows of every TABLE must meet as well."
)
