"""The peak memory of one peer, in a process of its own.

Run as ``python -m benchmarks.memory NET SET PEER BATCH SAMPLES THREADS``, it prints one number: how
far, in bytes, the process grew while the peer worked on a batch.
"""

import copy
import ctypes
import gc
import os
import subprocess
import sys
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak(
    *, net: str, metric_set: str, peer: str, size: int, samples: int, threads: int
) -> int | None:
    """Peak resident memory above the loaded model and batch, in bytes.

    Args:
        net: Name of the net.
        metric_set: Name of the metric set.
        peer: Name of the peer.
        size: Samples of the batch.
        samples: Samples that the peer computes.
        threads: CPU threads.

    Returns:
        None where the process failed (a peer that can't handle the net, or no memory left).
    """
    arguments = [net, metric_set, peer, str(size), str(samples), str(threads)]
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.memory", *arguments],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent,
        # glibc keeps what it freed; without this a peak would depend on what came before
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
    )  # fmt: skip
    return int(found.stdout.split()[-1]) if found.returncode == 0 else None


def _resident(field: str) -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{STATUS} has no {field}; peak memory can be measured on Linux alone")


def _measure(*, net: str, metric_set: str, peer: str, size: int, samples: int, threads: int) -> int:
    import torch

    from benchmarks import nets
    from benchmarks.metric_sets import METRIC_SETS
    from benchmarks.peers import PEERS

    torch.set_num_threads(threads)
    model, inputs = nets.make(net), nets.batch(net, size)
    chosen = METRIC_SETS[metric_set]
    # modules and kernels that load at first use are no part of the peer's need, but buffers that it
    # keeps are: so a plain step warms up the net, and a net of nine weights the peer
    chosen.loss(copy.deepcopy(model)(nets.batch(net, 2))).sum().backward()
    tiny = torch.nn.Sequential(torch.nn.Linear(3, 3))
    PEERS[peer].prepare(tiny, chosen.targets(tiny, "0"), chosen)(torch.ones(2, 3), 2)
    run = PEERS[peer].prepare(model, chosen.targets(model, nets.NETS[net].head), chosen)
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed must not serve the peer unseen
    CLEAR.write_text("5")  # resets the high-water mark
    before = _resident("VmRSS")
    for _ in range(2):
        run(inputs, samples)
    return max(_resident("VmHWM") - before, 0)


if __name__ == "__main__":
    net, metric_set, peer, size, samples, threads = sys.argv[1:]
    found = _measure(
        net=net,
        metric_set=metric_set,
        peer=peer,
        size=int(size),
        samples=int(samples),
        threads=int(threads),
    )
    print(found)
