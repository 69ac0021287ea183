"""The wheel carries the report's templates."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_wheel_carries_the_templates(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("raygrad-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    ours = list((ROOT / "raygrad/ood/report/templates").iterdir())
    assert len(ours) > 10
    assert {path.relative_to(ROOT).as_posix() for path in ours} <= carried
