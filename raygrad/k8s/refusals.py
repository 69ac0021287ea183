"""What must not lie in a ConfigMap, or can't be found by a pod."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from raygrad.errors import Fault
from raygrad.factories import huggingface

_CREDENTIAL = re.compile(
    r"^key$|^username$|secret|token|passw|credential|(access|account|private|customer)_?key"
    r"|connection_string|sas",
    re.IGNORECASE,
)
_HARMLESS = ("anon", "cloud", "google_default", None)
"""Values of gcsfs's ``token`` that name a way to log in, not a secret."""

_ADVICE = (
    "the manifests would show it; remove it and create the Secret that --secret names, with "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the ServiceAccount a cloud identity"
)


def credential_faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Credentials in ``storage:`` and in URIs; their values are never shown.

    Args:
        document: A sound spec, as its YAML file holds it.
    """
    for place, key, value in _leaves(document.get("storage") or {}, "storage"):
        if _CREDENTIAL.search(key) and value not in _HARMLESS:
            yield Fault(place, f"is a credential; {_ADVICE}")
    for place, _, value in _leaves(document, ""):
        if isinstance(value, str) and "://" in value and "@" in urlsplit(value).netloc:
            yield Fault(place, f"holds a user or password before @; {_ADVICE}")


def local_faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Paths that lead nowhere in a pod, or to a file that is gone with it."""
    output = document["output"]
    if not _is_uri(output):
        yield Fault(
            "output",
            f'got "{output}", which would be gone with its pod; use a URI such as '
            "s3://bucket/table",
        )
    for index, source in enumerate(document["sources"]):
        paths = source["path"] if isinstance(source["path"], list) else [source["path"]]
        for path in paths:
            yield from _relative_faults(f"sources[{index}].path", path)
    model = document["model"]
    places = {
        "model.checkpoint": model.get("checkpoint"),
        "model.factory": huggingface.folder_of(model["factory"]),
    }
    for place, path in places.items():
        if path is not None:
            yield from _relative_faults(place, path)


def _relative_faults(place: str, path: str) -> Iterator[Fault]:
    bare = path.removeprefix("@")
    if not (_is_uri(bare) or bare.startswith("/")):
        yield Fault(
            place,
            f'got "{path}", which no pod has; use a URI, or an absolute path in the image',
        )


def _is_uri(path: str) -> bool:
    scheme = urlsplit(path).scheme
    return "://" in path and scheme not in ("", "file", "local", "memory")


def _leaves(value: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    pairs: Any = ()
    if isinstance(value, Mapping):
        pairs = [(f"{place}.{key}".removeprefix("."), str(key), v) for key, v in value.items()]
    elif isinstance(value, list):
        pairs = [(f"{place}[{index}]", "", v) for index, v in enumerate(value)]
    for where, key, inner in pairs:
        if isinstance(inner, Mapping | list):
            yield from _leaves(inner, where)
        yield where, key, inner
