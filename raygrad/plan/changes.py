"""What became of the plan's files since it was made, and which files it doesn't know yet."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow.compute as pc

from raygrad.errors import PlanError
from raygrad.plan.cut import Group
from raygrad.storage.listing import AT_ONCE
from raygrad.table.units import Units


def new_files(units: Units, groups: Sequence[Group]) -> list[Group]:
    """The listed files that no unit has yet, by group.

    Raises:
        PlanError: If a file that has units is now listed for another partition.
    """
    partitions, uris = units.segments["partition"], units.segments["uri"]
    fresh: list[Group] = []
    moved: list[str] = []
    for group in groups:
        places = group.files.positions(uris)
        listed = np.flatnonzero(places >= 0)
        own = pc.equal(partitions, group.partition).to_numpy()[listed]
        known = np.zeros(len(group.files), bool)
        known[places[listed[own]]] = True
        for segment in listed[~known[places[listed]]]:
            before = partitions[segment].as_py() or "none"
            moved.append(f"  {uris[segment]} from {before} to {group.partition or 'none'}")
        fresh.append(group._replace(files=group.files.filter(~known)))
    if moved:
        raise PlanError(
            "files that the table has already are listed for another partition:\n"
            + "\n".join(dict.fromkeys(moved))
            + "\nrestore the sources' constants, or use another output"
        )
    return [group for group in fresh if len(group.files)]


def changed_files(units: Units, groups: Sequence[Group]) -> dict[str, str]:
    """What became of the files of some units since the plan was made.

    Returns:
        "is gone" or "has changed", by the file's URI; nothing for those that are as they were.
    """
    found: dict[str, str] = {}
    for first in range(0, len(units.segments), AT_ONCE):
        segments = units.segments.slice(first, AT_ONCE)
        gone, changed = np.ones(len(segments), bool), np.zeros(len(segments), bool)
        for group in groups:
            places = group.files.positions(segments["uri"])
            there = places >= 0
            then, now = segments.filter(there), group.files.table.take(places[there])
            for name in ("size", "version"):
                changed[there] |= pc.not_equal(then[name], now[name]).to_numpy()
            gone &= ~there
        for place in np.flatnonzero(gone | changed):
            found[segments["uri"][place].as_py()] = "is gone" if gone[place] else "has changed"
    return found


def concerning(units: Units, changes: Mapping[str, str]) -> dict[str, str]:
    """Those of some changes, as :func:`changed_files` gives them, that units are read from."""
    own = units.filter(units.read_from(changes))
    uris = (segment.uri for unit in own for segment in unit.segments)
    return {uri: changes[uri] for uri in uris if uri in changes}


def refuse_changes(
    units: Units,
    changes: Mapping[str, str],
    cure: str = "restore them, or use another output",
) -> None:
    """Refuses to go on if a file of units that are to be read is no longer what the plan saw.

    Raises:
        PlanError: Naming each such file.
    """
    if complaints := concerning(units, changes):
        raise PlanError(
            "sources are not what the table's plan was made from:\n"
            + "\n".join(f"  {uri} {what}" for uri, what in complaints.items())
            + f"\n{cure}"
        )
