"""Per-sample gradient metrics for uncertainty and out-of-distribution detection.

Importing this package loads neither torch nor ray: public names are resolved on first use.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from raygrad.collector import GradientMetricCollector

__all__ = ["GradientMetricCollector", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "GradientMetricCollector":
        from raygrad.collector import GradientMetricCollector

        return GradientMetricCollector
    raise AttributeError(f"module 'raygrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
