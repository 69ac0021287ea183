"""Scores images with raygrad: one forward, and a backward for each loss."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.study.nets import Classifier
from raygrad import GradientMetricCollector
from raygrad.losses import LOSSES
from raygrad.metrics import PNorm, metric_by_name

BATCH = 256
# the mean is left out: no paper gives it a direction
METRIC_NAMES = ("l1", "l2", "max", "min", "std")
LOSS_NAMES = ("pseudo_label", "uniform")
GRADNORM = "uniform fc.weight l1"  # the paper's, without the bias


@dataclass(frozen=True)
class Scored:
    """What a network says about N images.

    Args:
        logits: float32, shape (N, classes).
        features: float32, shape (N, features): what the last layer takes.
        gradients: By "loss layer metric", each float32 of shape (N,).
    """

    logits: np.ndarray
    features: np.ndarray
    gradients: dict[str, np.ndarray]


def score(model: Classifier, inputs: Tensor) -> Scored:
    """All gradient metrics of all layers, for both losses."""
    columns = {
        f"{layer} {name}": metric_by_name(name, module)
        for layer, module in model.layers().items()
        for name in METRIC_NAMES
    }
    columns["fc.weight l1"] = PNorm(model.fc.weight, p=1)
    collector = GradientMetricCollector(list(columns.values()), on_interaction="raise")
    logits, features, gradients = [], [], []
    for batch in inputs.split(BATCH):
        inner = model.body(batch)
        out = model.fc(inner)
        gradients.append(
            torch.cat([collector(LOSSES[loss](out), retain_graph=True) for loss in LOSS_NAMES], 1)
        )
        logits.append(out.detach())
        features.append(inner.detach())
    names = [f"{loss} {column}" for loss in LOSS_NAMES for column in columns]
    values = torch.cat(gradients).numpy().T
    return Scored(
        torch.cat(logits).numpy(),
        torch.cat(features).numpy(),
        dict(zip(names, values, strict=True)),
    )


@torch.no_grad()
def features(model: Classifier, inputs: Tensor) -> np.ndarray:
    """What the last layer takes, float32, shape (N, features)."""
    return torch.cat([model.body(batch) for batch in inputs.split(BATCH)]).numpy()
