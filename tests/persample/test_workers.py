"""Samples that are dealt to threads give what one thread gives, and leave its settings alone."""

import os

import pytest
import torch
from torch import nn

from raygrad import GradientMetricCollector
from raygrad.metrics import Max, MeanStd, PNorm
from raygrad.persample import tally
from raygrad.persample.workers import side_by_side


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def metrics_of(net, samples):
    collector = GradientMetricCollector([Max(net), MeanStd(net), PNorm(net), PNorm(net, p=2)])
    return collector(net(samples).sin().flatten(1).sum(1))


NETS = {
    "taps": (lambda: nn.Conv2d(64, 64, 3, padding=1), (64, 5, 4)),
    "unfolded": (lambda: nn.Conv2d(3, 4, 3, padding=1), (3, 6, 6)),
    "strided": (lambda: nn.Conv2d(3, 4, 3, stride=2, groups=1), (3, 7, 7)),
    "positions": (lambda: nn.Linear(6, 5), (4, 6)),
}


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("samples", [2, 7])
def test_sharing_changes_nothing_but_rounding(kind, samples, monkeypatch, three_threads):
    torch.manual_seed(0)
    make, shape = NETS[kind]
    net, x = make(), torch.randn(samples, *shape)
    alone = metrics_of(net, x)
    shared = []
    monkeypatch.setattr(tally, "SHARED", 1)
    monkeypatch.setattr(
        tally, "side_by_side", lambda works: shared.append(len(works)) or side_by_side(works)
    )
    together = metrics_of(net, x)
    assert shared == [min(samples, 3)]
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert torch.equal(metrics_of(net, x), together)


def test_each_work_has_one_thread_and_no_graph(three_threads):
    weight = torch.ones(2, requires_grad=True)
    found = side_by_side([lambda: (torch.get_num_threads(), (2 * weight).requires_grad)] * 3)
    assert found == [(1, False)] * 3
    assert torch.get_num_threads() == 3


def test_an_error_in_a_work_is_the_callers(three_threads):
    def fails():
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        side_by_side([fails, fails])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_workers_of_its_own(three_threads):
    assert side_by_side([lambda: 1, lambda: 2]) == [1, 2]
    child = os.fork()
    if child == 0:
        os._exit(0 if side_by_side([lambda: 1, lambda: 2]) == [1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0
