"""WebDataset archives: consecutive files of one key are a sample, and a sample is a row.

The key of ``train/0001.seg.png`` is ``train/0001``, its extension, in lower case, ``seg.png``:
names are split at the first dot of their last part. Files without a key or an extension, and those
in folders or of names like ``__meta__``, are skipped, as the package webdataset does. An extension
that comes again under the same key begins a new row, so that no file is lost.

Columns are the extensions, beside ``__key__`` and ``image``:

- ``__key__``: the sample's key.
- ``image``: the bytes of the sample's first image, whatever its extension.
- ``cls``, ``cls2``, ``class``, ``count``, ``index``, ``inx``, ``id``: a whole number.
- ``txt``, ``text``, ``transcript``, ``json``: the text as it stands.
- any other: the file's bytes, so that images, and ``npy`` with ``decode: tensor``, can be inputs.

An archive is one unit. Its rows are counted by reading it, so it is planned open-ended. Where it is
truncated or corrupt, all samples before that place are rows, and one error row more, of type
``BrokenArchiveError``, stands for the rest.
"""

import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa

from raygrad.errors import BrokenArchiveError, DecodeError, RowError
from raygrad.sources import images
from raygrad.sources.description import READ_ERROR, READ_ERROR_TYPE, Description
from raygrad.storage import open_read
from raygrad.table.segment import Segment

SUFFIXES: tuple[str, ...] = (".tar", ".tar.gz", ".tgz")

SAMPLES_DESCRIBED = 32
"""The extensions of so many first samples are the columns that a spec can name."""

BYTES_AT_ONCE = 1 << 20

_NUMBERS = {"cls", "cls2", "class", "count", "index", "inx", "id"}
_TEXTS = {"__key__", "txt", "text", "transcript", "json"}
_SAMPLE_FILE = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)")
_META = re.compile(r"(.*/)?__[^/]*__(/.*)?")


def describe(uri: str) -> Description:
    """The columns of the first samples; an archive without any says nothing of the others.

    Raises:
        ValueError: If it is no archive, or not one sample can be read.
    """
    names: dict[str, None] = {}
    try:
        for sample in islice(_samples(uri, None), SAMPLES_DESCRIBED):
            names |= dict.fromkeys(sample)
    except BrokenArchiveError as error:
        if not names:
            raise ValueError(str(error)) from error
    columns = dict.fromkeys(["__key__", "image", *names])
    schema = pa.schema([(name, _type(name)) for name in columns])
    return Description(schema, (None,) if names else (), alike=bool(names))


def read(segment: Segment, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Reads an archive from its first sample to its last, or to the segment's end.

    Of a sample only the files that are asked for are taken into memory.

    Yields:
        At most ``rows`` samples at a time, and an error row for what can't be read.
    """
    left = segment.rows
    waiting: list[dict[str, Any]] = []
    for sample in _rows(segment.uri, columns):
        if left is not None:
            left -= 1
        waiting.append(sample)
        if len(waiting) == rows or left == 0:
            yield _table(waiting, columns)
            waiting = []
        if left == 0:
            return
    if waiting:
        yield _table(waiting, columns)


def _rows(uri: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Samples with their values, and the error at the end if there is one."""
    samples = _samples(uri, set(columns))
    while True:
        try:
            sample = next(samples, None)
        except BrokenArchiveError as error:
            yield _failed({}, error)
            return
        if sample is None:
            return
        try:
            yield {name: _value(name, sample.get(name)) for name in columns}
        except DecodeError as error:
            yield _failed({"__key__": sample["__key__"]}, error)


def _samples(uri: str, columns: set[str] | None) -> Iterator[dict[str, Any]]:
    """The files of each sample by their extensions: bytes, of columns that aren't wanted None.

    Args:
        uri: The archive's.
        columns: What is wanted; None for no more than the names.

    Raises:
        BrokenArchiveError: Where the archive can't be read any further. The sample in hand comes
            before that if it has all columns that are wanted.
    """
    sample: dict[str, Any] = {}
    try:
        for name, read_content in _files(uri):
            matched = _SAMPLE_FILE.fullmatch(name)
            if matched is None or _META.fullmatch(name):
                continue
            key, extension = matched[1], matched[2].lower()
            if sample and (sample["__key__"] != key or extension in sample):
                yield sample
                sample = {}
            sample.setdefault("__key__", key)
            is_image = f".{extension}".endswith(images.SUFFIXES) and "image" not in sample
            names = [extension, "image"] if is_image else [extension]
            wanted = columns is not None and not columns.isdisjoint(names)
            sample |= dict.fromkeys(names, read_content() if wanted else None)
    except BrokenArchiveError:
        if sample and sample.keys() >= (columns or set()):
            yield sample
        raise
    if sample:
        yield sample


class _StrictTarInfo(tarfile.TarInfo):
    """Python takes a header that makes no sense, or none at all, for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_StrictTarInfo":
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if isinstance(error, tarfile.EOFHeaderError):  # type: ignore[attr-defined]
                raise  # two blocks of zeros: the mark at the end of every sound archive
            raise BrokenArchiveError(_broken(archive.offset, error)) from error


def _files(uri: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and a function that gives the content, of each regular file in turn."""
    offset = 0
    with open_read(uri) as stream:
        try:
            with tarfile.open(
                fileobj=stream, mode="r|*", bufsize=BYTES_AT_ONCE, tarinfo=_StrictTarInfo
            ) as archive:
                for member in archive:
                    offset = member.offset
                    if member.isreg():
                        yield member.name, partial(_content, archive, member)
                    archive.members = []  # type: ignore[attr-defined]  # else it keeps the headers of all files
        except tarfile.TarError as error:
            raise BrokenArchiveError(_broken(offset, error)) from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member)
    assert content is not None
    try:
        return content.read()
    except tarfile.TarError as error:
        raise BrokenArchiveError(_broken(member.offset, error)) from error


def _broken(offset: int, error: Exception) -> str:
    return f"can't be read from byte {offset:,} on: {str(error) or type(error).__name__}"


def _type(name: str) -> pa.DataType:
    if name in _NUMBERS:
        return pa.int64()
    return pa.string() if name in _TEXTS else pa.binary()


def _value(name: str, content: Any) -> Any:
    if content is None or name == "__key__" or name not in _NUMBERS | _TEXTS:
        return content
    try:
        return int(content) if name in _NUMBERS else content.decode()
    except ValueError as error:
        raise DecodeError(f"column {name}: {error}") from error


def _failed(sample: dict[str, Any], error: RowError) -> dict[str, Any]:
    return {**sample, READ_ERROR: {"type": type(error).__name__, "message": str(error)}}


def _table(samples: list[dict[str, Any]], columns: Sequence[str]) -> pa.Table:
    kinds = {**{name: _type(name) for name in columns}, READ_ERROR: READ_ERROR_TYPE}
    values = {
        name: pa.array([sample.get(name) for sample in samples], kind)
        for name, kind in kinds.items()
    }
    return pa.table(values)
