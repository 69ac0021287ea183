"""Memory follows the bound, and running out of it halves the chunk."""

import gc
import weakref

import pytest
import torch
from torch import nn

from raygrad import GradientMetricCollector
from raygrad.metrics import MeanStd, PNorm
from raygrad.persample.memory import chunk_entries, halving
from raygrad.persample.outer import OuterSum


def net_loss():
    torch.manual_seed(0)
    net = nn.Linear(6, 5)
    return net, torch.sin(net(torch.randn(8, 3, 6))).sum((1, 2))


def failing(method, limit, sizes):
    def fails(self, *args):
        samples = len(args[0]) if method == "_product" else args[1] - args[0]
        sizes.append(samples)
        if samples > limit:
            raise torch.OutOfMemoryError("out of memory")
        return original(self, *args)

    original = getattr(OuterSum, method)
    return fails


def test_running_out_of_memory_halves_the_chunk(monkeypatch):
    net, loss = net_loss()
    transform = PNorm(net, grad_transform=lambda grad: grad)
    expected = GradientMetricCollector(PNorm(net))(loss, retain_graph=True)
    sizes = []
    monkeypatch.setattr(OuterSum, "dense", failing("dense", 2, sizes))
    found = GradientMetricCollector(transform)(loss)
    torch.testing.assert_close(found, expected)
    assert sizes[:3] == [8, 4, 2]


def test_running_out_of_memory_halves_the_tile(monkeypatch):
    net, loss = net_loss()
    expected = GradientMetricCollector([PNorm(net), MeanStd(net)])(loss, retain_graph=True)
    limit, seen = 2**16, []
    original = OuterSum.statistics

    def fails(self, wanted, workspace):
        seen.append(workspace.tile)
        if workspace.tile > limit:
            raise torch.OutOfMemoryError("out of memory")
        return original(self, wanted, workspace)

    monkeypatch.setattr(OuterSum, "statistics", fails)
    found = GradientMetricCollector([PNorm(net), MeanStd(net)])(loss)
    torch.testing.assert_close(found, expected)
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] <= limit


def test_it_gives_up_at_one_sample():
    with pytest.raises(torch.OutOfMemoryError, match="use smaller batches"):
        halving(1, torch.ones(1))


def test_the_bound_is_in_bytes():
    assert chunk_entries(torch.ones(1), 4096) == 1024
    assert chunk_entries(torch.ones(1), None) == 2**26


@pytest.mark.parametrize("bound", [0, -1])
def test_a_bound_without_room_is_refused(bound):
    with pytest.raises(ValueError, match="memory_bytes"):
        GradientMetricCollector(PNorm(nn.Linear(1, 1)), memory_bytes=bound)


def test_tiles_do_not_grow_with_the_batch():
    """Sixteen times the samples, the same buffers."""
    torch.manual_seed(0)
    net = nn.Linear(256, 256)
    sizes = []
    for samples in (32, 512):
        from raygrad.persample.engine import Engine, Target
        from raygrad.persample.statistics import Wanted

        loss = torch.sin(net(torch.randn(samples, 4, 256))).sum((1, 2))
        engine = Engine(loss, [Target(net.weight, Wanted(high=True))])
        engine.run(False)
        sizes.append(engine.tally.workspace.scratch.entries)
    assert sizes[0] == sizes[1] <= 2**21


class Watched:
    """Lives as long as the node that it is attached to."""


@pytest.mark.parametrize("transform", [None, torch.abs])
def test_nothing_of_a_batch_outlives_the_call(transform):
    """No cycle keeps the graph until the garbage collector comes by."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5))
    collector = GradientMetricCollector(PNorm(net, grad_transform=transform))
    gc.collect()
    gc.disable()
    try:
        hidden = net[:2](torch.randn(4, 2, 6, 6))
        hidden.grad_fn.metadata["watched"] = watched = Watched()
        watched = weakref.ref(watched)
        loss = net[2:](hidden).sin().sum(1)
        del hidden
        collector(loss)
        del loss
        assert watched() is None
    finally:
        gc.enable()
