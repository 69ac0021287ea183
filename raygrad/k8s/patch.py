"""JSON patches (RFC 6902), of which overlays consist: kustomize and we read the same files."""

import copy
from collections.abc import Sequence
from typing import Any

from raygrad.errors import RaygradError


def patched(document: Any, operations: Sequence[dict[str, Any]]) -> Any:
    """A copy of a document with add, replace and remove done in their order.

    Raises:
        RaygradError: If an operation is none of these, or leads nowhere.
    """
    document = copy.deepcopy(document)
    for operation in operations:
        try:
            _apply(document, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise RaygradError(
                f"{operation} doesn't fit the manifest ({type(error).__name__}: {error}); each "
                "operation is add, replace or remove, and all but the path's last part must exist"
            ) from error
    return document


def _apply(document: Any, operation: dict[str, Any]) -> None:
    *parents, last = [
        part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
    ]
    place = document
    for part in parents:
        place = place[int(part) if isinstance(place, list) else part]
    key = last if isinstance(place, dict) else len(place) if last == "-" else int(last)
    kind = operation["op"]
    if kind not in ("add", "replace", "remove"):
        raise ValueError(f"op is {kind}")
    if kind != "add":
        place[key]  # must be there
    if kind == "remove":
        del place[key]
    elif kind == "add" and isinstance(place, list):
        place.insert(key, copy.deepcopy(operation["value"]))
    else:
        place[key] = copy.deepcopy(operation["value"])
