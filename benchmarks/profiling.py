"""``python -m benchmarks.profiling``: where the time of a batch goes, op by op.

Writes benchmarks/PROFILE.md: for some nets the ops of raygrad's pass that take the most time of
their own, beside those of a training step, and what was tried to make them quicker.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import raygrad.metrics
from benchmarks import machine, nets
from benchmarks.metric_sets import METRIC_SETS, metrics
from raygrad import GradientMetricCollector

CASES = (("mlp", 16), ("cnn", 256), ("resnet18", 16), ("vit-tiny", 16))
REPEATS, OPS = 3, 8
OUTPUT = Path(__file__).with_name("PROFILE.md")
TRIED = Path(__file__).with_name("tried.md")


def step(net: str, size: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """A training step and raygrad's, with all metrics of the whole model, on one batch."""
    model, inputs = nets.make(net), nets.batch(net, size)
    chosen = METRIC_SETS["all"]
    targets = chosen.targets(model, nets.NETS[net].head)
    collector = GradientMetricCollector(metrics(raygrad.metrics, targets, chosen.statistics))

    def train() -> None:
        model.zero_grad(set_to_none=True)
        chosen.loss(_logits(model, inputs)).sum().backward()

    def ours() -> None:
        collector(chosen.our_loss(_logits(model, inputs)))

    return train, ours


def _logits(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = model(inputs)
    return found


def profiled(run: Callable[[], None]) -> tuple[float, list[tuple[str, int, float]]]:
    """Milliseconds of a call, and of its ops: name, calls and milliseconds of their own."""
    run()
    run()
    with (
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile,
        torch.profiler.record_function("whole"),
    ):
        for _ in range(REPEATS):
            run()
    events = profile.key_averages()
    (whole,) = [event for event in events if event.key == "whole"]
    ops = [
        (event.key.removeprefix("aten::"), event.count // REPEATS, event.self_cpu_time_total)
        for event in events
        if event.key != "whole"
    ]
    ops.append(("Python, between ops", 1, whole.self_cpu_time_total))
    ops.sort(key=lambda op: -op[2])
    return whole.cpu_time_total / REPEATS / 1e3, [
        (name, calls, own / REPEATS / 1e3) for name, calls, own in ops[:OPS]
    ]


def main() -> None:
    """Profiles all cases, and writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profiling", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    lines = ["# Where the time goes", "", "Written by `python -m benchmarks.profiling`.", ""]
    lines += [f"- {name}: {value}" for name, value in machine.describe().items()]
    for net, size in CASES:
        lines += ["", f"## {net}, batch {size}, all metrics", ""]
        for title, run in zip(("training step", "raygrad"), step(net, size), strict=True):
            total, ops = profiled(run)
            lines += [f"{title}: {total:.1f} ms with the profiler", "", "|op|calls|ms|share|"]
            lines += ["|-|-:|-:|-:|"]
            lines += [f"|{n}|{calls}|{ms:.2f}|{ms / total:.0%}|" for n, calls, ms in ops]
            lines += [""]
            print(title, net, f"{total:.1f} ms", flush=True)
    OUTPUT.write_text("\n".join(lines) + "\n" + TRIED.read_text())


if __name__ == "__main__":
    main()
