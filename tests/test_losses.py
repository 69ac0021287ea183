"""Losses equal their textbook forms, and keep digits where those lose them."""

import pytest
import torch
import torch.nn.functional as F

from raygrad.losses import LOSSES, pseudo_label_cross_entropy, uniform_cross_entropy


def test_pseudo_label_equals_cross_entropy_against_the_prediction():
    logits = torch.randn(8, 5, dtype=torch.float64, requires_grad=True)
    expected = F.cross_entropy(logits, logits.argmax(1), reduction="none")
    torch.testing.assert_close(pseudo_label_cross_entropy(logits), expected)
    found = torch.autograd.grad(pseudo_label_cross_entropy(logits).sum(), logits)
    torch.testing.assert_close(found, torch.autograd.grad(expected.sum(), logits))


def test_uniform_equals_the_form_of_gradient_metrics_readme():
    logits = torch.randn(8, 5, dtype=torch.float64, requires_grad=True)
    expected = torch.log(F.softmax(logits, dim=1)).mean(1).neg()
    torch.testing.assert_close(uniform_cross_entropy(logits), expected)
    found = torch.autograd.grad(uniform_cross_entropy(logits).sum(), logits)
    torch.testing.assert_close(found, torch.autograd.grad(expected.sum(), logits))


@pytest.mark.parametrize("gap", [1.0, 15.0, 18.0, 25.0, 40.0, 60.0])
def test_pseudo_label_gradient_keeps_its_digits(gap):
    """At a gap of 18 float32's p - 1 is 6.5 % off, later it is 0."""
    values = torch.tensor([[gap, 0.0, -1.0], [-gap, 2 - gap, 2.0]])
    gradients = []
    for dtype in (torch.float32, torch.float64):
        logits = values.to(dtype).requires_grad_()
        gradients.append(torch.autograd.grad(pseudo_label_cross_entropy(logits).sum(), logits)[0])
    torch.testing.assert_close(gradients[0].double(), gradients[1], rtol=1e-5, atol=0)
    assert (gradients[0] != 0).all()


def test_ties_pick_one_label():
    logits = torch.zeros(1, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(pseudo_label_cross_entropy(logits).sum(), logits)
    assert sorted(gradient[0].tolist()) == pytest.approx([-2 / 3, 1 / 3, 1 / 3])


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 4, 5)])
def test_losses_refuse_other_shapes(loss, shape):
    with pytest.raises(ValueError, match="at least 2 classes"):
        loss(torch.zeros(shape))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_losses_belong_to_their_sample(loss):
    logits = torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(loss(logits)[2:3], loss(logits[2:3]))
