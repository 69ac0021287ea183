"""Where a table's numbers come from: its job, model, versions, files and runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from raygrad import storage
from raygrad.ood.rows import Rows
from raygrad.table import identity, layout
from raygrad.table.status import summaries


@dataclass(frozen=True)
class Provenance:
    """What the files and the table's root say.

    Attributes:
        root: The table's root; None for a copy that ``raygrad export`` made, whose runs and errors
            are told by the table that it came from.
        files: How many files of scores were read.
        size: Their bytes.
        identity: What all rows have in common.
        spec: The job's spec as YAML, without secrets.
        versions: Of the packages that computed the scores.
        check: Largest relative error of samples scored again alone in float64; None if unchecked.
        runs: A summary of each run that ended.
    """

    root: str | None
    files: int
    size: int
    identity: Mapping[str, Any]
    spec: str
    versions: Mapping[str, str]
    check: float | None
    runs: list[dict[str, Any]]

    @property
    def model(self) -> Mapping[str, Any]:
        """Factory, arguments and fingerprint of the model."""
        found: Mapping[str, Any] = self.identity.get("model", {})
        return found


def provenance(rows: Rows) -> Provenance:
    """Reads the footer of the first file, and the runs' summaries."""
    root = _root(rows)
    sizes = {file.uri: file.size for file in storage.each_below(rows.folder)}
    spec = rows.footer.get("spec")
    return Provenance(
        root,
        len(rows.files),
        sum(sizes[name] for name in rows.files),
        rows.footer.get("identity", {}),
        yaml.safe_dump(spec, sort_keys=False, allow_unicode=True) if spec else "",
        rows.footer.get("versions", {}),
        rows.footer.get("check"),
        summaries(root) if root else [],
    )


def _root(rows: Rows) -> str | None:
    """The folder above ``scores/`` that has a table's identity."""
    root, found, _ = f"{rows.folder}/".rpartition(f"/{layout.SCORES}/")
    return root if found and identity.stored(root) is not None else None
