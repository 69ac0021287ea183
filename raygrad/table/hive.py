"""Hive partition folders, ``dataset=mnist/split=test``, of values that survive every reader."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from urllib.parse import quote

_NULLS = {"", "null", "none", "nan", "nat", "na", "n/a", "true", "false", "inf", "-inf"}
_DEFAULT_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def folder(constants: Mapping[str, Any]) -> str:
    """The folder of rows with these values; the empty string where there are none."""
    return "/".join(f"{key}={quote(str(value), safe='')}" for key, value in constants.items())


def faults(constants: Mapping[str, Any], reserved: Iterable[str]) -> Iterable[tuple[str, str]]:
    """What readers would misread.

    Args:
        constants: Partition keys and values.
        reserved: Names that columns have already.

    Yields:
        Key and complaint.
    """
    taken = set(reserved)
    for key, value in constants.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            yield key, "is no column name; use letters, digits and underscores"
        elif key in taken:
            yield key, "is a column of the table already; use another name"
        if complaint := _complaint(value):
            yield key, f"got {value!r}; {complaint}"


def _complaint(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | date):
        return "use a text, a whole number or a date"
    if not isinstance(value, str):
        return None
    if value.lower() in _NULLS or value == _DEFAULT_PARTITION:
        return "readers take it for a missing or logical value; use another word"
    if value != value.strip():
        return "readers strip the space around it; leave it out"
    if _looks_like_a_number(value):
        return "readers take it for a number; add a letter"
    return None


def _looks_like_a_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True
