"""What the numbers were measured on."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("torch", "gradient_metrics", "opacus", "backpack-for-pytorch")


def describe() -> dict[str, str]:
    """CPU, threads, versions, date and commit, for the head of the results."""
    return {
        "CPU": _cpu(),
        "threads": str(torch.get_num_threads()),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{package} {_version(package)}" for package in PACKAGES),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": (_git("rev-parse", "--short", "HEAD") or "unknown")
        + (", changed" if _changed() else ""),
    }


def _cpu() -> str:
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    family = f"family {fields.get('cpu family')}, model {fields.get('model')}"
    instructions = "AVX-512" if "avx512f" in fields.get("flags", "") else "AVX2 or less"
    return f"{fields.get('model name', platform.processor())} ({family}, {instructions})"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _changed() -> bool:
    return bool(
        _git("status", "--porcelain", "--untracked-files=no", "--", ":/raygrad", ":/benchmarks")
    )


def _git(*arguments: str) -> str:
    found = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return found.stdout.strip()
