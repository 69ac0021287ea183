"""Hive partition folders, ``dataset=mnist/split=test``, of values that survive every reader."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import quote, unquote

LONGEST_NAME = 255
"""Bytes that file systems grant a folder's name."""

_WORDS = {
    *("", "null", "none", "nan", "nat", "na", "n/a", "true", "false"),
    *("inf", "-inf", "infinity", "-infinity", "epoch", "now", "today", "yesterday", "tomorrow"),
}
DEFAULT_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def folder(constants: Mapping[str, Any]) -> str:
    """The folder of rows with these values; the empty string where there are none."""
    return "/".join(
        f"{key}={DEFAULT_PARTITION if value is None else quote(str(value), safe='')}"
        for key, value in constants.items()
    )


def values(path: str) -> dict[str, str]:
    """The keys and values, as texts, of a path below a table's ``scores/``."""
    pairs = (part.partition("=") for part in path.split("/")[:-1])
    return {key: unquote(value) for key, _, value in pairs}


def at_the_end(folder: str) -> tuple[str, str]:
    """Splits a folder into what lies above its Hive folders, and those: "" where there are none."""
    parts = folder.rstrip("/").split("/")
    first = len(parts)
    while first and "=" in parts[first - 1]:
        first -= 1
    return "/".join(parts[:first]), "".join(f"{part}/" for part in parts[first:])


def faults(constants: Mapping[str, Any], reserved: Iterable[str]) -> Iterable[tuple[str, str]]:
    """What readers would misread.

    Args:
        constants: Partition keys and values.
        reserved: Names that columns have already.

    Yields:
        Key and complaint.
    """
    taken = {name.lower() for name in reserved}  # SQL doesn't tell cases apart
    for key, value in constants.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", key):
            yield key, "is no column name; use letters, digits and underscores, a letter first"
        elif key.lower() in taken:
            yield key, "is a column of the table already; use another name"
        taken.add(key.lower())
        if complaint := _complaint(value):
            yield key, f"got {value!r}; {complaint}"
        elif len(folder({key: value})) > LONGEST_NAME:
            yield key, f"got {value!r}; as a folder's name it is too long; shorten it"


def _complaint(value: Any) -> str | None:
    if isinstance(value, bool | datetime) or not isinstance(value, str | int | date):
        return "use a text, a whole number or a date"
    return _misreading(value) if isinstance(value, str) else None


def _misreading(text: str) -> str | None:
    if text.lower() in _WORDS or text == DEFAULT_PARTITION:
        return "readers take it for a value of another kind; use another word"
    if text != text.strip():
        return "readers strip the space around it; leave it out"
    if re.fullmatch(r"\d+-\d+-\d+", text) and not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return "readers take it for a date; write dates as 2024-01-31"
    if _looks_like_a_number(text):
        return "readers take it for a number; add a letter"
    return None


def _looks_like_a_number(text: str) -> bool:
    for parse in (float, lambda digits: int(digits, 0)):
        try:
            parse(text.replace(",", ""))
        except ValueError:
            continue
        return True
    return False
