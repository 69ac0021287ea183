"""The engine's numbers on real architectures are those of one backward a sample.

Each architecture is judged twice, on three samples, in eval mode.

- In float64, parameter by parameter, within 1e-6: rounding plays no part there, so that a wrong
  rule can't hide behind it, nor behind another parameter's larger gradients.
- In float32, over the whole net, against float64 on the same weights, within 1e-4. Both start from
  the same gradient at the logits (a fixed random vector): a loss of its own would mix in how many
  digits the forward pass left to the softmax. On the way back float32 loses digits whatever
  computes the gradient (ReLUs that flip, deep nets): where one float32 backward a sample is off by
  more than 5e-5 itself, twice its error is allowed.
"""

import warnings

import pytest
import timm_nets
import torch
import torchvision_nets
import transformers_nets
from comparison import NAMES, Reference, all_metrics, relative_errors
from randomised import randomise
from shares import SHARES, Share, referred
from torch import Tensor, nn

from raygrad import GradientMetricCollector
from raygrad.losses import pseudo_label_cross_entropy

SAMPLES = 3
IMAGES = {
    ("torchvision", name): built for name, built in torchvision_nets.BUILD.items()
} | {("timm", name): built for name, built in timm_nets.BUILD.items()}  # fmt: skip
LANGUAGE = {("transformers", name): built for name, built in transformers_nets.BUILD.items()}
RECURRENT = {("timm", "sequencer2d")}  # LSTM kernels, which no rule covers


class ImageLogits(nn.Module):
    """Gives image nets and language models one way to be called: a batch to logits."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits of shape (N, C)."""
        return self.net(batch["images"])


def build(case: tuple[str, str]) -> tuple[nn.Module, dict[str, Tensor]]:
    """The model in float32 and eval mode, and a batch for it."""
    pytest.importorskip(case[0])
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the packages warn of is not ours to mend
        if case in LANGUAGE:
            model, batch = LANGUAGE[case](SAMPLES)
        else:
            make, size = IMAGES[case]
            model, batch = ImageLogits(make()), {"images": torch.randn(SAMPLES, 3, size, size)}
    return randomise(model, seed=1), batch


def forward(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dtype = next(model.parameters()).dtype
        return model({k: v.to(dtype) if v.is_floating_point() else v for k, v in batch.items()})


def collect(metrics: list, loss: Tensor) -> tuple[Tensor, list[str]]:
    """The collector's numbers, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = GradientMetricCollector(metrics)(loss, retain_graph=True)
    return found, [str(warning.message) for warning in caught]


@pytest.fixture(autouse=True)
def one_thread():
    """Ops this small gain nothing from threads, and lose much where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("case", [*IMAGES, *LANGUAGE], ids="-".join)
def test_the_engine_equals_one_backward_a_sample(case):
    model, batch = build(case)
    double = transformers_nets.in_float64(model)

    loss = pseudo_label_cross_entropy(forward(double, batch))
    parameters = list(double.parameters())
    expected = Reference(double, loss, floor=1e-8)
    metrics = [metric for p in parameters for metric in all_metrics(p)]
    found, _ = collect(metrics, loss)
    errors = relative_errors(
        found.view(SAMPLES, len(parameters), -1), expected.each, expected.each_scale
    )

    logits = forward(double, batch)
    at_logits = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
    exact = Reference(double, (logits * at_logits).sum(1), floor=0)
    loss32 = (forward(model, batch) * at_logits).sum(1)
    rounded = Reference(model, loss32, floor=0)
    found32, warned = collect(all_metrics(model), loss32)
    by_reference, entries = referred(GradientMetricCollector(all_metrics(model)), loss32)
    allowed = relative_errors(rounded.whole, exact.whole, exact.whole_scale).mul(2).clamp(min=1e-4)
    errors32 = relative_errors(found32, exact.whole, exact.whole_scale)

    SHARES["-".join(case)] = Share(
        parameters=len(parameters),
        reached=sum(expected.reached),
        below_floor=sum(expected.below_floor),
        by_reference=by_reference,
        entries_by_reference=entries,
        error64=errors.max().item(),
        error32=errors32.max().item(),
    )
    names = [name for name, _ in double.named_parameters()]
    assert not list(worst(errors, names)), "in float64"
    assert (errors32 <= allowed).all(), f"in float32: {errors32.amax(0)}, allowed {allowed.amax(0)}"
    assert sum(expected.below_floor) <= 0.2 * len(parameters), "too much of this net is untested"
    if case not in RECURRENT:
        assert by_reference == ()
        assert warned == []
    else:
        assert by_reference, "recurrent kernels have a rule now: take this net off RECURRENT"


def worst(errors: Tensor, names: list[str]):
    """Lines that name the parameters and statistics that are off by more than 1e-6."""
    for index, name in enumerate(names):
        for statistic, label in enumerate(NAMES):
            error = errors[:, index, statistic].max().item()
            if error > 1e-6:
                yield f"{name}: {label} is off by {error:.1e}"


def test_at_least_forty_architectures_are_tried():
    assert len(IMAGES) + len(LANGUAGE) >= 40
