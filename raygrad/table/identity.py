"""What all rows of a table have in common; a run of another identity is refused with a diff."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from raygrad.errors import IdentityError
from raygrad.storage import publish, read_bytes
from raygrad.table import layout


def claim(root: str, identity: Mapping[str, Any]) -> None:
    """Writes the identity into a new table, or compares it with that of an old one.

    Raises:
        IdentityError: If the table has another one.
    """
    content = json.dumps(identity, indent=2, default=str).encode()
    if not publish(layout.identity(root), content, layout.scratch(root)):
        compare(root, identity)


def stored(root: str) -> dict[str, Any] | None:
    """A table's identity; None if there is no table."""
    try:
        found: dict[str, Any] = json.loads(read_bytes(layout.identity(root)))
    except FileNotFoundError:
        return None
    return found


def compare(root: str, identity: Mapping[str, Any]) -> None:
    """Refuses another identity than the table's; a table without one takes any.

    Raises:
        IdentityError: With the entries that differ.
    """
    found = stored(root)
    if found is None:
        return
    wanted = json.loads(json.dumps(identity, default=str))
    different = list(differences(found, wanted))
    if different:
        raise IdentityError(
            f"{root} holds scores of another identity:\n"
            + "\n".join(f"  {line}" for line in different)
            + "\nuse another output for this job, or the spec that the table was made with"
        )


def differences(
    stored: Any, wanted: Any, place: str = "", owners: tuple[str, str] = ("the table", "this job")
) -> Iterator[str]:
    """The entries in which two identities differ, a line each.

    Args:
        stored: What is there.
        wanted: What is compared with it.
        place: Where in the identity both are.
        owners: Whose they are, for the lines.
    """
    if isinstance(stored, dict) and isinstance(wanted, dict):
        for key in sorted({*stored, *wanted}):
            below = f"{place}.{key}" if place else key
            yield from differences(stored.get(key), wanted.get(key), below, owners)
    elif stored != wanted:
        there, here = owners
        yield f"{place}: {there} has {json.dumps(stored)}, {here} {json.dumps(wanted)}"
