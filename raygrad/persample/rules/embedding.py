"""Tables of which each sample touches a few rows."""

import torch
from torch import Tensor

from raygrad.persample.gradient import PerSampleGradient, widened
from raygrad.persample.positions import Owners, arrange
from raygrad.persample.rows import Rows
from raygrad.persample.rules.rule import Rule, Use, leading

MEAN, MAX = 1, 2  # modes of embedding_bag, as PyTorch numbers them


def _without_padding(ids: Tensor, padding: int) -> Tensor:
    """Positions of the padding row get no gradient; autograd shows -1 (none) as unsigned."""
    return ids if padding >= 2**63 or padding < 0 else ids.masked_fill(ids == padding, -1)


def embedding(use: Use, grad: Tensor) -> PerSampleGradient:
    """Every position adds its gradient to its row."""
    count = grad.ndim - 1
    ids = _without_padding(use.saved("indices").long(), use.saved("padding_idx"))
    shifted = (
        use.arrange(ids[..., None] + 1, count)[..., 0] - 1
    )  # padding of a gather is 0, then -1
    return Rows(shifted, use.arrange(grad, count), use.shape[0])


def _refuses_embedding(use: Use) -> str | None:
    if use.saved("scale_grad_by_freq"):
        return "scale_grad_by_freq counts tokens over the whole batch"
    return leading(lambda use: len(use.output) - 1)(use)


def embedding_bag(use: Use, grad: Tensor) -> PerSampleGradient:
    """Every row of a bag gets the bag's gradient, weighted as in the forward pass."""
    ids = _without_padding(use.saved("indices").long(), use.saved("padding_idx"))
    bag = _bags(use)
    values = widened(grad)[bag]
    if use.saved("mode") == MEAN:
        values = values / use.saved("result2").clamp(min=1).to(values)[bag][:, None]
    weights = use.saved("per_sample_weights")
    if weights is not None:
        values = values * weights.to(values)[:, None]
    owners = Owners(_owner(use)[bag])
    shifted = arrange(ids[:, None] + 1, owners, use.samples, 1)[..., 0] - 1
    return Rows(shifted, arrange(values, owners, use.samples, 1), use.shape[0])


def _bags(use: Use) -> Tensor:
    """The bag of each index, shape (M,)."""
    offsets, count = use.saved("offsets").long(), use.saved("indices").numel()
    positions = torch.arange(count, device=offsets.device)
    return torch.searchsorted(offsets[: use.output[0]], positions, right=True) - 1


def _owner(use: Use) -> Tensor:
    """The sample of each bag, shape (B,)."""
    if isinstance(use.ownership, Owners):
        return use.ownership.owner
    bags = torch.arange(use.output[0], device=use.saved("offsets").device)
    return bags // use.ownership.inner % use.samples


def _refuses_bag(use: Use) -> str | None:
    if use.saved("scale_grad_by_freq"):
        return "scale_grad_by_freq counts tokens over the whole batch"
    if use.saved("mode") == MAX:
        return "mode='max' has no rule"
    return leading(lambda use: 1)(use)


def indexed(use: Use, grad: Tensor) -> PerSampleGradient:
    """A table that is indexed along its first axis alone."""
    ids = use.saved("indices")[0].long()
    rows = use.shape[0]
    values = grad.reshape(*ids.shape, -1)
    wrapped = torch.where(ids < 0, ids + rows, ids)
    shifted = use.arrange(wrapped[..., None] + 1, ids.ndim)[..., 0] - 1
    return Rows(shifted, use.arrange(values, ids.ndim), rows, use.shape)


def _refuses_indexed(use: Use) -> str | None:
    indices = use.saved("indices")
    if len(indices) != 1 or indices[0].dtype == torch.bool:
        return "indexes along several axes, or by a mask"
    return leading(lambda use: use.saved("indices")[0].ndim)(use)


EMBEDDING = {0: Rule(embedding, _refuses_embedding, ("indices",))}
INDEX = {0: Rule(indexed, _refuses_indexed, ("indices",))}
EMBEDDING_BAG = {0: Rule(embedding_bag, _refuses_bag, ("indices", "offsets"))}
