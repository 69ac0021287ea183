"""What is kept of one trained network: its scores of all images, cached below .study/."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.study.images import Labelled
from benchmarks.study.nets import NETS, Classifier
from benchmarks.study.peers import Peers
from benchmarks.study.problems import PROBLEMS, Splits, splits
from benchmarks.study.scoring import features, score
from benchmarks.study.settings import Settings
from benchmarks.study.training import as_inputs, drawn, trained

FOLDER = Path(".study/records")
VERSION = 1  # raise it when networks, images or scores of a record change
KNOWN = "known"


@dataclass(frozen=True)
class Group:
    """Images of one kind, scored by one network.

    Args:
        split: "validation" or "test".
        distance: "known", "near" or "far".
        name: What the images show.
        labels: int64, shape (N,); -1 where unknown.
        logits: float32, shape (N, classes).
        features: float32, shape (N, features).
        gradients: By "loss layer metric", shape (N,).
        peers: Scores of pytorch-ood by name, shape (N,), large means unknown.
    """

    split: str
    distance: str
    name: str
    labels: np.ndarray
    logits: np.ndarray
    features: np.ndarray
    gradients: dict[str, np.ndarray]
    peers: dict[str, np.ndarray]


@dataclass(frozen=True)
class Record:
    """All groups of one trained network."""

    problem: str
    net: str
    seed: int
    groups: list[Group]

    def known(self, split: str) -> Group:
        """The in-distribution images of a split."""
        return next(g for g in self.groups if (g.split, g.distance) == (split, KNOWN))

    def unknown(self, split: str, distance: str) -> list[Group]:
        """The out-of-distribution images of a split, near or far."""
        return [g for g in self.groups if (g.split, g.distance) == (split, distance)]

    @property
    def accuracy(self) -> float:
        """Share of known test images that are classified right."""
        group = self.known("test")
        return float((group.logits.argmax(1) == group.labels).mean())


def record(problem: str, net: str, seed: int, settings: Settings, cached: bool = True) -> Record:
    """Trains and scores a network, or takes both from the cache.

    Args:
        problem: A key of ``PROBLEMS``.
        net: A key of ``NETS``.
        seed: See ``training.trained``.
        settings: Sizes, which belong to the cached file's name.
        cached: Whether a file that is there is taken.
    """
    sizes = f"{settings.train}x{settings.epochs}-{settings.validation}-{settings.test}"
    name = f"{problem.replace(' ', '_')}-{net}-{seed}-{sizes}-{settings.unknown}-v{VERSION}"
    file, weights = FOLDER / f"{name}.scores.pt", FOLDER / f"{name}.weights.pt"
    if cached and file.exists():
        return torch.load(file, weights_only=False)  # our own file
    dealt = splits(PROBLEMS[problem], settings)
    classes = len(PROBLEMS[problem].known)
    draw = drawn(dealt.train, seed, settings)
    inputs, labels = as_inputs(draw.images, dealt.train.images), torch.from_numpy(draw.labels)
    if cached and weights.exists():
        model = NETS[net](classes).eval()
        model.load_state_dict(torch.load(weights))
    else:
        model = trained(net, inputs, labels, classes=classes, seed=seed, epochs=settings.epochs)
        FOLDER.mkdir(parents=True, exist_ok=True)
        _save(model.state_dict(), weights)
    peers = Peers(model, features(model, inputs), draw.labels, settings.neighbours)
    found = Record(problem, net, seed, _groups(model, peers, dealt))
    _save(found, file)
    return found


def _save(value: object, path: Path) -> None:
    """Writes a file that is there whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    partial.rename(path)


def _groups(model: Classifier, peers: Peers, dealt: Splits) -> list[Group]:
    wanted: list[tuple[str, str, str, Labelled]] = [
        ("validation", KNOWN, "known", dealt.validation),
        ("test", KNOWN, "known", dealt.test),
    ]
    for split, kinds in (
        ("validation", dealt.validation_unknown),
        ("test", dealt.test_unknown),
    ):
        for (distance, name), images in kinds.items():
            wanted.append((split, distance, name, Labelled(images, np.full(len(images), -1))))
    groups = []
    for split, distance, name, (images, labels) in wanted:
        scored = score(model, as_inputs(images, dealt.train.images))
        theirs = peers(scored.logits, scored.features)
        groups.append(Group(split, distance, name, labels, *vars(scored).values(), theirs))
    return groups
