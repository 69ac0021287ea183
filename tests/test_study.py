"""The study: the whole way in little, and that validation and test stay apart."""

import csv
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks.study.measures import over_seeds
from benchmarks.study.peers import FITTED, SHARED
from benchmarks.study.problems import PROBLEMS, splits
from benchmarks.study.scores import ROWS
from benchmarks.study.settings import PRIMARY, QUICK

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a quick run, made as a user makes it."""
    folder = tmp_path_factory.mktemp("study")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.study", "--quick", "--output", "page.md"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("written to page.md\n")
    return folder / "page.md"


def table(page: Path, heading: str) -> Mapping[str, list[str]]:
    """The first table below a heading: cells by the first one of their row."""
    below = page.read_text().split(f"{heading}\n", 1)[1]
    lines = below[below.index("\n|") :].strip().split("\n\n")[0].splitlines()
    rows = [line.strip("|").split("|") for line in lines]
    return {row[0]: row[1:] for row in rows}


def test_quick_page_has_a_row_for_every_score(page: Path) -> None:
    titles = {title for family in ROWS.values() for title in family.values()}
    areas = table(page, "## AUROC")
    assert titles <= set(areas)
    for title in titles:
        means = [float(cell.strip("*").split(" ")[0]) for cell in areas[title]]
        assert len(means) == 4
        assert all(0 <= mean <= 100 for mean in means)
    assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_quick_page_measures_better_than_chance(page: Path) -> None:
    """Networks that learned nothing, or signs that are turned, don't pass."""
    with page.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    for score in ("msp", "entropy", PRIMARY):
        found = [float(row["auroc"]) for row in rows if row["score"] == score]
        assert len(found) == 2 * 2 * 3  # networks, seeds, kinds
        assert np.mean(found) > 0.6


def test_quick_page_agrees_with_pytorch_ood(page: Path) -> None:
    found = table(page, "## Agreement with pytorch-ood")
    assert set(SHARED) <= set(found)
    assert float(found[PRIMARY][2]) < 1e-4
    assert float(found["gen"][2]) < 1e-4
    for name in SHARED:
        both, ours, theirs = map(float, found[name][1:])
        # pytorch-ood clips probabilities at 1e-7, and with them the entropy of confident samples
        assert ours < (0.5 if name == "entropy" else 1e-4)
        if name != "entropy":
            assert both < 1e-4
            assert theirs < 1e-4


def test_validation_and_test_share_no_image() -> None:
    dealt = splits(PROBLEMS["few digits"], QUICK)
    groups = [
        dealt.train.images,
        dealt.validation.images,
        dealt.test.images,
        *dealt.validation_unknown.values(),
        *dealt.test_unknown.values(),
    ]
    seen = [{image.tobytes() for image in images} for images in groups]
    for first, one in enumerate(seen):
        for other in seen[first + 1 :]:
            assert not one & other


def test_known_labels_count_from_zero_without_the_unknown_classes() -> None:
    problem = PROBLEMS["few digits"]
    dealt = splits(problem, QUICK)
    assert problem.known == [0, 1, 2, 3, 4, 5, 6]
    assert set(dealt.test.labels) == set(range(7))


def test_interval_over_seeds_is_the_t_interval() -> None:
    found = over_seeds([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half == pytest.approx(4.302653 / np.sqrt(3), rel=1e-5)  # t table, 2 degrees
    assert np.isnan(over_seeds([1.0]).half)


def test_every_peer_is_a_row() -> None:
    assert set(FITTED) < set(ROWS["pytorch-ood"])
