"""Lists of paths: those of a spec, and text files that name one path or URI a line."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from raygrad.storage import Listing, StoredFile, each_file, is_local, list_files, read_bytes

MARK = "@"
"""A path with this before it names a manifest."""

LISTERS = 32
"""Lines of an object store are looked up by so many threads: the wait is for the network."""

LINES_AT_ONCE = 1000


def expand(path: str) -> list[str]:
    """The lines of a manifest, without empty ones and those that begin with ``#``; or the path.

    Raises:
        FileNotFoundError: If there is no such manifest.
        ValueError: If it isn't UTF-8, or names nothing.
    """
    if not path.startswith(MARK):
        return [path]
    text = read_bytes(path.removeprefix(MARK)).decode("utf-8-sig")
    lines = [line.strip() for line in text.splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    if not named:
        raise ValueError("it names no file")
    return named


def list_all(paths: Sequence[str], suffixes: tuple[str, ...] = ("",)) -> tuple[Listing, list[str]]:
    """Lists what many paths, globs or folders stand for, see :func:`raygrad.storage.list_files`.

    Returns:
        The files, and the paths that match nothing.
    """
    nowhere: list[str] = []

    def found() -> Iterator[StoredFile]:
        for path, files in zip(paths, _listed(paths, suffixes), strict=True):
            try:
                yield from files()
            except FileNotFoundError:
                nowhere.append(path)

    return Listing.of(found()), nowhere


def _listed(
    paths: Sequence[str], suffixes: tuple[str, ...]
) -> Iterator[Callable[[], Iterable[StoredFile]]]:
    """For each path what gives its files, in pieces unless many paths are looked up at once."""
    if len(paths) == 1 or is_local(paths[0]):
        yield from (partial(each_file, path, suffixes) for path in paths)
        return
    with ThreadPoolExecutor(LISTERS) as pool:
        for some in _chunks(paths, LINES_AT_ONCE):
            for future in [pool.submit(list_files, path, suffixes) for path in some]:
                yield future.result


def _chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
