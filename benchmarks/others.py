"""Packages that give per-sample gradients, each used as its documentation shows."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from benchmarks.metric_sets import MetricSet, Target, reduce

Step = Callable[[Tensor], Tensor]
Maker = Callable[[nn.Module, list[Target], MetricSet], Step]


def _grouped(
    targets: Sequence[Target], statistics: Sequence[str], of: Callable[[nn.Parameter], Tensor]
) -> Tensor:
    """Statistics of each target, from per-sample gradients found by parameter."""
    return torch.cat([reduce([of(p) for p in target], statistics) for target in targets], 1)


def _norms(targets: Sequence[Target], of: Callable[[nn.Parameter], Tensor]) -> Tensor:
    """L2 norms of each target, from each parameter's squared norms (N,)."""
    return torch.stack([sum(of(p) for p in target).sqrt() for target in targets], 1)


def vmap(model: nn.Module, targets: list[Target], metric_set: MetricSet) -> Step:
    """``torch.func``'s per-sample gradients."""
    names = {id(p): name for name, p in model.named_parameters()}
    wanted = {names[id(p)]: p.detach() for target in targets for p in target}
    fixed = {n: p.detach() for n, p in model.named_parameters() if n not in wanted}
    fixed |= dict(model.named_buffers())

    def loss(parameters: dict[str, Tensor], sample: Tensor) -> Tensor:
        logits = torch.func.functional_call(model, {**fixed, **parameters}, (sample[None],))
        return metric_set.loss(logits).sum()

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))

    def step(inputs: Tensor) -> Tensor:
        found = gradients(wanted, inputs)
        return _grouped(targets, metric_set.statistics, lambda p: found[names[id(p)]])

    return step


def opacus(model: nn.Module, targets: list[Target], metric_set: MetricSet) -> Step:
    """Opacus's ``GradSampleModule``; for L2 alone the norms of its ghost clipping.

    Its hooks see modules in training mode alone; these nets differ there in their BatchNorm only,
    which is left in eval mode.
    """
    from opacus.grad_sample import GradSampleModule, GradSampleModuleFastGradientClipping

    for module in model.modules():
        module.training = not isinstance(module, nn.BatchNorm2d)
    parameters = [p for target in targets for p in target]
    if metric_set.statistics == ("L2",):
        ghost = GradSampleModuleFastGradientClipping(
            model, loss_reduction="sum", max_grad_norm=1.0, use_ghost_clipping=True
        )

        def ghost_step(inputs: Tensor) -> Tensor:
            ghost.zero_grad(set_to_none=True)
            metric_set.loss(ghost(inputs)).sum().backward()
            return _norms(targets, lambda p: p._norm_sample.square())

        return ghost_step
    try:
        wrapped = GradSampleModule(model, loss_reduction="sum")
    except (NotImplementedError, ValueError):
        # its check of the model is stricter than what its hooks can do
        wrapped = GradSampleModule(model, loss_reduction="sum", strict=False)

    def step(inputs: Tensor) -> Tensor:
        wrapped.zero_grad(set_to_none=True)
        metric_set.loss(wrapped(inputs)).sum().backward()
        found = _grouped(targets, metric_set.statistics, lambda p: p.grad_sample)
        for parameter in parameters:
            parameter.grad_sample = None  # samples x parameters, kept for nobody
        return found

    return step


def backpack(model: nn.Module, targets: list[Target], metric_set: MetricSet) -> Step:
    """BackPACK's ``BatchGrad``; for L2 alone its ``BatchL2Grad``."""
    import backpack as package
    from backpack.extensions import BatchGrad, BatchL2Grad

    package.extend(model)
    only_l2 = metric_set.statistics == ("L2",)
    extension = BatchL2Grad() if only_l2 else BatchGrad()
    parameters = [p for target in targets for p in target]

    def step(inputs: Tensor) -> Tensor:
        model.zero_grad(set_to_none=True)
        with package.backpack(extension):
            metric_set.loss(model(inputs)).sum().backward()
        if only_l2:
            return _norms(targets, lambda p: p.batch_l2)
        found = _grouped(targets, metric_set.statistics, lambda p: p.grad_batch)
        for parameter in parameters:
            del parameter.grad_batch
        return found

    return step
