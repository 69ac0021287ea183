"""A run of rows of one file, the piece that units are made of."""

from typing import NamedTuple


class Segment(NamedTuple):
    """Rows ``first_row`` to ``first_row + rows`` of a file.

    An open-ended segment has None for ``rows``: it goes to the file's end, wherever that is.
    """

    format: str
    uri: str
    size: int
    version: str
    first_row: int
    rows: int | None

    @property
    def end(self) -> int:
        """The row after the last one, of a segment that isn't open-ended."""
        assert self.rows is not None
        return self.first_row + self.rows
