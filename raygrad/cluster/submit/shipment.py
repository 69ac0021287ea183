"""What travels to the cluster with a job: the spec, the user's code and packages."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import raygrad
from raygrad import storage
from raygrad.errors import Fault, SpecError
from raygrad.factories import huggingface

EXCLUDES = (
    *(".git", ".venv", "__pycache__"),
    *("*.pt", "*.pth", "*.ckpt", "*.bin", "*.safetensors", "*.parquet"),
)
"""Never shipped: checkpoints and data are read from where the spec says, by each node."""

STOP_SECONDS = 600
"""How long a stopped job may take to finish the units in flight; Ray's own default is 3 s."""

_SCHEMES = re.compile(r"[a-z][a-z0-9+.-]*://")


@dataclass(frozen=True)
class Shipment:
    """A working directory with the spec in it, and what the job needs beside.

    Attributes:
        spec: Path of the spec, within the working directory.
        working_dir: The folder that is sent; code is imported from it.
        modules: More Python packages or modules, by path.
        excludes: Patterns, as in .gitignore, of what stays here, beside :data:`EXCLUDES`.
        pip: Requirements that pip installs on each node, or the path of a file of them.
        uv: The same, installed by uv.
        with_raygrad: Whether raygrad itself is sent. As a folder: a wheel would have Ray install
            all dependencies of it, torch included, once more.
    """

    spec: str
    working_dir: str = "."
    modules: Sequence[str] = ()
    excludes: Sequence[str] = ()
    pip: Sequence[str] = ()
    uv: Sequence[str] = ()
    with_raygrad: bool = False

    @property
    def spec_there(self) -> str:
        """The spec's path as the job sees it.

        Raises:
            SpecError: If it isn't within the working directory.
        """
        here = Path(self.spec).resolve()
        folder = Path(self.working_dir).resolve()
        if not here.is_relative_to(folder):
            message = f"isn't within {folder}, which is what is sent; set --working-dir"
            raise SpecError([Fault(self.spec, message)], "the job")
        return here.relative_to(folder).as_posix()

    def runtime_env(self) -> dict[str, Any]:
        """The same in Ray's terms."""
        modules = [*self.modules, *([raygrad.__path__[0]] if self.with_raygrad else [])]
        environment: dict[str, Any] = {
            "working_dir": str(Path(self.working_dir).resolve()),
            "excludes": [*EXCLUDES, *self.excludes],
            "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)},
        }
        if modules:
            environment["py_modules"] = [str(Path(module).resolve()) for module in modules]
        for tool, requirements in (("pip", self.pip), ("uv", self.uv)):
            if requirements:
                one_file = len(requirements) == 1 and os.path.exists(requirements[0])
                environment[tool] = requirements[0] if one_file else list(requirements)
        return environment


def placeless(sections: Mapping[str, Any], output: str | None) -> list[Fault]:
    """The paths of a spec that mean another place, or none, on the nodes of a cluster.

    Args:
        sections: As :func:`raygrad.spec.load` gives them.
        output: A table to use instead of the spec's.
    """
    places = [("output", output or sections.get("output"))]
    for index, source in enumerate(sections.get("sources", [])):
        places += [(f"sources[{index}].path", path) for path in source.path]
    if model := sections.get("model"):
        places.append(("model.checkpoint", model.checkpoint))
        places.append(("model.factory", huggingface.folder_of(model.factory)))
    return [
        Fault(
            place,
            f"{path} is relative to this machine's folder; use a URI such as s3://bucket/..., or "
            "an absolute path that every node of the cluster sees",
        )
        for place, path in places
        if path and not _SCHEMES.match(path.removeprefix("@")) and not _absolute(path)
    ]


def _absolute(path: str) -> bool:
    return os.path.isabs(path.removeprefix("@")) and storage.is_local(path.removeprefix("@"))
