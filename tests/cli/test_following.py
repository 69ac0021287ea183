"""Ctrl-C while a submitted job is followed: the user is asked, and is asked only where one is."""

import os
import pty
import signal
import subprocess
import sys

import pytest

SCRIPT = """
import sys, time
from raygrad.cluster import submit
from raygrad.cli.submit import _follow

def follow(client, job, write):
    print("following", flush=True)
    time.sleep(60)

submit.follow = follow
submit.stop = lambda client, job, seconds: "STOPPED"
sys.exit(_follow(None, "raygrad-job-1"))
"""


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        ("stop\n", 130, "raygrad-job-1 is STOPPED"),
        ("detach\n", 0, "The job goes on: raygrad logs raygrad-job-1 -f"),
        ("\n", 0, "The job goes on"),
        (None, 0, "The job goes on"),
    ],
    ids=["stop", "detach", "default", "no terminal"],
)
def test_ctrl_c_asks_whether_to_detach_or_stop(answer, code, told):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.DEVNULL if answer is None else slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "following\n"
    process.send_signal(signal.SIGINT)
    if answer is not None:
        os.write(master, answer.encode())
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert told in out + err
    assert ("Detach from raygrad-job-1" in out + err) == (answer is not None)
