"""fsspec's options a protocol: from the spec, for the whole process."""

import difflib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import fsspec
import fsspec.config
from pydantic import Secret

EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "abfs": "az",
    "abfss": "az",
}
"""The extra of raygrad that brings a protocol's package."""

Options = Mapping[str, Secret[dict[str, Any]]]


def configure(options: Options) -> None:
    """Makes the options those of every file system that this process opens from now on.

    What they leave open, credentials above all, comes from the environment, as the protocol's
    package reads it.

    Args:
        options: For each protocol the arguments of its fsspec file system.
    """
    for protocol, secret in options.items():
        fsspec.config.conf[protocol] = dict(secret.get_secret_value())


def missing_package(protocol: str) -> str:
    """What to do where a protocol's package isn't installed."""
    if protocol in EXTRAS:
        return f'{protocol}:// needs a package: pip install "raygrad[{EXTRAS[protocol]}]"'
    return f"{protocol}:// is no protocol that fsspec has a package for"


def unknown_options(options: Options) -> Iterator[tuple[str, str]]:
    """Options that a protocol's file system doesn't have; fsspec would ignore them.

    Yields:
        The option's place, such as ``s3.endpoint``, and a complaint; never a value.
    """
    for protocol, secret in options.items():
        try:
            kind = fsspec.get_filesystem_class(protocol)
        except (ImportError, ValueError):
            yield protocol, missing_package(protocol)
            continue
        known = list(inspect.signature(kind.__init__).parameters)[1:]
        # What s3fs passes on to the session, and what fsspec itself takes.
        known += ["profile", "use_listings_cache", "listings_expiry_time", "skip_instance_cache"]
        for name in secret.get_secret_value():
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f'did you mean "{close[0]}"?' if close else f"use {', '.join(known)}"
                yield f"{protocol}.{name}", f"is no option of {kind.__name__}; {hint}"
