"""Ctrl-C while a submitted job is followed: the user is asked, and is asked only where one is."""

import os
import pty
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from raygrad.cli import main

SCRIPT = """
import sys, time
from raygrad.cluster import submit
from raygrad.cli.submit import _follow

def follow(client, job, write):
    print("following", flush=True)
    time.sleep(60)

submit.follow = follow
def stop(client, job, seconds):
    if "slow" in sys.argv:
        print("waiting", flush=True)
        time.sleep(60)
    return "STOPPED"

submit.stop = stop
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


def test_a_second_ctrl_c_leaves_the_job_to_its_stopping():
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "slow"],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "following\n"
    process.send_signal(signal.SIGINT)
    os.write(master, b"stop\n")
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("raygrad-job-1 goes on stopping; see raygrad jobs.\n")


@pytest.mark.parametrize(("status", "code"), [("STOPPED", 0), ("SUCCEEDED", 0), ("RUNNING", 1)])
def test_stop_says_by_its_exit_code_whether_the_job_is_over(monkeypatch, status, code):
    from raygrad.cluster import submit

    monkeypatch.setattr(submit, "connect", lambda address: None)
    monkeypatch.setattr(submit, "stop", lambda client, job, seconds: status)
    found = CliRunner().invoke(main, ["stop", "raygrad-job-1"])
    assert found.exit_code == code
    assert f"raygrad-job-1 is {status}." in found.output
