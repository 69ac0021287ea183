"""How numbers are written on the page."""

import math

MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"


def percent(share: float, digits: int = 1) -> str:
    """A share from 0 to 1, as 97.0 %."""
    return f"{share:.{digits}%}".replace("%", f"{NO_BREAK}%")


def count(number: int) -> str:
    """A whole number with commas."""
    return f"{number:,}"


def short(value: float | None) -> str:
    """A score to four digits."""
    if value is None or math.isnan(value):
        return "NaN" if value is not None else "none"
    return f"{value:.4g}".replace("-", MINUS)


def fixed(value: float, digits: int = 3) -> str:
    """A measure with as many decimals as its neighbours; what rounds to zero has no sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS)


def size(number: float) -> str:
    """Bytes, as 1.2 MB."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} bytes" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
