"""A last-layer job differentiates, and therefore keeps, nothing of the backbone."""

import pytest
import torch
from scoring import CPU, KEPT, VALUES, job, rows
from torch import nn

from raygrad.scorer import Scorer, decode_batch


def saved(target: str) -> set[tuple[int, ...]]:
    """Shapes of what autograd keeps for the backward while a batch of five is scored."""
    torch.manual_seed(0)
    layers = [nn.Linear(2, 64), nn.GELU(), nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 3)]
    model = nn.Sequential(*layers).eval().requires_grad_(False)
    spec = job(metrics={target: ["l1"]})
    scorer = Scorer(spec, model, CPU, KEPT)
    batch = decode_batch(rows(VALUES.tolist()), spec)
    shapes: set[tuple[int, ...]] = set()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        shapes.add(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scorer.logits(scorer.inputs(batch))
    return shapes


@pytest.mark.parametrize(
    ("target", "activations"),
    [("4", {32}), ("2", {64, 32, 3}), ("all", {2, 64, 32, 3})],
)
def test_only_activations_from_the_lowest_target_on_are_kept(target, activations):
    widths = {shape[1] for shape in saved(target) if shape[0] == 5}
    assert widths <= activations
    assert min(activations - {3}) in widths
    if target == "4":
        assert saved(target) >= {(5, 32)}
        assert not any(64 in shape for shape in saved(target))
