"""Statistics don't depend on how a gradient was cut into tiles."""

import pytest
import torch

from raygrad.persample.convolution import Convolution, Geometry
from raygrad.persample.gradient import TOGETHER, Workspace
from raygrad.persample.outer import OuterSum
from raygrad.persample.reduction import LONGEST_ROW, Scratch, of_rows
from raygrad.persample.statistics import Wanted

SAMPLES = 2 * TOGETHER + 3
EXTREMES = Wanted(low=True, high=True, norms=frozenset({1.0}))
EVERYTHING = Wanted(True, True, True, True, frozenset({1.0, 2.0, 3.0, float("inf")}))


def values(*shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def outer():
    return OuterSum(values(SAMPLES, 2, 5, 12), values(SAMPLES, 2, 5, 7), (2, 12, 7))


def few_positions():
    """So few that the norm comes from Gram products and the rest from tiles."""
    return OuterSum(values(SAMPLES, 1, 2, 24), values(SAMPLES, 1, 2, 30), (24, 30))


def by_taps():
    geometry = Geometry((3, 3), (1, 1), (1, 1), (1, 1), 1)
    return Convolution(
        values(SAMPLES, 1, 48, 6, 6), values(SAMPLES, 1, 4, 6, 6), geometry, (4, 48, 3, 3)
    )


def unfolded():
    geometry = Geometry((3, 3), (2, 2), (1, 1), (1, 1), 1)
    return Convolution(
        values(SAMPLES, 1, 5, 7, 7), values(SAMPLES, 1, 6, 4, 4), geometry, (6, 5, 3, 3)
    )


@pytest.mark.parametrize("tile", [1, 100, 1_000, 5_000, 2**20])
@pytest.mark.parametrize("wanted", [EXTREMES, EVERYTHING], ids=["extremes", "everything"])
@pytest.mark.parametrize("make", [outer, few_positions, by_taps, unfolded])
def test_any_tile_gives_the_same_statistics(make, wanted, tile):
    gradient = make()
    found = gradient.statistics(wanted, Workspace(Scratch(), tile))
    whole = of_rows(gradient.dense(0, SAMPLES).flatten(1), wanted, Scratch())
    assert found.size == whole.size
    for name in ("low", "high", "total", "spread", "norms"):
        torch.testing.assert_close(
            getattr(found, name), getattr(whole, name), rtol=1e-12, atol=1e-12, msg=name
        )


@pytest.mark.parametrize("samples", [1, TOGETHER - 1, TOGETHER, 5 * TOGETHER + 1])
@pytest.mark.parametrize("part", [None, 1, 300, 10_000])
def test_every_sample_is_in_one_chunk(samples, part):
    chunks = Workspace(Scratch(), 1_000).chunks(samples, 5_000, part)
    assert [i for lo, hi in chunks for i in range(lo, hi)] == list(range(samples))
    longest = {None: 1, 1: TOGETHER, 300: 3, 10_000: 1}[part]
    assert max(hi - lo for lo, hi in chunks) == min(samples, longest)


@pytest.mark.parametrize("length", [LONGEST_ROW - 1, 3 * LONGEST_ROW, LONGEST_ROW * 3 + 1, 65_537])
def test_the_squared_norm_of_a_long_row_keeps_its_digits(length):
    """65,537 is prime, so that row can't be cut into equal pieces."""
    rows = values(2, length)
    found = of_rows(rows.float(), Wanted(norms=frozenset({2.0})), Scratch())
    exact = rows.float().double().square().sum(1).sqrt()
    torch.testing.assert_close(found.norms[2.0].double(), exact, rtol=1e-6, atol=0)
