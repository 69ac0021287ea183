"""What ``raygrad query`` prints: a table that fits the terminal, or rows for other programs."""

import os
import shutil
import sys
import tempfile
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from raygrad.ood.query import Answer, Query

LONGEST_CELL, SHORT_CELL = 60, 24


def print_answer(answer: Answer, most: int) -> None:
    """The first rows, and as many of the columns as there is room for; says what isn't shown."""
    console = Console()
    cells = [[_cell(value) for value in row] for row in answer.rows]
    shown = _columns_with_room(answer.names, cells, console.width)
    if shown < len(answer.names):
        cells = [[_cut(cell, SHORT_CELL) for cell in row] for row in cells]
        shown = _columns_with_room(answer.names, cells, console.width)
    table = Table()
    for place in range(shown):
        numbers = any(isinstance(row[place], int | float) for row in answer.rows)
        table.add_column(
            Text(answer.names[place]), justify="right" if numbers else "left", overflow="fold"
        )
    for row in cells:
        table.add_row(*(Text(cell) for cell in row[:shown]))
    console.print(table)
    notes = []
    if not answer.complete:
        notes.append(
            f"The first {most:,} rows; --rows N shows more, --output FILE keeps all of them."
        )
    if left := answer.names[shown:]:
        notes.append(f"No room for {', '.join(left)}; name columns, or use --format csv.")
    for note in notes:
        console.print(note, soft_wrap=True, highlight=False, markup=False)


def print_rows(query: Query, kind: str) -> None:
    """All rows, as CSV or JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"rows.{kind}")
        query.write(path, kind)
        with open(path, "rb") as stream:
            shutil.copyfileobj(stream, sys.stdout.buffer)


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return str(value).lower()
    return _cut(str(value), LONGEST_CELL)


def _cut(text: str, longest: int) -> str:
    """Of a path the end, of other texts the beginning."""
    if len(text) <= longest:
        return text
    return (
        f"…{text[1 - longest :]}"
        if text.startswith("/") or "://" in text
        else (f"{text[: longest - 1]}…")
    )


def _columns_with_room(names: list[str], cells: list[list[str]], width: int) -> int:
    """How many of the first columns fit side by side; at least one."""
    room = width - 1
    for place, name in enumerate(names):
        room -= 3 + max([len(name), *(len(row[place]) for row in cells)])
        if room < 0:
            return max(place, 1)
    return len(names)
