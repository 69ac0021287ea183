"""Losses from logits, one a sample, whose gradients keep their digits for confident samples.

``LOSSES`` is the table that specs name them by. Nothing here loads torch before it is called:
whoever reads a spec needs the names alone.
"""

from raygrad.losses.confounding import CONFOUNDING, confounding_label_cross_entropy
from raygrad.losses.exgrad import EXGRAD, likely_label_cross_entropies
from raygrad.losses.loss import Loss
from raygrad.losses.pseudo_label import PSEUDO_LABEL, pseudo_label_cross_entropy
from raygrad.losses.target import TARGET, target_cross_entropy
from raygrad.losses.uniform import UNIFORM, uniform_cross_entropy

__all__ = [
    "LOSSES",
    "Loss",
    "confounding_label_cross_entropy",
    "likely_label_cross_entropies",
    "pseudo_label_cross_entropy",
    "target_cross_entropy",
    "uniform_cross_entropy",
]

LOSSES: dict[str, Loss] = {
    "pseudo_label": PSEUDO_LABEL,
    "uniform": UNIFORM,
    "confounding": CONFOUNDING,
    "target": TARGET,
    "exgrad": EXGRAD,
}
