"""Jobs that would wait for ever are refused, and say what for."""

import pytest
from workplace import interrupt, wait_until

pytestmark = pytest.mark.cluster


def test_actors_that_this_machine_can_not_place_are_refused(workplace):
    workplace.spec["actors"] = {"cpus": 1000.0, "gpus": 3.0}
    refused = workplace.run()
    assert refused.returncode == 2
    assert "actors.cpus: 1 actors of 1000 CPU don't fit; this machine has 1 of " in refused.stderr
    assert "actors.gpus: 1 actors of 3 GPU don't fit; this machine has 1 of " in refused.stderr


def test_a_cluster_that_does_not_answer_is_told(workplace):
    failed = workplace.run("--address", "127.0.0.1:1")
    assert failed.returncode == 1
    assert "no Ray cluster answers at 127.0.0.1:1" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_an_interrupt_before_anything_is_begun_stops_at_once(workplace):
    """The actor is still building its model, so that there is nothing in flight to finish."""
    workplace.spec["model"] |= {
        "factory": "models:slow_to_build",
        "arguments": {"folder": str(workplace.folder)},
    }
    del workplace.spec["model"]["checkpoint"]
    process = workplace.start()
    wait_until((workplace.folder / "building").exists, process)
    interrupt(process)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 130, err
    assert "Stopped at once; run again to go on." in err
    assert "Traceback" not in err
    assert workplace.files() == {}
