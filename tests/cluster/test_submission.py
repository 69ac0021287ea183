"""What is sent to a cluster, under which name, and what is refused before anything is sent."""

from types import SimpleNamespace

import aiohttp
import pytest
from workplace import Workplace

from raygrad.cluster.submit import Shipment, submit
from raygrad.cluster.submit.following import RECONNECTIONS, follow
from raygrad.cluster.submit.submission import name_of
from raygrad.errors import ClusterError, SpecError
from raygrad.spec import load


class Client:
    """A cluster that notes what it is asked; `answers` are raised by `submit_job` first."""

    def __init__(self, jobs=(), answers=()):
        self.jobs = list(jobs)
        self.answers = list(answers)
        self.sent = []

    def list_jobs(self):
        return self.jobs

    def submit_job(self, **asked):
        self.sent.append(asked)
        if self.answers:
            raise self.answers.pop(0)
        return asked["submission_id"]


def job(identifier, status, metadata=None):
    return SimpleNamespace(
        submission_id=identifier,
        status=SimpleNamespace(value=status),
        metadata={"raygrad": "1"} if metadata is None else metadata,
        start_time=1000,
        end_time=None,
        message=None,
    )


@pytest.fixture
def place(tmp_path, monkeypatch) -> Workplace:
    """A job whose paths every node sees."""
    place = Workplace(tmp_path)
    place.spec["output"] = str(tmp_path / "table")
    place.spec["sources"][0]["path"] = str(tmp_path / "inputs")
    place.spec["model"]["checkpoint"] = "s3://bucket/checkpoint.pt"
    place.write_spec()
    monkeypatch.chdir(tmp_path)
    return place


def stem(*options: str) -> str:
    return name_of("job.yaml", load("job.yaml")[0], options)


def test_the_first_attempt_runs_the_spec_from_the_working_directory(place):
    client = Client()
    found = submit(client, Shipment("job.yaml"), ["--retry-errors"])
    (sent,) = client.sent
    assert sent["entrypoint"] == "python -m raygrad run job.yaml --address auto --retry-errors"
    assert sent["metadata"]["options"] == "--retry-errors"
    assert sent["metadata"]["table"] == str(place.folder / "table")
    assert found.id == sent["submission_id"] == f"{stem('--retry-errors')}-1"
    assert not found.attached
    assert sent["runtime_env"]["working_dir"] == str(place.folder)


def test_a_job_that_is_pending_or_running_is_attached_to(place):
    for status in ("PENDING", "RUNNING"):
        client = Client([job(f"{stem()}-1", "FAILED"), job(f"{stem()}-2", status)])
        found = submit(client, Shipment("job.yaml"))
        assert (found.id, found.attached, client.sent) == (f"{stem()}-2", True, [])


def test_attempts_are_counted_as_numbers(place):
    client = Client([job(f"{stem()}-{number}", "FAILED") for number in (10, 9, 2)])
    assert submit(client, Shipment("job.yaml")).id == f"{stem()}-11"


def test_who_comes_second_attaches_to_the_first(place):
    class Raced(Client):
        def submit_job(self, **asked):
            self.jobs.append(job(asked["submission_id"], "PENDING"))
            return super().submit_job(**asked)

    client = Raced(answers=[RuntimeError("Job with submission_id x already exists.")])
    found = submit(client, Shipment("job.yaml"))
    assert (found.id, found.attached) == (f"{stem()}-1", True)


def test_another_spec_table_or_option_is_another_job(place):
    names = {stem(), stem("--limit", "5"), stem("--output", "s3://bucket/other")}
    place.spec["batch_size"] = 16
    place.write_spec()
    assert len({*names, stem()}) == 4


def test_secrets_are_in_no_name(place):
    before = stem()
    place.spec["storage"] = {"s3": {"secret": "a"}}
    place.write_spec()
    assert stem() == before


def test_paths_of_this_machine_are_refused_with_all_other_faults(place):
    place.spec |= {"output": "table", "bach_size": 3}
    place.spec["sources"][0]["path"] = ["inputs", "@list.txt", "s3://bucket/in"]
    place.spec["model"]["checkpoint"] = "checkpoint.pt"
    place.write_spec()
    client = Client()
    with pytest.raises(SpecError) as caught:
        submit(client, Shipment("job.yaml"))
    assert [fault.place for fault in caught.value.faults] == [
        "bach_size",
        "output",
        "sources[0].path",
        "sources[0].path",
        "model.checkpoint",
    ]
    assert client.sent == []


