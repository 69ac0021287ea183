"""What each column of scores means, and which of its ends is the suspicious one; for the footers.

A direction belongs to loss and metric together. A large gradient of the pseudo-label loss is a sign
of an uncertain, unusual sample (Oberdiek et al. 2018), of the uniform loss one of a usual sample
(GradNorm, Huang et al. 2021). The tables of losses and of forward-only scores hold the directions;
where one isn't known it is None, to be fitted on rows of both kinds, never guessed.
"""

from collections.abc import Mapping, Sequence

from raygrad.confidence import CONFIDENCE, LAST_LAYER, Score
from raygrad.directions import IN, OUT
from raygrad.losses import LOSSES
from raygrad.table import schema

__all__ = ["IN", "OUT", "STATISTICS", "definitions"]

STATISTICS: dict[str, tuple[str, bool]] = {
    "max": ("largest entry of the gradient", False),
    "min": ("smallest entry of the gradient", False),
    "mean": ("mean of the gradient's entries", False),
    "std": ("standard deviation of the gradient's entries", True),
}
"""Text, and whether it is a size: of signed statistics no direction is known. p-norms are sizes."""


def definitions(
    loss: str,
    metrics: Mapping[str, Sequence[str]],
    *,
    temperature: float = 1.0,
    last_layer: str | None = None,
) -> dict[str, dict[str, str | None]]:
    """Defines each column of scores.

    Args:
        loss: Name of the job's loss, or the import path of the user's own.
        metrics: The spec's metrics by target.
        temperature: What the logits are divided by before the loss, and in the last layer's scores.
        last_layer: The spec's last layer, if it names one.

    Returns:
        By column: ``definition``, ``high`` (what high values mean, None where that isn't known),
        and for gradient metrics ``loss``, ``target`` and ``metric``.
    """
    found = _forward(CONFIDENCE, "")
    warm = "" if temperature == 1 else f"; softmax temperature {temperature:g}"
    if last_layer is not None:
        found |= _forward(LAST_LAYER, f"; last layer {last_layer}{warm}")
    known = LOSSES.get(loss)
    approximate = known is not None and known.over_labels
    expected = "; expectation over the most probable labels, approximate" if approximate else ""
    for target, names in metrics.items():
        for name in names:
            text, is_size = STATISTICS.get(name, (f"p-norm of the gradient, p = {name[1:]}", True))
            found[schema.metric_column(target, name)] = {
                "definition": text + expected + warm,
                "high": known.large if known and is_size else None,
                "loss": loss,
                "target": target,
                "metric": name,
            }
    return found


def _forward(table: Mapping[str, Score], more: str) -> dict[str, dict[str, str | None]]:
    return {
        name: {"definition": score.definition + more, "high": score.high}
        for name, score in table.items()
    }
