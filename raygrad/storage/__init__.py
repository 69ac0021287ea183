"""Storage by path or URI, through fsspec: the one place that lists, reads and publishes.

Local paths go to the disk as they are. On any other store each operation is repeated while the
store throttles, stalls or breaks off, see :mod:`raygrad.storage.retries`.
"""

from raygrad.storage.access import reach, reach_for_writing
from raygrad.storage.files import open_read, read_bytes
from raygrad.storage.find import each_below, each_file, list_files, names_below, taken
from raygrad.storage.listing import Listing, StoredFile
from raygrad.storage.location import absolute, filesystem, is_local, join, protocol, store, within
from raygrad.storage.node import on_this_node
from raygrad.storage.options import configure, unknown_options
from raygrad.storage.publish import create_only, publish

__all__ = [
    "Listing",
    "StoredFile",
    "absolute",
    "configure",
    "create_only",
    "each_below",
    "each_file",
    "filesystem",
    "is_local",
    "join",
    "list_files",
    "names_below",
    "on_this_node",
    "open_read",
    "protocol",
    "publish",
    "reach",
    "reach_for_writing",
    "read_bytes",
    "store",
    "taken",
    "unknown_options",
    "within",
]
