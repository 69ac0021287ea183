"""Weights at which every parameter of a fresh model has a gradient worth comparing."""

import torch
from torch import nn


@torch.no_grad()
def randomise(model: nn.Module, *, seed: int) -> nn.Module:
    """Moves parameters and buffers away from special values, in place, and sets eval mode.

    Fresh models hold zeros (last scale of a residual block, heads, biases), ones and layer scales
    of 1e-6: behind them all gradients are zero, and any engine agrees with any reference.

    Args:
        model: A model as its constructor left it.
        seed: Of the noise.

    Returns:
        The model, in eval mode, all its parameters trainable.
    """
    generator = torch.Generator().manual_seed(seed)

    def noise(tensor: torch.Tensor) -> torch.Tensor:
        return torch.randn(tensor.shape, generator=generator)

    for parameter in model.parameters():
        parameter.requires_grad_(True)
        if parameter.ndim <= 1:
            parameter.add_(0.1 * noise(parameter))
        elif parameter.numel():
            # zeros and the usual 0.02 would let hardly any signal through layers this narrow
            fan_in = max(parameter[0].numel(), 1)
            if parameter.square().mean().mul(fan_in).sqrt() < 0.3:
                parameter.copy_(noise(parameter) * fan_in**-0.5)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_var is not None:
            module.running_mean.copy_(0.1 * noise(module.running_mean))
            module.running_var.copy_(1 + 0.3 * noise(module.running_var).clamp(-2, 2))
    return model.eval()
