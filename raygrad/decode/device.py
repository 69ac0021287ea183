"""What is done on the device, since small values travel faster: rescale, normalise, cast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raygrad.spec import FieldSpec

if TYPE_CHECKING:
    from torch import Tensor


def to_model(values: Tensor, field: FieldSpec) -> Tensor:
    """Rescales, normalises and casts, on the values' device.

    Args:
        values: Shape (N, *shape).
        field: How; channels are the first axis of a sample.

    Returns:
        Shape (N, *shape).
    """
    import torch  # which the tasks that decode do without

    rescale = field.rescale
    if rescale is None and field.decode == "image":
        rescale = 1 / 255
    if rescale is not None:
        values = values.float() * rescale
    channels = (-1, *([1] * (values.ndim - 2)))
    if field.mean is not None:
        values = values.float() - torch.tensor(field.mean, device=values.device).view(channels)
    if field.std is not None:
        values = values.float() / torch.tensor(field.std, device=values.device).view(channels)
    if field.dtype is not None:
        return values.to(getattr(torch, field.dtype))
    return values.float() if values.is_floating_point() else values
