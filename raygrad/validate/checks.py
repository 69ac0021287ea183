"""The faults that a spec's sections show beside files, columns and model; each names its place."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygrad import storage
from raygrad.errors import Fault, ImportPathError
from raygrad.imports import load
from raygrad.plan import Group
from raygrad.sources import SOURCES, Description, manifest
from raygrad.spec import FieldSpec
from raygrad.storage import Listing
from raygrad.table import hive, schema

Sections = dict[str, Any]


REMOTE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")
WRITABLE = ("file", "local", *REMOTE)
"""Protocols that a table can be written to; memory:// would be that of a process that ends."""


MOST_MISSING = 20
"""A manifest of another bucket shall not print a line for each of its files."""


def storage_faults(sections: Sections, output: str | None) -> Iterator[Fault]:
    """Unknown options, and stores that can't be reached or refuse; one fault a store."""
    unknown = list(storage.unknown_options(sections.get("storage", {})))
    if unknown:
        yield from (Fault(f"storage.{place}", complaint) for place, complaint in unknown)
        return
    read = [path for source in sections.get("sources", []) for path in source.path]
    read = [path.removeprefix(manifest.MARK) for path in read]
    refused: set[str] = set()
    for uri in [output, *read] if output else read:
        ask = storage.reach_for_writing if uri == output else storage.reach
        if storage.protocol(uri) not in REMOTE or storage.store(uri) in refused:
            continue
        try:
            ask(uri)
        except OSError as error:
            refused.add(storage.store(uri))
            yield Fault("storage", str(error))


def output_faults(output: str | None) -> Iterator[Fault]:
    """An output that can't be written to."""
    if output is None:
        return
    if not output:
        yield Fault("output", "is empty; use a path or URI")
        return
    protocol = storage.protocol(output)
    if protocol not in WRITABLE:
        yield Fault("output", f"{output} can't hold a table; use one of {', '.join(WRITABLE)}")
        return
    if protocol not in ("file", "local"):
        return
    folder = storage.absolute(output)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        yield Fault("output", f"{folder} is a file; use a folder")
    elif not os.access(folder, os.W_OK):
        yield Fault("output", f"{folder} can't be written to by this user")


def limit_faults(sections: Sections, output: str | None, limit: int | None) -> Iterator[Fault]:
    """A trial needs a table of its own, neither within the job's nor around it."""
    if limit is None:
        return
    if output is None:
        yield Fault("--limit", "needs --output, a trial never writes into the job's own table")
    elif output and "output" in sections:
        trial, table = storage.absolute(output), storage.absolute(sections["output"])
        if storage.within(trial, table) or storage.within(table, trial):
            yield Fault("--output", "is the job's own table; a trial needs another one")


def overlap_faults(groups: Mapping[int, Group], output: str | None) -> Iterator[Fault]:
    """A file that two sources put into one partition, and sources that hold the table itself."""
    table = storage.absolute(output) if output else None
    for index, group in groups.items():
        place = f"sources[{index}].path"
        twice = [
            (np.flatnonzero(here)[0], other)
            for other, before in groups.items()
            if other < index and before.partition == group.partition
            if (here := before.files.positions(group.files.uris) >= 0).any()
        ]
        if twice:
            first, other = min(twice)
            uri = group.files[first].uri
            message = f"{uri} is in sources[{other}], too; its rows would be scored twice"
            yield Fault(place, message)
        if table and len(own := group.files.filter(_within(group.files.uris, table))):
            message = f"{own[0].uri} lies in the output; keep sources and table apart"
            yield Fault(place, message)


def _within(uris: pa.ChunkedArray, folder: str) -> np.ndarray[Any, Any]:
    """:func:`raygrad.storage.within` of many."""
    below = pc.starts_with(uris, f"{folder.rstrip('/')}/")
    inside: np.ndarray[Any, Any] = pc.or_(below, pc.equal(uris, folder)).to_numpy()
    return inside


