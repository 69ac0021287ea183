"""Manifests as kubectl makes them of the files in k8s/, once a session."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def kustomized() -> Callable[[str], list[dict[str, Any]]]:
    """What ``kubectl kustomize`` prints for a folder below k8s/; fails where kubectl isn't."""
    made: dict[str, str] = {}

    def run(folder: str) -> list[dict[str, Any]]:
        if folder not in made:
            kubectl = shutil.which("kubectl")
            assert kubectl, "these tests need kubectl: https://kubernetes.io/docs/tasks/tools/"
            command = [kubectl, "kustomize", str(ROOT / "k8s" / folder)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
            made[folder] = result.stdout
        return list(yaml.safe_load_all(made[folder]))

    return run


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., str]:
    """Writes the spec of gpu-prod with some sections replaced, and returns its path."""

    def write(name: str = "job.yaml", **changes: Any) -> str:
        document = yaml.safe_load((ROOT / "k8s" / "overlays" / "gpu-prod" / "job.yaml").read_text())
        document.update(changes)
        path = tmp_path / name
        path.write_text(yaml.safe_dump(document))
        return str(path)

    return write
