"""Forward-only scores equal their definitions, computed here entry by entry or by autograd."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from raygrad import GradientMetricCollector
from raygrad.confidence import CONFIDENCE, LAST_LAYER
from raygrad.losses import LOSSES
from raygrad.metrics import PNorm

LOGITS = [[2.0, 1.0, -1.0], [0.0, 0.0, 0.0], [30.0, -30.0, 0.0]]
GAPS = [0.0, 1.0, 15.0, 18.0, 25.0, 40.0, 60.0]


def by_hand(name: str, row: list[float]) -> float:
    exponentials = [math.exp(z) for z in row]
    probabilities = sorted((e / sum(exponentials) for e in exponentials), reverse=True)
    # 1 - p of the largest would lose its digits even in float64
    complements = [math.fsum(probabilities[:j] + probabilities[j + 1 :]) for j in range(len(row))]
    pairs = list(zip(probabilities, complements, strict=True))
    return {
        "msp": lambda: max(probabilities),
        "max_logit": lambda: max(row),
        "energy": lambda: math.log(sum(exponentials)),
        "entropy": lambda: -sum(p * (math.log1p(-q) if p > 0.5 else math.log(p)) for p, q in pairs),
        "margin": lambda: probabilities[0] - probabilities[1],
        "gen": lambda: sum(p**0.1 * q**0.1 for p, q in pairs[:100]),
    }[name]()


@pytest.mark.parametrize("name", CONFIDENCE)
def test_scores_equal_their_definition(name):
    found = CONFIDENCE[name](torch.tensor(LOGITS, dtype=torch.float64))
    assert found.tolist() == pytest.approx([by_hand(name, row) for row in LOGITS])


@pytest.mark.parametrize("name", CONFIDENCE)
def test_scores_of_a_thousand_classes(name):
    torch.manual_seed(0)
    logits = 5 * torch.randn(3, 1000, dtype=torch.float64)
    expected = [by_hand(name, row) for row in logits.tolist()]
    assert CONFIDENCE[name](logits).tolist() == pytest.approx(expected)


def test_gen_takes_the_hundred_most_probable_classes():
    torch.manual_seed(0)
    logits = torch.randn(2, 150, dtype=torch.float64)
    p = logits.softmax(1).sort(1, descending=True).values
    terms = (p * (1 - p)) ** 0.1
    torch.testing.assert_close(CONFIDENCE["gen"](logits), terms[:, :100].sum(1))
    assert (terms[:, 100:].sum(1) > 1).all(), "else this test could not tell"


@pytest.mark.parametrize("name", ["gen", "entropy"])
@pytest.mark.parametrize("gap", GAPS)
def test_entropies_keep_their_digits(name, gap):
    """1 - p in float32 is 0 from a gap of 17 on, and 0^0.1 is far from (4e-8)^0.1 = 0.18."""
    row = [gap, 0.0, -1.0]
    found = CONFIDENCE[name](torch.tensor([row]))
    assert found.item() == pytest.approx(by_hand(name, row), rel=1e-5)


@pytest.mark.parametrize("name", [*CONFIDENCE, *LAST_LAYER])
def test_a_score_belongs_to_its_sample(name):
    torch.manual_seed(0)
    features, logits = torch.randn(4, 6), torch.randn(4, 5)
    arguments = (logits,) if name in CONFIDENCE else (features, logits, 2.0)
    score = CONFIDENCE.get(name) or LAST_LAYER[name]
    alone = score(*(a[1:2] if isinstance(a, Tensor) else a for a in arguments))
    torch.testing.assert_close(score(*arguments)[1:2], alone)


def test_high_is_what_a_confident_sample_has():
    """A sharp softmax is a sign of in-distribution; the features are the same for both."""
    features, logits = torch.ones(2, 4), torch.tensor([[8.0, 0.0, -1.0], [0.3, 0.0, -0.1]])
    for table, arguments in ((CONFIDENCE, (logits,)), (LAST_LAYER, (features, logits, 1.0))):
        for name, score in table.items():
            sharp, flat = score(*arguments).tolist()
            if name == "feature_l1":
                assert sharp == flat
            else:
                assert (sharp > flat) == (score.high == "in-distribution"), name


class Linear:
    """A last layer in float64, and per-sample weight gradients by autograd."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.features = torch.randn(5, 7, dtype=torch.float64)
        self.layer = torch.nn.Linear(7, 4, dtype=torch.float64)
        self.logits = 2 * self.layer(self.features)

    def norm(self, loss: Tensor) -> float:
        """L1 norm of the gradient of a scalar with respect to what multiplies the features."""
        (gradient,) = torch.autograd.grad(loss, self.layer.weight, retain_graph=True)
        return gradient.abs().sum().item() / 2  # the logits are twice the layer's output


