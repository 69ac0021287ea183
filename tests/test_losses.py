"""Losses equal their textbook forms, and keep digits where those lose them."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from raygrad.losses import LOSSES, likely_label_cross_entropies

LABELS = torch.tensor([0, 2])

TEXTBOOK = {
    "pseudo_label": lambda z, _: F.cross_entropy(z, z.argmax(1), reduction="none"),
    # the form of gradient_metrics' README
    "uniform": lambda z, _: torch.log(F.softmax(z, dim=1)).mean(1).neg(),
    "confounding": lambda z, _: F.binary_cross_entropy_with_logits(
        z, torch.ones_like(z), reduction="none"
    ).sum(1),
    "target": lambda z, y: F.cross_entropy(z, y, reduction="none"),
}
ONE_A_SAMPLE = [name for name, loss in LOSSES.items() if not loss.over_labels]


def called(name: str, logits: Tensor, labels: Tensor | None) -> Tensor:
    return LOSSES[name](logits, labels) if LOSSES[name].takes_labels else LOSSES[name](logits)


def gradient(loss: Tensor, logits: Tensor) -> Tensor:
    return torch.autograd.grad(loss.sum(), logits)[0]


def test_every_loss_has_a_textbook_form():
    assert set(TEXTBOOK) == set(ONE_A_SAMPLE)


@pytest.mark.parametrize("name", ONE_A_SAMPLE)
def test_a_loss_equals_its_textbook_form(name):
    torch.manual_seed(0)
    logits = torch.randn(8, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(5, (8,))
    expected = TEXTBOOK[name](logits, labels)
    found = called(name, logits, labels)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient(found, logits), gradient(expected, logits))


@pytest.mark.parametrize("name", ONE_A_SAMPLE)
@pytest.mark.parametrize("gap", [1.0, 15.0, 18.0, 25.0, 40.0, 60.0])
def test_a_gradient_keeps_its_digits(name, gap):
    """At a gap of 18 float32's p - 1 is 6.5 % off, later it is 0."""
    values = torch.tensor([[gap, 0.0, -1.0], [-gap, 2 - gap, 2.0]])
    gradients = []
    for dtype in (torch.float32, torch.float64):
        logits = values.to(dtype).requires_grad_()
        gradients.append(gradient(called(name, logits, LABELS), logits))
    torch.testing.assert_close(gradients[0].double(), gradients[1], rtol=1e-5, atol=0)
    assert (gradients[0] != 0).all()


@pytest.mark.parametrize("gap", [1.0, 18.0, 40.0, 60.0])
def test_the_float64_gradients_are_those_of_the_formulas(gap):
    """The test before compares with float64, so that has to be right by itself."""
    z = torch.tensor([gap, 0.0, -1.0], dtype=torch.float64)
    others = torch.exp(z[1:] - z[0]) / torch.exp(z - z[0]).sum()
    expected = {
        "pseudo_label": torch.tensor([-others.sum(), *others], dtype=torch.float64),
        "target": torch.tensor([-others.sum(), *others], dtype=torch.float64),
        "confounding": -torch.exp(-z) / (1 + torch.exp(-z)),
    }
    for name, wanted in expected.items():
        logits = z[None].clone().requires_grad_()
        found = gradient(called(name, logits, LABELS[:1]), logits)[0]
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0)


def test_a_wrong_label_keeps_its_digits_too():
    """The label is far below the prediction: the loss is the gap, the gradient -1 and 1."""
    logits = torch.tensor([[30.0, 0.0, -5.0]], requires_grad=True)
    loss = called("target", logits, torch.tensor([1]))
    torch.testing.assert_close(loss, torch.tensor([30.0]))
    found = gradient(loss, logits)[0]
    expected = torch.tensor([1.0, -1.0, torch.tensor(-35.0).exp()])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


def test_ties_pick_one_label():
    logits = torch.zeros(1, 3, requires_grad=True)
    found = gradient(called("pseudo_label", logits, None), logits)
    assert sorted(found[0].tolist()) == pytest.approx([-2 / 3, 1 / 3, 1 / 3])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 4, 5)])
def test_losses_refuse_other_shapes(name, shape):
    with pytest.raises(ValueError, match="at least 2 classes"):
        called(name, torch.zeros(shape), torch.zeros(3, dtype=torch.int64))


def test_labels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"labels have shape \(2, 1\), logits \(2, 3\)"):
        called("target", torch.zeros(2, 3), LABELS[:, None])


@pytest.mark.parametrize("name", ONE_A_SAMPLE)
def test_losses_belong_to_their_sample(name):
    torch.manual_seed(1)
    logits, labels = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    alone = called(name, logits[2:3], labels[2:3])
    torch.testing.assert_close(called(name, logits, labels)[2:3], alone)


@pytest.mark.parametrize("classes", [1, 3, 5, 9])
def test_likely_labels_are_the_most_probable_with_their_probabilities(classes):
    torch.manual_seed(2)
    logits = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    terms = likely_label_cross_entropies(logits, classes=classes)
    assert len(terms) == min(classes, 5)
    for place, (weight, loss) in enumerate(terms):
        labels = logits.argsort(1, descending=True)[:, place]
        expected = F.cross_entropy(logits, labels, reduction="none")
        torch.testing.assert_close(weight, logits.softmax(1)[torch.arange(6), labels].detach())
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(gradient(loss, logits), gradient(expected, logits))
        assert not weight.requires_grad


@pytest.mark.parametrize("classes", [0, -1, True, 2.0, "3"])
def test_a_number_of_labels_is_a_whole_one(classes):
    with pytest.raises(ValueError, match="use a number of labels such as 10"):
        likely_label_cross_entropies(torch.zeros(1, 3), classes=classes)
