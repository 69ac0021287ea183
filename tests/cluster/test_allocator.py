"""Processes that hold a model keep the memory of a batch for the next one."""

import os
import platform
import subprocess
import sys

import pytest
from workplace import wait_until

from raygrad.cluster.allocator import KEEPS_MEMORY

PASSES = """
import resource
from concurrent.futures import ThreadPoolExecutor
import torch

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for megabytes in (1, 20, 100):
        torch.ones(megabytes << 18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with ThreadPoolExecutor(1) as pool:
    print([pool.submit(faults).result() for _ in range(8)][-1])
"""
PAGES = 121 * 256
"""Those of 121 MiB."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="for glibc's malloc")
def test_large_tensors_come_to_take_no_new_pages():
    def faults(**environment):
        command = [sys.executable, "-c", PASSES]
        done = subprocess.run(
            command, env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE
        )
        return int(done.stdout)

    assert faults(**KEEPS_MEMORY["env_vars"]) < PAGES / 100
    assert faults() > PAGES / 2  # else there is nothing to mend any more


@pytest.mark.cluster
def test_actors_are_such_processes(paused):
    process = paused.start()
    wait_until(lambda: paused.waiting("scoring"), process)
    for pid in paused.waiting("scoring"):
        with open(f"/proc/{pid}/environ") as stream:
            found = dict(line.split("=", 1) for line in stream.read().split("\0") if line)
        assert found.items() >= KEEPS_MEMORY["env_vars"].items()
        assert str(paused.folder) in found["PYTHONPATH"]  # the job's own environment is kept
    paused.go()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
