"""Every rule gives what a backward a sample in float64 gives."""

import cases
import pytest
import torch

from raygrad.collector import GradientMetricCollector
from raygrad.metrics import Max, Mean, MeanStd, Min, PNorm
from raygrad.persample.engine import Engine, Target
from raygrad.persample.reference import per_sample_gradients
from raygrad.persample.rules import RULES
from raygrad.persample.statistics import Wanted

# these are recorded on other devices, or not in float64; test_foreign_rules.py has their tests
FOREIGN = {
    "CudnnBatchNormBackward0",
    "FusedRmsNormBackward0",
    "GroupedMmBackward0",
    "LinearBackward0",
}

NAMES = ["max", "min", "mean", "std", "l1", "l2", "l3", "linf", "l10"]


def metrics_of(net):
    return [
        Max(net),
        Min(net),
        MeanStd(net),
        PNorm(net),
        PNorm(net, p=2),
        PNorm(net, p=3),
        PNorm(net, p="inf"),
        PNorm(net, p=10),
    ]


def expected_of(gradients):
    """The metrics' textbook forms on (N, entries) in float64, and what errors are relative to."""
    g = gradients.double()
    magnitude = g.abs().amax(1)
    columns = [
        (g.amax(1), magnitude),
        (g.amin(1), magnitude),
        (g.mean(1), g.abs().mean(1)),
        (g.std(1), None),
        *((torch.linalg.vector_norm(g, p, 1), None) for p in (1, 2, 3, torch.inf, 10)),
    ]
    values = torch.stack([value for value, _ in columns], 1)
    scale = torch.stack([v.abs() if s is None else s for v, s in columns], 1)
    return values, scale


def reference_of(loss, net):
    parameters = [p for p in net.parameters() if p.requires_grad]
    rows = [
        torch.cat(
            [
                (torch.zeros_like(p) if g is None else g).flatten()
                for p, g in zip(parameters, gradients, strict=True)
            ]
        )
        for gradients in per_sample_gradients(loss, parameters)
    ]
    return torch.stack(rows)


def build(case, dtype=torch.float64):
    torch.manual_seed(0)
    return case.net().to(dtype)


def loss_of(case, net, dtype=torch.float64, seed=0):
    return cases.loss_of(net(cases.input_of(case, dtype, seed)), case.axis)


def assert_close(found, gradients, tolerance, what=NAMES):
    values, scale = expected_of(gradients)
    error = (found.double() - values).abs() / scale.clamp(min=1e-300)
    worst = error.amax(0)
    assert (worst <= tolerance).all(), dict(zip(what, worst.tolist(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_engine_equals_reference(case, dtype):
    net = build(case)
    gradients = reference_of(loss_of(case, net), net)
    net = net.to(dtype)
    found = GradientMetricCollector(metrics_of(net))(loss_of(case, net, dtype))
    assert_close(found, gradients, 1e-11 if dtype == torch.float64 else 1e-5)


def norm_and_std(net):
    return [MeanStd(net), PNorm(net, p=2)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_forms_for_norm_and_std_alone_equal_reference(case, dtype):
    """Asked for these only, the engine may use Gram forms."""
    net = build(case)
    values, scale = expected_of(reference_of(loss_of(case, net), net))
    net = net.to(dtype)
    found = GradientMetricCollector([MeanStd(net), PNorm(net, p=2), Mean(net)])(
        loss_of(case, net, dtype)
    )
    columns = [2, 3, 5, 2]
    error = (found.double() - values[:, columns]).abs() / scale[:, columns]
    assert error.max() < (1e-11 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_materialised_gradients_equal_reference(case):
    """What user metrics see, parameter by parameter and in its shape."""
    net = build(case)
    parameters = list(net.parameters())
    expected = list(per_sample_gradients(loss_of(case, net), parameters))
    loss = loss_of(case, net)
    engine = Engine(loss, [Target(p, Wanted(), True) for p in parameters], memory_bytes=4)
    engine.run(False)
    for lo, hi, found in engine.chunks(range(len(parameters))):
        assert hi == lo + 1, "four bytes allow one sample at a time"
        for parameter, ours, theirs in zip(parameters, found, expected[lo], strict=True):
            assert ours.shape[1:] == parameter.shape
            zeros = torch.zeros_like(parameter)
            torch.testing.assert_close(ours[0], zeros if theirs is None else theirs)


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_no_case_needs_the_reference(case):
    net = build(case)
    engine = Engine(loss_of(case, net), [Target(p, Wanted(True)) for p in net.parameters()])
    assert {plan.kind for plan in engine.plans} == {"rule"}, [plan.why for plan in engine.plans]


def uses_in_cases():
    used = set()
    for case in cases.CASES:
        net = build(case)
        engine = Engine(loss_of(case, net), [Target(p, Wanted(True)) for p in net.parameters()])
        used |= {(c.use.node.name(), c.use.input) for plan in engine.plans for c in plan.consumers}
    return used


@pytest.fixture(scope="module")
def used():
    return uses_in_cases()


@pytest.mark.parametrize(
    ("node", "position"),
    [(node, position) for node in RULES if node not in FOREIGN for position in RULES[node]],
)
def test_every_rule_has_a_case(node, position, used):
    assert (node, position) in used