def list_source(
    place: str, source: Any, sections: Sections, faults: list[Fault]
) -> tuple[Group, Description] | None:
    """Lists a source's files and describes the first that has rows; None where that fails."""
    if source.format not in SOURCES:
        known = ", ".join(SOURCES)
        faults.append(Fault(f"{place}.format", f'got "{source.format}"; use {known}'))
        return None
    listed: list[Listing] = []
    missing: list[str] = []
    for path in source.path:
        try:
            paths = manifest.expand(path)
            found, nowhere = manifest.list_all(paths, SOURCES[source.format].SUFFIXES)
        except FileNotFoundError:
            missing.append(path)
        except (OSError, ValueError) as error:
            message = f"{path} can't be listed: {type(error).__name__}: {error}"
            faults.append(Fault(f"{place}.path", message))
        else:
            listed.append(found)
            missing += nowhere
    faults += [Fault(f"{place}.path", f"nothing is at {path}") for path in missing[:MOST_MISSING]]
    if len(missing) > MOST_MISSING:
        rest = f"nothing is at {len(missing) - MOST_MISSING:,} other paths either"
        faults.append(Fault(f"{place}.path", rest))
    files = Listing.union(listed)
    if not len(files):
        return None
    for file in files:
        try:
            description = SOURCES[source.format].describe(file.uri)
        except (OSError, ValueError) as error:
            message = f"{file.uri} can't be read as {source.format}: {error}"
            faults.append(Fault(f"{place}.path", message))
            return None
        if any(rows != 0 for rows in description.pieces):
            break
    group = Group(source.format, hive.folder(source.constants), files)
    return group, description


def column_faults(place: str, described: Description, sections: Sections) -> Iterator[Fault]:
    """Columns that the spec names and a source doesn't have."""
    columns = described.schema.names
    wanted = [
        *((field_place(key), field.column) for key, field in sections.get("input", {}).items()),
        *((f"keep[{index}]", name) for index, name in enumerate(sections.get("keep", []))),
    ]
    if sections.get("label") is not None:
        wanted.append(("label", sections["label"]))
    for where, column in wanted:
        if column not in columns:
            message = f'{place} has no column "{column}"; it has {", ".join(columns)}'
            yield Fault(where, message)
        elif where == "label":
            kind = described.schema.field(column).type
            if not pa.types.is_integer(kind):
                message = f"{place} has {kind}; accuracy needs class numbers"
                yield Fault(where, message)


def field_place(keyword: str) -> str:
    """Where an input's column stands in the spec."""
    return f"input.{keyword}.column" if keyword else "input.column"


def transform_faults(sections: Sections) -> Iterator[Fault]:
    """Steps for images that stand where numbers are read, and transforms that aren't there."""
    for keyword, field in sections.get("input", {}).items():
        place = f"input.{keyword}" if keyword else "input"
        for name in ("resize", "crop", "transform"):
            if field.decode != "image" and getattr(field, name) is not None:
                yield Fault(f"{place}.{name}", "is for images; set decode: image, or leave it out")
        if field.decode == "image" and field.transform is not None:
            try:
                load(field.transform)
            except ImportPathError as error:
                yield Fault(f"{place}.transform", str(error))


def channel_faults(keyword: str, field: FieldSpec) -> Iterator[Fault]:
    """A mean or std that doesn't have one entry a channel."""
    place = f"input.{keyword}" if keyword else "input"
    channels = field.shape[0] if field.shape else 1
    for name, values in (("mean", field.mean), ("std", field.std)):
        if values is not None and len(values) not in {1, channels}:
            message = f"got {len(values)} entries; the input has {channels} channels"
            yield Fault(f"{place}.{name}", message)


def name_faults(sections: Sections) -> Iterator[Fault]:
    """Column names that would stand twice in the table, and unfit partition values."""
    metrics, keep = sections.get("metrics", {}), sections.get("keep", [])
    last_layer = sections.get("last_layer")
    reserved = schema.reserved(metrics, last_layer)
    for index, name in enumerate(keep):
        if name.lower() in {*reserved, *(before.lower() for before in keep[:index])}:
            message = f'"{name}" is a column of the table already; rename it in the source'
            yield Fault(f"keep[{index}]", message)
    read = [(field_place(key), field.column) for key, field in sections.get("input", {}).items()]
    for place, name in [*read, ("label", sections.get("label"))]:
        if name in schema.IDENTITY_COLUMNS:
            message = f'"{name}" is what the table calls a row by; rename it in the source'
            yield Fault(place, message)
    columns = schema.metric_columns(metrics)
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        yield Fault("metrics", f'two metrics would both be column "{name}"; leave one out')
    for name in sorted({*columns} & {*schema.forward_columns(last_layer)}):
        message = f'a metric would be column "{name}", which is the last layer\'s; leave one out'
        yield Fault("metrics", message)
    sources = sections.get("sources", [])
    for index, source in enumerate(sources):
        for key, complaint in hive.faults(source.constants, {*reserved, *keep}):
            yield Fault(f"sources[{index}].constants.{key}", complaint)
        if list(source.constants) != list(sources[0].constants):
            expected = ", ".join(sources[0].constants) or "none"
            message = f"every source needs the same keys in the same order: {expected}"
            yield Fault(f"sources[{index}].constants", message)
