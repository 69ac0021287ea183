"""The study: its measures against scikit-learn and slow loops, and the whole way in little."""

import csv
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import average_precision_score, roc_auc_score

import raygrad.confidence
from benchmarks.study.measures import auroc, detection, failure, over_seeds
from benchmarks.study.peers import FITTED, SHARED
from benchmarks.study.problems import PROBLEMS, splits
from benchmarks.study.scores import ROWS
from benchmarks.study.settings import PRIMARY, QUICK

ROOT = Path(__file__).parents[1]


def few_values(rows: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Scores of which many are tied."""
    return np.random.default_rng(seed).normal(shift, size=rows).round(1)


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
    titles = {
        title
        for family, names in ROWS.items()
        for name, title in names.items()
        if family != "forward only" or hasattr(raygrad.confidence, name)
    }
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


def test_auroc_equals_scikit_learn_with_ties() -> None:
    known, unknown = few_values(200, 0), few_values(150, 1, 0.7)
    labels = np.repeat([0, 1], [200, 150])
    expected = roc_auc_score(labels, np.concatenate([known, unknown]))
    assert auroc(known, unknown).mean == pytest.approx(expected, abs=1e-12)


def test_delong_interval_is_near_the_bootstrap() -> None:
    known, unknown = few_values(200, 0), few_values(150, 1, 0.7)

    def area(a: np.ndarray, b: np.ndarray) -> float:
        return float((a[:, None] < b).mean() + (a[:, None] == b).mean() / 2)

    found = bootstrap(
        (known, unknown), area, vectorized=False, n_resamples=500, method="basic", rng=0
    )
    half = (found.confidence_interval.high - found.confidence_interval.low) / 2
    assert auroc(known, unknown).half == pytest.approx(half, rel=0.15)


def test_detection_equals_scikit_learn_and_a_slow_search() -> None:
    known, unknown = few_values(200, 2), few_values(100, 3, 0.7)
    found = detection(known, unknown)
    labels, values = np.repeat([0, 1], [200, 100]), np.concatenate([known, unknown])
    assert found.aupr_out == pytest.approx(average_precision_score(labels, values))
    assert found.aupr_in == pytest.approx(average_precision_score(1 - labels, -values))
    # of all thresholds that keep 95 % of the known, the one that keeps fewest unknown
    kept = min((unknown <= t).mean() for t in values if (known <= t).mean() >= 0.95)
    assert found.unknown_kept == pytest.approx(kept)
    lost = min((known >= t).mean() for t in values if (unknown >= t).mean() >= 0.95)
    assert found.known_lost == pytest.approx(lost)


def test_aurc_of_ties_is_the_mean_over_their_orders() -> None:
    values = np.array([0.0, 1.0, 1.0, 2.0])
    wrong = np.array([False, True, False, True])
    # risks 0, then 1/2 or 0, then 1/3, then 1/2
    assert failure(values, wrong).aurc == pytest.approx((0 + 0.25 + 1 / 3 + 0.5) / 4)
    assert failure(values, wrong).auroc == pytest.approx(roc_auc_score(wrong, values))


def test_interval_over_seeds_is_the_t_interval() -> None:
    found = over_seeds([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half == pytest.approx(4.302653 / np.sqrt(3), rel=1e-5)  # t table, 2 degrees
    assert np.isnan(over_seeds([1.0]).half)


def test_every_peer_is_a_row() -> None:
    assert set(FITTED) < set(ROWS["pytorch-ood"])
