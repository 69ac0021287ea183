"""Axes of scores: where a value lies between the ends, linear or logarithmic, and the ticks.

Logarithms are taken of the distance from an origin on one side: x for sizes, -x for scores that are
all negative, 1 - x for probabilities close to 1, whose ticks then are 0.9, 0.99, 0.999.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

LEFT_OUT = 0.001
"""The share of rows beyond each end of an axis; they are drawn at the end."""

SKEWED = 0.6
"""Robust skewness from which a logarithm is tried; 0 is symmetric, 1 is all on one side."""

SMALLEST = {0: 1e-30, 1: 1e-6}
"""Distances below count as this; 1 - x of float32 comes in steps of 6e-8, so bars would gape."""

MOST_TICKS = 6

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Scale:
    """An axis.

    Attributes:
        low: Left end, on the axis' own measure (see ``measure``).
        high: Right end.
        sign: 0 linear; 1 logarithm of x - origin; -1 minus the logarithm of origin - x.
        origin: 0 or 1.
    """

    low: float
    high: float
    sign: int = 0
    origin: int = 0

    def measure(self, values: Array) -> Array:
        """What the axis is linear in; grows with the values."""
        return _measure(values, self.sign, self.origin)

    def place(self, values: Any) -> Array:
        """From 0 at the left end to 1 at the right one; values beyond are at the ends."""
        measured = self.measure(np.asarray(values, np.float64))
        return np.clip((measured - self.low) / (self.high - self.low), 0, 1)

    def value(self, place: float) -> float:
        """The value at a place, the inverse of ``place``."""
        measured = self.low + place * (self.high - self.low)
        if not self.sign:
            return measured
        return float(self.origin + self.sign * 10.0 ** (self.sign * measured))

    def ticks(self) -> list[tuple[float, str]]:
        """Place and text of each tick."""
        values = self._round_values()
        return [(float(self.place(value)), _text(value, self.origin)) for value in values]

    @property
    def name(self) -> str:
        """For descriptions."""
        return "logarithmic" if self.sign else "linear"

    def _round_values(self) -> list[float]:
        if not self.sign:
            return _steps(self.low, self.high)
        exponents = sorted((self.sign * self.low, self.sign * self.high))
        whole = range(math.ceil(exponents[0] - 1e-9), math.floor(exponents[1] + 1e-9) + 1)
        if len(whole) >= 3:
            sizes = [10.0**k for k in whole[:: math.ceil(len(whole) / MOST_TICKS)]]
        else:
            around = range(math.floor(exponents[0]), math.ceil(exponents[1]) + 1)
            sizes = [m * 10.0**k for k in around for m in (1, 2, 5)]
        inside = [s for s in sizes if exponents[0] - 1e-9 <= math.log10(s) <= exponents[1] + 1e-9]
        return [self.origin + self.sign * size for size in inside]


def scale_for(sample: Array) -> Scale:
    """An axis for a sample of scores: without outliers, logarithmic where they are skewed.

    Args:
        sample: Any finite scores of all sets together; may be empty.
    """
    values = sample.astype(np.float64)
    if not len(values):
        return Scale(0, 1)
    candidates = [(0, 0)]
    if values.min() >= 0 and np.mean(values == 0) < 0.01:
        candidates.append((1, 0))
    if values.max() <= 0 and np.mean(values == 0) < 0.01:
        candidates.append((-1, 0))
    if values.min() >= 0 and values.max() <= 1:
        candidates.append((-1, 1))
    if abs(_skewness(values)) < SKEWED:
        candidates = candidates[:1]
    sign, origin = min(candidates, key=lambda c: abs(_skewness(_measure(values, *c))))
    low, high = np.quantile(_measure(values, sign, origin), [LEFT_OUT, 1 - LEFT_OUT])
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-30):
        room = 0.5 if sign else max(abs(low), 1.0) / 2
        low, high = low - room, high + room
    return Scale(float(low), float(high), sign, origin)


def _measure(values: Array, sign: int, origin: int) -> Array:
    if not sign:
        return values
    measured: Array = sign * np.log10(np.maximum(sign * (values - origin), SMALLEST[origin]))
    return measured


def _skewness(values: Array) -> float:
    low, middle, high = np.quantile(values, [0.01, 0.5, 0.99])
    return float((low + high - 2 * middle) / (high - low)) if high > low else 0.0


def _steps(low: float, high: float) -> list[float]:
    rough = (high - low) / (MOST_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _text(value: float, origin: int) -> str:
    if origin and value > 0.9999:
        return f"1\N{MINUS SIGN}{_power(1 - value)}"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        return ("\N{MINUS SIGN}" if value < 0 else "") + _power(abs(value))
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


def _power(size: float) -> str:
    exponent = math.floor(math.log10(size) + 1e-9)
    factor = size / 10.0**exponent
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}" if abs(factor - 1) < 1e-6 else f"{factor:.3g}·10{digits}"
