"""Scores that a forward pass alone gives: the baselines beside every gradient metric.

``CONFIDENCE`` is the table of the columns that every job writes, from logits of shape (N, C).
``LAST_LAYER`` is that of the columns more where a job names its ``last_layer``, from the layer's
input (N, D), the logits and a temperature. All give shape (N,), and say what high values mean.

Nothing here loads torch before it is called: whoever reads a table needs the names alone.
"""

from raygrad.confidence.energy import ENERGY, energy
from raygrad.confidence.entropy import ENTROPY, entropy
from raygrad.confidence.exgrad import EXGRAD, exgrad
from raygrad.confidence.gen import GEN, gen
from raygrad.confidence.gradnorm import (
    FEATURE_L1,
    GRADNORM,
    GRADNORM_OUTPUT,
    feature_l1,
    gradnorm,
    gradnorm_output,
)
from raygrad.confidence.margin import MARGIN, margin
from raygrad.confidence.max_logit import MAX_LOGIT, max_logit
from raygrad.confidence.msp import MSP, msp
from raygrad.confidence.score import Score

__all__ = [
    "CONFIDENCE",
    "LAST_LAYER",
    "Score",
    "energy",
    "entropy",
    "exgrad",
    "feature_l1",
    "gen",
    "gradnorm",
    "gradnorm_output",
    "margin",
    "max_logit",
    "msp",
]

CONFIDENCE: dict[str, Score] = {
    "msp": MSP,
    "max_logit": MAX_LOGIT,
    "energy": ENERGY,
    "entropy": ENTROPY,
    "margin": MARGIN,
    "gen": GEN,
}

LAST_LAYER: dict[str, Score] = {
    "gradnorm": GRADNORM,
    "feature_l1": FEATURE_L1,
    "gradnorm_output": GRADNORM_OUTPUT,
    "exgrad": EXGRAD,
}
