"""What a source's files show by themselves: format, columns, and which of them are inputs."""

import itertools
from typing import NamedTuple

import pyarrow as pa

from raygrad import storage
from raygrad.errors import Fault, SpecError
from raygrad.sources import SOURCES

TOKENS = ("input_ids", "attention_mask", "token_type_ids")
IMAGES = ("image", "img", "jpg", "png", "path", "uri", "url", "file")
LABELS = ("label", "labels", "target", "cls", "class", "fine_label")
MOST_FILES = 100


class Data(NamedTuple):
    """What was found.

    Attributes:
        path: As it was given.
        format: A key of ``SOURCES``.
        columns: Of the first file.
        input: The column that looks most like a model's input; None if none does.
        tokens: Those columns that a text classifier takes as keyword arguments.
        label: The column that looks most like true classes; None if none does.
    """

    path: str
    format: str
    columns: pa.Schema
    input: str | None
    tokens: list[str]
    label: str | None

    def is_image(self, column: str) -> bool:
        """Whether a column holds encoded images, or where they are."""
        kind = self.columns.field(column).type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        return _is_bytes(kind) or (is_text and column.lower() in IMAGES)


def look(path: str, format: str | None = None) -> Data:
    """Lists a source and describes its first file.

    Args:
        path: A file, a glob or a folder, by path or URI.
        format: A key of ``SOURCES``; by default that of most of the first files' names.

    Raises:
        SpecError: If nothing is there, or it can't be read.
    """
    if format is not None and format not in SOURCES:
        raise SpecError([Fault("format", f'got "{format}"; use {", ".join(SOURCES)}')])
    try:
        files = storage.list_files(path)
    except FileNotFoundError as error:
        raise SpecError([Fault("source", f"nothing is at {path}")]) from error
    except ValueError as error:
        raise SpecError([Fault("source", f"{path} can't be listed: {error}")]) from error
    names = [file.uri.lower() for file in itertools.islice(files, MOST_FILES)]
    if format is None:
        counts = {key: sum(n.endswith(s.SUFFIXES) for n in names) for key, s in SOURCES.items()}
        format = max(counts, key=lambda key: counts[key])
        if not counts[format]:
            ends = ", ".join(itertools.chain(*(source.SUFFIXES for source in SOURCES.values())))
            message = f"{names[0]} is of no known format; use files that end in {ends}"
            raise SpecError([Fault("source", message)])
    fit = (file.uri for file in files if file.uri.lower().endswith(SOURCES[format].SUFFIXES))
    first = next(fit, files[0].uri)
    try:
        columns = SOURCES[format].describe(first).schema
    except (OSError, ValueError) as error:
        message = f"{first} can't be read as {format}: {error}"
        raise SpecError([Fault("source", message)]) from error
    return _judged(Data(path, format, columns, None, [], None))


def _judged(data: Data) -> Data:
    columns = data.columns
    labels = [name for name in columns.names if name.lower() in LABELS]
    numbers = [
        field.name for field in columns if _is_numbers(field.type) and field.name not in TOKENS
    ]
    images = [name for name in columns.names if data.is_image(name) and name not in labels]
    # A name such as image says more than a type: webdataset has other columns of bytes.
    images.sort(key=lambda name: name.lower() not in IMAGES)
    label = next((n for n in labels if pa.types.is_integer(columns.field(n).type)), None)
    return data._replace(
        input=next(iter([*images, *numbers]), None),
        tokens=[name for name in TOKENS if name in columns.names],
        label=label,
    )


def _is_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(_is_bytes(field.type) for field in kind if field.name == "bytes")
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_numbers(kind: pa.DataType) -> bool:
    """Lists and tensors of numbers; a number alone is rarely an input."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return True
    depth = 0
    while (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        kind, depth = kind.value_type, depth + 1
    return depth > 0 and bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