def test_a_folder_of_weights_of_this_machine_is_refused(place):
    (place.folder / "topics").mkdir()
    place.spec["model"] = {"factory": "huggingface:topics"}
    place.write_spec()
    with pytest.raises(SpecError, match=r"model\.factory: topics is relative to this machine's"):
        submit(Client(), Shipment("job.yaml"))
    place.spec["model"] = {"factory": "huggingface:an-organisation/topics"}
    place.write_spec()
    assert submit(Client(), Shipment("job.yaml")).status == "PENDING"


def test_a_spec_beside_the_working_directory_is_refused(place, tmp_path_factory):
    elsewhere = str(tmp_path_factory.mktemp("code"))
    with pytest.raises(SpecError, match=r"isn't within .* set --working-dir"):
        submit(Client(), Shipment("job.yaml", elsewhere))


def test_what_is_sent_in_rays_terms(place):
    shipment = Shipment("job.yaml", modules=["models.py"], excludes=["*.log"], with_raygrad=True)
    found = shipment.runtime_env()
    assert [path.rsplit("/", 1)[1] for path in found["py_modules"]] == ["models.py", "raygrad"]
    assert {"*.pt", "*.safetensors", "*.parquet", "*.log"} <= set(found["excludes"])
    assert "pip" not in found
    (place.folder / "requirements.txt").write_text("numpy")
    assert Shipment("job.yaml", pip=["requirements.txt"]).runtime_env()["pip"] == "requirements.txt"
    assert Shipment("job.yaml", uv=["numpy", "pandas"]).runtime_env()["uv"] == ["numpy", "pandas"]


def test_a_cluster_that_refuses_is_quoted(place):
    client = Client(answers=[RuntimeError("the working_dir exceeds 500 MiB")])
    with pytest.raises(ClusterError, match="refused the job: the working_dir exceeds 500 MiB"):
        submit(client, Shipment("job.yaml"))


class Following:
    """A job whose log comes in pieces, and whose connection breaks as often as it is told."""

    def __init__(self, pieces, breaks, status="SUCCEEDED", code=0, *, error=None, closes=0):
        self.pieces, self.breaks = pieces, breaks
        self.status, self.code = status, code
        self.error = error or RuntimeError("WebSocket connection closed unexpectedly")
        self.closes = closes

    async def tail_job_logs(self, identifier):
        for index, piece in enumerate(self.pieces):
            if self.breaks and self.breaks[0] == index:
                self.breaks.pop(0)
                raise self.error
            yield piece

    def get_job_status(self, identifier):
        self.closes -= 1
        return SimpleNamespace(value=self.status if self.closes < 0 else "RUNNING")

    def get_job_info(self, identifier):
        return SimpleNamespace(driver_exit_code=self.code, message="no space\non the node")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr("raygrad.cluster.submit.following.SECONDS_BETWEEN_QUESTIONS", 0)


@pytest.mark.parametrize("breaks", [[], [1], [0, 2, 2]])
def test_a_log_is_passed_on_once_even_if_the_connection_breaks(breaks):
    written = []
    assert follow(Following(["ab", "cde", "f"], breaks), "x", written.append) == 0
    assert "".join(written) == "abcdef"


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.WSServerHandshakeError(None, (), status=502),
        ConnectionResetError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_dashboard_that_goes_away_and_comes_back_is_waited_for(error):
    written = []
    assert follow(Following(["ab", "c"], [1, 0, 0], error=error), "x", written.append) == 0
    assert "".join(written) == "abc"


def test_a_connection_that_is_closed_again_and_again_is_opened_again():
    written = []
    closing = Following(["ab", "c"], [], closes=2 * RECONNECTIONS)
    assert follow(closing, "x", written.append) == 0
    assert "".join(written) == "abc"


def test_a_cluster_that_stays_away_is_given_up_with_its_last_error():
    gone = Following(["ab"], [0] * 100, error=aiohttp.ServerDisconnectedError("gone"))
    with pytest.raises(ClusterError, match="no longer answers about x: gone; the job may go on"):
        follow(gone, "x", print)


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [("SUCCEEDED", 0, 0), ("FAILED", 3, 3), ("FAILED", None, 1), ("STOPPED", None, 130)],
)
def test_the_exit_code_is_that_of_the_run(status, code, exit_code):
    written = []
    assert follow(Following([], [], status, code), "x", written.append) == exit_code
    assert ("no space" in "".join(written)) == (status == "FAILED" and code is None)
