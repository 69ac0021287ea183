"""A job without scores says what it waits for: once a minute, and the right thing."""

import io
import json
import logging
import time

import pytest
import ray
from rich.console import Console

from raygrad.cluster import progress, stages, stall
from raygrad.cluster.placement import Capacity
from raygrad.cluster.progress import JobProgress
from raygrad.cluster.run_log import json_on_stderr
from raygrad.cluster.stages import Stages, Stopwatch
from raygrad.spec import ActorsSpec, JobSpec

ROOM = Capacity([({"CPU": 4.0}, 1)], False)


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class TestLine:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.01)
        monkeypatch.setattr(stall, "SECONDS", 0.3)

    @pytest.mark.parametrize("terminal", [True, False])
    def test_it_comes_once_an_interval_until_a_score_comes(self, terminal):
        asked: list[float] = []

        def why():
            asked.append(time.monotonic())
            return f"publishing {len(asked)}"

        out = io.StringIO()
        console = Console(file=out, width=100, force_terminal=terminal)
        began = time.monotonic()
        with JobProgress(40, console, why=why) as shown:
            wait_for(lambda: len(asked) == 3)
            scored = time.monotonic()
            shown.advance(10, 0, at=0.0)
            wait_for(lambda: len(asked) == 4)
        gaps = [after - before for before, after in zip([began, *asked], asked, strict=False)]
        assert min(gaps) >= 0.29
        assert asked[3] - scored >= 0.29
        for number in range(1, 5):
            assert (
                out.getvalue().count(f"No score for 0 s; publishing {number}.")
                + out.getvalue().count(f"No score for 1 s; publishing {number}.")
                == 1
            )

    def test_while_scores_come_nothing_is_said(self, monkeypatch):
        monkeypatch.setattr(stall, "SECONDS", 10)
        moment = [0.0]
        monkeypatch.setattr(progress.time, "monotonic", lambda: moment[0])
        out = io.StringIO()
        with JobProgress(40, Console(file=out), why=lambda: pytest.fail("asked")) as shown:
            for _ in range(60):
                shown.advance(1, 0, at=0.0)
                moment[0] += 5
                time.sleep(0.01)
        assert "60 of 40 rows" in out.getvalue()
        assert "No score" not in out.getvalue()

    def test_json_has_it_as_a_message(self, capsys):
        asked = []
        with (
            json_on_stderr(),
            JobProgress(40, Console(), style="json", why=lambda: asked.append(1) or "it waits"),
        ):
            wait_for(lambda: asked)
            time.sleep(0.05)
        lines = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
        assert "No score for 0 s; it waits." in lines

    def test_an_explanation_that_fails_ends_nothing(self, caplog):
        asked = []

        def why():
            asked.append(1)
            raise ray.exceptions.GetTimeoutError("in vain")

        out = io.StringIO()
        caplog.set_level(logging.WARNING, "raygrad.run")
        logging.getLogger("raygrad.run").propagate = True
        with JobProgress(40, Console(file=out), why=why):
            wait_for(lambda: len(asked) == 2)
        assert "can't tell what the job waits for: in vain" in caplog.text
        assert "0 of 40 rows" in out.getvalue().splitlines()[-1]


class Method:
    """What `handle.method.remote` is of a coordinator that answers at once."""

    def __init__(self, answer):
        self.remote = answer


class Coordinator:
    def __init__(self, *, slow=None, actors=0, units=0):
        self.stages = Method(lambda: slow or {})
        self.at_work = Method({"actor": actors, "unit": units}.__getitem__)


