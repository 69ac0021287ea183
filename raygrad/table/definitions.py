"""What each column of scores means, and which of its ends is the suspicious one; for the footers.

A direction belongs to loss and metric together. A large gradient of the pseudo-label loss is a sign
of an uncertain, unusual sample (Oberdiek et al. 2018), of the uniform loss one of a usual sample
(GradNorm, Huang et al. 2021).
"""

from collections.abc import Mapping, Sequence

from raygrad.table import schema

IN, OUT = "in-distribution", "out-of-distribution"

LARGE_GRADIENTS: dict[str, str] = {"pseudo_label": OUT, "uniform": IN}
"""What large gradients mean, by loss."""

STATISTICS: dict[str, tuple[str, bool]] = {
    "max": ("largest entry of the gradient", False),
    "min": ("smallest entry of the gradient", False),
    "mean": ("mean of the gradient's entries", False),
    "std": ("standard deviation of the gradient's entries", True),
}
"""Text, and whether it is a size: of signed statistics no direction is known. p-norms are sizes."""

FORWARD: dict[str, tuple[str, str]] = {
    "msp": ("maximum softmax probability", IN),
    "max_logit": ("largest logit", IN),
    "energy": ("negative free energy, log sum exp of the logits", IN),
    "entropy": ("entropy of the softmax in nats", OUT),
}


def definitions(
    loss: str, metrics: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str | None]]:
    """Defines each column of scores.

    Args:
        loss: Name of the job's loss.
        metrics: The spec's metrics by target.

    Returns:
        By column: ``definition``, ``high`` (what high values mean, None where that isn't known),
        and for gradient metrics ``loss``, ``target`` and ``metric``.
    """
    found: dict[str, dict[str, str | None]] = {
        name: {"definition": text, "high": high} for name, (text, high) in FORWARD.items()
    }
    for target, names in metrics.items():
        for name in names:
            text, is_size = STATISTICS.get(name, (f"p-norm of the gradient, p = {name[1:]}", True))
            found[schema.metric_column(target, name)] = {
                "definition": text,
                "high": LARGE_GRADIENTS.get(loss) if is_size else None,
                "loss": loss,
                "target": target,
                "metric": name,
            }
    return found