@pytest.fixture
def linear() -> Linear:
    return Linear()


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0, 1000.0])
def test_gradnorm_equals_autograd(linear, temperature):
    log_p = (linear.logits / temperature).log_softmax(1)
    expected = [linear.norm(-row.mean()) for row in log_p]
    found = LAST_LAYER["gradnorm"](linear.features, linear.logits, temperature)
    assert found.tolist() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_exgrad_equals_a_loop_over_labels(linear, temperature):
    logits = linear.logits / temperature
    expected = []
    for row in logits:
        p = row.detach().softmax(0)
        norms = [linear.norm(F.cross_entropy(row[None], torch.tensor([y]))) for y in range(4)]
        expected.append(sum(float(p[y]) * norm for y, norm in enumerate(norms)))
    found = LAST_LAYER["exgrad"](linear.features, linear.logits, temperature)
    assert found.tolist() == pytest.approx(expected, rel=1e-10)


def test_exgrad_at_temperature_one_is_the_formula_of_the_issue(linear):
    p = linear.logits.softmax(1)
    expected = 2 * linear.features.abs().sum(1) * (1 - (p**2).sum(1))
    found = LAST_LAYER["exgrad"](linear.features, linear.logits, 1.0)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("temperature", [1.0, 1000.0])
@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("name", LAST_LAYER)
def test_last_layer_scores_keep_their_digits(name, gap, temperature):
    """1 - sum p^2 is 0 in float32 from a gap of 17 on; p - 1 / C loses half at T = 1000."""
    features, logits = torch.tensor([[1.0, -2.0]]), torch.tensor([[gap, 0.0, -1.0]])
    found = LAST_LAYER[name](features, logits, temperature)
    exact = LAST_LAYER[name](features.double(), logits.double(), temperature)
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=0)
    assert (found > 0).all()


def test_gradnorm_is_the_product_of_its_factors(linear):
    found = {n: s(linear.features, linear.logits, 2.0) for n, s in LAST_LAYER.items()}
    p = (linear.logits / 2).softmax(1)
    torch.testing.assert_close(found["feature_l1"], linear.features.abs().sum(1))
    torch.testing.assert_close(found["gradnorm_output"], (4 * p - 1).abs().sum(1) / (4 * 2))
    torch.testing.assert_close(found["gradnorm"], found["feature_l1"] * found["gradnorm_output"])


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_gradnorm_equals_the_engine_on_a_deeper_network(temperature):
    """The engine's fc.weight_l1 of the uniform loss, float64, and that without a backward."""
    torch.manual_seed(4)
    net = torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Tanh(), torch.nn.Linear(6, 5))
    net = net.double()
    x = torch.randn(8, 3, dtype=torch.float64)
    collector = GradientMetricCollector([PNorm(net[2].weight, p=1)])
    engine = collector(LOSSES["uniform"](net(x) / temperature))[:, 0]
    with torch.no_grad():
        features = net[:2](x)
        closed = LAST_LAYER["gradnorm"](features, net[2](features), temperature)
    torch.testing.assert_close(closed, engine.double(), rtol=1e-10, atol=0)
