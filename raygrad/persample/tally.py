"""Statistics of groups of targets: small gradients side by side, large ones as they come."""

from collections.abc import Sequence

import torch
from torch import Tensor

from raygrad.persample.gradient import Dense, PerSampleGradient, Workspace, concatenated
from raygrad.persample.memory import halving
from raygrad.persample.reduction import Scratch, of_rows
from raygrad.persample.statistics import Statistics, Wanted, merge, nothing

SMALL = 2**14  # entries a sample; below, a pass costs its call rather than its memory


class Tally:
    """Collects what is known of each group until all its targets have come.

    Args:
        loss: Shape (N,), for the device.
        scratch: Buffers, kept from batch to batch where the caller keeps them.
    """

    def __init__(self, loss: Tensor, scratch: Scratch) -> None:
        self.loss = loss
        self.workspace = Workspace(scratch)
        self._parts: dict[int, list[Statistics]] = {}
        self._small: dict[tuple[int, torch.dtype], list[Tensor]] = {}
        self._wanted: dict[int, Wanted] = {}
        self._results: dict[int, Statistics] = {}

    def add(self, group: int, gradient: PerSampleGradient, wanted: Wanted) -> None:
        """Adds a target's gradient to its group."""
        self._wanted[group] = wanted
        if gradient.entries == 0:
            return
        if isinstance(gradient, Dense) and gradient.entries <= SMALL:
            key = (group, gradient.values.dtype)
            self._small.setdefault(key, []).append(gradient.values.reshape(gradient.samples, -1))
        else:
            self._parts.setdefault(group, []).append(self._reduce(gradient, wanted))

    def add_together(
        self, gradients: Sequence[PerSampleGradient], groups: Sequence[tuple[int, Wanted]]
    ) -> None:
        """Adds gradients that are cheapest to have at the same time, chunk by chunk."""
        samples = gradients[0].samples
        entries = sum(gradient.entries for gradient in gradients)
        parts: list[list[Statistics]] = [[] for _ in gradients]
        for lo, hi in self.workspace.chunks(samples, entries):
            for k, gradient in enumerate(gradients):
                if gradient.entries:
                    rows = gradient.dense(lo, hi).reshape(hi - lo, -1)
                    parts[k].append(of_rows(rows, groups[k][1], self.workspace.scratch))
        for (group, wanted), found in zip(groups, parts, strict=True):
            self._wanted[group] = wanted
            if found:
                self._parts.setdefault(group, []).append(concatenated(found))

    def close(self) -> None:
        """Merges every group; nothing can be added afterwards."""
        for (group, _), values in self._small.items():
            rows = values[0] if len(values) == 1 else torch.cat(values, 1)
            found = of_rows(rows, self._wanted[group], self.workspace.scratch)
            self._parts.setdefault(group, []).append(found)
        self._small.clear()
        for group, parts in self._parts.items():
            self._results[group] = merge(parts, self._wanted[group])

    def result(self, group: int) -> Statistics:
        """The merged statistics of a group."""
        return self._results.get(group) or nothing(self.loss)

    def _reduce(self, gradient: PerSampleGradient, wanted: Wanted) -> Statistics:
        while True:
            try:
                return gradient.statistics(wanted, self.workspace)
            except torch.OutOfMemoryError:
                used = min(self.workspace.tile, gradient.entries * gradient.samples)
                smaller = halving(used, self.loss)
                self.workspace = Workspace(Scratch(), smaller)
