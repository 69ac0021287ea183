"""The wheel carries the manifests, and renders from them as the checkout does."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRINT_RENDERED = """
import sys
from raygrad.k8s import overlay
from raygrad.k8s.render import Settings, render
print(overlay.folder(), file=sys.stderr)
settings = Settings(overlay="gpu-prod", image="r/i:1", name="photos", schedule="@daily")
print(render(sys.argv[1], settings), end="")
"""


def rendered_by(place: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {place!r})\n{PRINT_RENDERED}"
    command = [sys.executable, "-c", code, str(ROOT / "k8s/base/job.yaml")]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)


def test_wheel_carries_the_manifests(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("raygrad-*.whl")
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    carried = unpacked / "raygrad" / "k8s" / "manifests"
    files = {path.relative_to(ROOT / "k8s") for path in (ROOT / "k8s").rglob("*") if path.is_file()}
    assert {path.relative_to(carried) for path in carried.rglob("*") if path.is_file()} == files
    ours, theirs = rendered_by(str(ROOT)), rendered_by(str(unpacked))
    assert theirs.stderr.strip() == str(carried)
    assert ours.stderr.strip() != theirs.stderr.strip()
    assert ours.stdout == theirs.stdout
