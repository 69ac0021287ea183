"""The manifests that raygrad carries: a kustomize base, and overlays that patch its RayJob."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from raygrad.k8s.patch import patched

BASE_NAME = "scoring"
"""The job's name in the base."""

OTHER_NAMES = (f"{BASE_NAME}-spec", f"{BASE_NAME}-nightly")
"""Those of the objects that aren't simply called as the job is."""


def folder() -> Traversable:
    """Where the kustomize files are: in the wheel inside the package, else beside it."""
    package = files("raygrad")
    inside = package / "k8s" / "manifests"
    return inside if inside.is_dir() else package / ".." / "k8s"


def names() -> list[str]:
    """The overlays that there are."""
    return sorted(entry.name for entry in (folder() / "overlays").iterdir() if entry.is_dir())


def objects(overlay: str) -> list[dict[str, Any]]:
    """What ``kubectl kustomize`` makes of an overlay, but for the ConfigMaps that it generates.

    Args:
        overlay: One of :func:`names`.
    """
    base, top = folder() / "base", folder() / "overlays" / overlay
    found = [
        document
        for resource in _read(base / "kustomization.yaml")["resources"]
        for document in yaml.safe_load_all((base / resource).read_text("utf-8"))
    ]
    for patch in _read(top / "kustomization.yaml").get("patches", []):
        operations = _read(top / patch["path"])
        kind = patch["target"]["kind"]
        found = [patched(o, operations) if o["kind"] == kind else o for o in found]
    return found


def _read(path: Traversable) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))
