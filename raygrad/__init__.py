"""Per-sample gradient metrics for uncertainty and out-of-distribution detection.

Importing this package loads neither torch nor ray: public names are resolved on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from raygrad.collector import GradientMetricCollector, explain
    from raygrad.persample.check import check

__all__ = ["GradientMetricCollector", "__version__", "check", "explain"]

_HOME = {
    "GradientMetricCollector": "raygrad.collector",
    "check": "raygrad.persample.check",
    "explain": "raygrad.collector",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'raygrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
