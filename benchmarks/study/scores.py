"""Every score of a network's images, turned so that large values mean unknown."""

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.study.record import KNOWN, Group, Record
from benchmarks.study.scoring import GRADNORM
from benchmarks.study.settings import PRIMARY
from raygrad.confidence import CONFIDENCE, LAST_LAYER
from raygrad.directions import IN, OUT
from raygrad.losses import LOSSES

CHOSEN = "chosen on validation"
LOGISTIC = "logistic"
# a largest entry goes with the norms, the smallest one is negative
METRIC_SIGNS = {"l1": 1, "l2": 1, "max": 1, "std": 1, "min": -1}

# the rows of the tables, by family, with what they are called there
ROWS: dict[str, dict[str, str]] = {
    "forward only": {
        "msp": "maximum softmax probability (MSP)",
        "max_logit": "max logit",
        "energy": "energy",
        "entropy": "entropy",
        "margin": "margin",
        "gen": "GEN",
        "feature_l1": "GradNorm's factor of features",
        "gradnorm_output": "GradNorm's factor of outputs",
        "exgrad": "ExGrad",
    },
    "gradient": {
        PRIMARY: "**pseudo-label, last layer, L1**",
        "pseudo_label all l1": "pseudo-label, whole model, L1",
        "pseudo_label all l2": "pseudo-label, whole model, L2",
        GRADNORM: "GradNorm: uniform, last layer's weight, L1",
        "uniform all l1": "uniform, whole model, L1",
        CHOSEN: "layer and metric chosen on validation",
        LOGISTIC: "logistic on entropy and pseudo-label metrics",
    },
    "pytorch-ood": {
        "KNN": "KNN",
        "ViM": "ViM",
        "RMD": "RMD",
        "ReAct": "ReAct",
        "pytorch-ood GradNorm": "GradNorm of pytorch-ood",
    },
}

Values = Mapping[str, list[np.ndarray]]


def forward_scores(group: Group) -> dict[str, np.ndarray]:
    """The forward-only scores, as raygrad gives them, by their names there."""
    logits, features = torch.from_numpy(group.logits), torch.from_numpy(group.features)
    return {name: score(logits).numpy() for name, score in CONFIDENCE.items()} | {
        name: score(features, logits).numpy() for name, score in LAST_LAYER.items()
    }


def all_values(record: Record) -> Values:
    """All scores but the chosen one: by name, one array a group of the record."""
    values: dict[str, list[np.ndarray]] = {}
    forward = {**CONFIDENCE, **LAST_LAYER}
    for group in record.groups:
        found = {
            name: _sign(forward[name].high) * score for name, score in forward_scores(group).items()
        }
        found |= {name: _gradient_sign(name) * g for name, g in group.gradients.items()}
        found |= {
            name if name in ROWS["pytorch-ood"] else f"pytorch-ood {name}": score
            for name, score in group.peers.items()
        }
        for name, score in found.items():
            values.setdefault(name, []).append(score)
    return {**values, LOGISTIC: _logistic(record)}


def _sign(high: str | None) -> int:
    """What makes large values mean unknown, by what high ones mean in raygrad's tables."""
    return {OUT: 1, IN: -1}[high]


def _gradient_sign(name: str) -> int:
    """The same for a gradient metric, by its "loss layer metric"."""
    loss, _, metric = name.split(" ")
    return _sign(LOSSES[loss].large) * METRIC_SIGNS[metric]


def candidates(record: Record) -> list[str]:
    """The gradient metrics that are chosen from: all layers, both losses."""
    return [name for name in record.groups[0].gradients if "fc.weight" not in name]


def meta_features(group: Group) -> np.ndarray:
    """Logarithms of the entropy, then of all metrics of the pseudo-label loss, (N, columns)."""
    columns = [forward_scores(group)["entropy"]]
    columns += [np.abs(g) for name, g in group.gradients.items() if name.startswith("pseudo_label")]
    return np.log10(np.maximum(np.stack(columns, 1), 1e-30))


def logistic() -> Pipeline:
    """The meta classifier of Oberdiek et al. 2018: standardised inputs, logistic regression."""
    return make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced")
    )


def _logistic(record: Record) -> list[np.ndarray]:
    """Log odds of a meta classifier that is fitted on validation, known against unknown."""
    fitted = [group for group in record.groups if group.split == "validation"]
    inputs = np.concatenate([meta_features(group) for group in fitted])
    unknown = np.concatenate([np.full(len(g.labels), g.distance != KNOWN) for g in fitted])
    model = logistic().fit(inputs, unknown)
    return [model.decision_function(meta_features(group)) for group in record.groups]
