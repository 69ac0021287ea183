"""Every score of a network's images, turned so that large values mean unknown."""

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import raygrad.confidence
from benchmarks.study.record import KNOWN, Group, Record
from benchmarks.study.scoring import GRADNORM
from benchmarks.study.settings import PRIMARY

CHOSEN = "chosen on validation"
LOGISTIC = "logistic"
# by name in raygrad.confidence: the sign that makes large mean unknown
OF_LOGITS = {"msp": -1, "max_logit": -1, "energy": -1, "entropy": 1, "margin": -1, "gen": 1}
OF_LAST_LAYER = {"feature_l1": -1, "gradnorm_output": -1, "gradnorm": -1, "exgrad": 1}
# Large gradients of the pseudo-label loss mean unknown (Oberdiek et al. 2018), large ones of the
# uniform loss known (Huang et al. 2021); the smallest entry is negative.
LOSS_SIGNS = {"pseudo_label": 1, "uniform": -1}
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
        LOGISTIC: "logistic on all pseudo-label metrics",
    },
    "pytorch-ood": {
        "KNN": "KNN",
        "ViM": "ViM",
        "RMD": "RMD",
        "ReAct": "ReAct",
        "pytorch-ood GradNorm": "GradNorm",
    },
}

Values = Mapping[str, list[np.ndarray]]


def forward_scores(group: Group) -> dict[str, np.ndarray]:
    """The forward-only scores, as raygrad gives them, by their names there."""
    logits, features = torch.from_numpy(group.logits), torch.from_numpy(group.features)
    given = dict.fromkeys(OF_LOGITS, (logits,))
    given |= dict.fromkeys(OF_LAST_LAYER, (features, logits))
    return {
        name: getattr(raygrad.confidence, name)(*arguments).numpy()
        for name, arguments in given.items()
        if hasattr(raygrad.confidence, name)
    }


def all_values(record: Record) -> Values:
    """All scores but the chosen one: by name, one array a group of the record."""
    values: dict[str, list[np.ndarray]] = {}
    for group in record.groups:
        signs = OF_LOGITS | OF_LAST_LAYER
        found = {name: signs[name] * score for name, score in forward_scores(group).items()}
        found |= {name: gradient_sign(name) * g for name, g in group.gradients.items()}
        found |= {
            name if name in ROWS["pytorch-ood"] else f"pytorch-ood {name}": score
            for name, score in group.peers.items()
        }
        for name, score in found.items():
            values.setdefault(name, []).append(score)
    return {**values, LOGISTIC: _logistic(record)}


def gradient_sign(name: str) -> int:
    """The sign of a gradient metric, by its "loss layer metric"."""
    loss, _, metric = name.split(" ")
    return LOSS_SIGNS[loss] * METRIC_SIGNS[metric]


def candidates(record: Record) -> list[str]:
    """The gradient metrics that are chosen from: all layers, both losses."""
    return [name for name in record.groups[0].gradients if "fc.weight" not in name]


def gradient_features(group: Group) -> np.ndarray:
    """Logarithms of all metrics of the pseudo-label loss, shape (N, columns)."""
    columns = [np.abs(g) for name, g in group.gradients.items() if name.startswith("pseudo_label")]
    return np.log10(np.maximum(np.stack(columns, 1), 1e-30))


def logistic() -> Pipeline:
    """The meta classifier of Oberdiek et al. 2018: standardised inputs, logistic regression."""
    return make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced")
    )


def _logistic(record: Record) -> list[np.ndarray]:
    """Log odds of a meta classifier that is fitted on validation, known against unknown."""
    fitted = [group for group in record.groups if group.split == "validation"]
    inputs = np.concatenate([gradient_features(group) for group in fitted])
    unknown = np.concatenate([np.full(len(g.labels), g.distance != KNOWN) for g in fitted])
    model = logistic().fit(inputs, unknown)
    return [model.decision_function(gradient_features(group)) for group in record.groups]
