"""Who died at what."""

import pytest

from raygrad.cluster.attempts import Attempts, Worker

WORK = ("score", 3, 64)


@pytest.fixture
def attempts(monkeypatch):
    attempts = Attempts()
    monkeypatch.setattr(attempts, "_nodes", lambda: {"here", "there"})
    return attempts


def test_a_process_that_began_and_never_finished_has_died_once_another_begins(attempts):
    deaths = [attempts.attempt(WORK, Worker(process, "here")) for process in "abcd"]
    assert deaths == [0, 1, 2, 3]
    assert attempts.attempt(("score", 3, 72), Worker("d", "here")) == 0


def test_one_process_may_begin_the_same_work_again(attempts):
    assert [attempts.attempt(WORK, Worker("a", "here")) for _ in range(3)] == [0, 0, 0]


def test_finished_work_kills_nobody(attempts):
    attempts.attempt(WORK, Worker("a", "here"))
    attempts.finished(WORK)
    assert attempts.attempt(WORK, Worker("b", "here")) == 0


def test_the_loss_of_a_node_is_no_samples_fault(attempts):
    attempts.attempt(WORK, Worker("a", "lost"))
    attempts.attempt(WORK, Worker("b", "there"))
    assert attempts.attempt(WORK, Worker("c", "here")) == 1