@pytest.mark.parametrize(
    ("now", "unpublished", "coordinator", "expected"),
    [
        (ROOM, 3, None, "publishing: 3 whole units wait for storage"),
        (
            Capacity([({"CPU": 1.0}, 1), ({"CPU": 1.0}, 1)], False),
            0,
            None,
            "no node yet: none of 2 has 2 CPU, 0.5 GPU for an actor",
        ),
        (Capacity([], False), 0, None, "no node yet: none of 0 has"),
        (ROOM, 0, Coordinator(units=3), "no actor is ready yet: its process is starting"),
        (
            ROOM,
            0,
            Coordinator(units=3),
            "no actor is ready yet: it needs 0.5 CPU, and 0.2 of the cluster's 4 are free; other",
        ),
        (
            ROOM,
            0,
            Coordinator(actors=2, units=3, slow={"reading": 3, "scoring": 2, "decoding": 1}),
            "scoring: 2 actors have been at one batch for long",
        ),
        (
            ROOM,
            0,
            Coordinator(actors=2, units=3, slow={"reading": 3, "decoding": 1}),
            "decoding: 1 readers have been at one batch for long",
        ),
        (
            ROOM,
            0,
            Coordinator(actors=2, units=3, slow={"reading": 3}),
            "reading: 3 readers have been at one batch for long",
        ),
        (ROOM, 0, Coordinator(actors=2), "no reader has started: all CPUs are taken"),
        (ROOM, 0, Coordinator(actors=2, units=3), "reading: 3 units are open, and none has given"),
    ],
)
def test_each_cause_is_named(monkeypatch, now, unpublished, coordinator, expected):
    gpus = {"cpus": 2.0, "gpus": 0.5} if expected.startswith("no node yet") else {"gpus": 0.0}
    spec = JobSpec.model_construct(actors=ActorsSpec(**gpus))
    monkeypatch.setattr(stall, "capacity", lambda embedded: now)
    monkeypatch.setattr(ray, "get", lambda references, timeout: references)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    free = 0.2 if "of the cluster's" in expected else 4.0
    monkeypatch.setattr(ray, "available_resources", lambda: {"CPU": free})
    found = stall.explanation(spec, ROOM, coordinator, lambda: unpublished)
    assert found.startswith(expected)
    assert "\n" not in found


class TestStages:
    def test_a_worker_counts_in_its_last_stage_until_it_was_silent_for_long(self, monkeypatch):
        clock = [100.0]
        monkeypatch.setattr(stages.time, "monotonic", lambda: clock[0])
        heard = Stages()
        heard.slow("a", "reading")
        heard.slow("b", "reading")
        heard.slow("a", "scoring")
        assert heard.stages() == {"reading": 1, "scoring": 1}
        clock[0] += 2 * stages.SLOW
        heard.slow("b", "reading")
        assert heard.stages() == {"reading": 1, "scoring": 1}
        clock[0] += stages.SLOW
        assert heard.stages() == {"reading": 1}


class TestStopwatch:
    @pytest.fixture
    def told(self, monkeypatch):
        """Whatever is told, by a worker that calls a stage slow after 0.1 s."""
        found = []
        monkeypatch.setattr(stages, "SLOW", 0.1)
        context = type("Context", (), {"get_worker_id": lambda self: "me"})()
        monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
        self.coordinator = type("Handle", (), {"slow": Method(lambda *what: found.append(what))})()
        return found

    def test_who_is_long_in_a_stage_tells_again_and_again(self, told):
        with Stopwatch(self.coordinator) as watch:
            with watch.stage("scoring"):
                wait_for(lambda: len(told) == 2)
            time.sleep(0.25)
            assert told == [("me", "scoring")] * 2

    def test_quick_stages_tell_nothing(self, told):
        with Stopwatch(self.coordinator) as watch:
            for _ in range(30):
                with watch.stage("decoding"):
                    time.sleep(0.01)
        assert told == []

    def test_waiting_for_an_item_is_a_stage_and_using_it_is_none(self, told):
        def items():
            yield 1
            wait_for(lambda: told)
            yield 2

        with Stopwatch(self.coordinator) as watch:
            found = []
            for item in watch.each("reading", items()):
                found.append(item)
                if item == 1:
                    time.sleep(0.3)
                    assert told == []
        assert found == [1, 2]
        assert set(told) == {("me", "reading")}

    def test_an_error_ends_the_stage_and_the_end_the_thread(self, told):
        with Stopwatch(self.coordinator) as watch:
            with pytest.raises(ZeroDivisionError), watch.stage("scoring"):
                raise ZeroDivisionError
            time.sleep(0.25)
        assert told == []
        watch._thread.join(1)
        assert not watch._thread.is_alive()
