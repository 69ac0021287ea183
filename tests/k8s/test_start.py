"""A RayJob is created under its fixed name, unless one is active; a finished one makes way."""

import http.server
import json
import shutil
import threading
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from raygrad.cli import main
from raygrad.errors import JobFailedError
from raygrad.k8s import start as start_module
from raygrad.k8s.start import ApiServer, start

ROOT = Path(__file__).resolve().parents[2]
PATH = "/apis/ray.io/v1/namespaces/science/rayjobs"


class FakeApi(http.server.BaseHTTPRequestHandler):
    """RayJobs in a dict; deletion takes a few looks, as finalizers do."""

    def do_GET(self):
        self.handle_rayjob("GET")

    def do_POST(self):
        self.handle_rayjob("POST")

    def do_DELETE(self):
        self.handle_rayjob("DELETE")

    def handle_rayjob(self, method):  # noqa: PLR0911 - an answer a case
        server = self.server
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        server.requests.append((method, self.path, body))
        if self.headers["Authorization"] != "Bearer a-token":
            return self.answer(401, {"message": "Unauthorized"})
        if server.refusal:
            return self.answer(*server.refusal)
        if method == "POST":
            name = body["metadata"]["name"]
            if name in server.jobs:
                return self.refuse(409, name, "AlreadyExists")
            server.jobs[name] = {**body, "metadata": {**body["metadata"], "uid": "new"}}
            return self.answer(201, server.jobs[name])
        name = self.path.removeprefix(f"{PATH}/")
        if name in server.going:
            server.going[name] -= 1
            if not server.going[name]:
                del server.jobs[name], server.going[name]
        if name not in server.jobs:
            return self.refuse(404, name, "NotFound")
        if method == "DELETE":
            if body["preconditions"]["uid"] != server.jobs[name]["metadata"]["uid"]:
                return self.refuse(409, name, "Conflict")
            server.going[name] = server.looks
        return self.answer(200, server.jobs[name])

    def refuse(self, code, name, reason):
        details = {"name": name, "group": "ray.io", "kind": "rayjobs"}
        self.answer(code, {"kind": "Status", "reason": reason, "message": "no", "details": details})

    def answer(self, code, body):
        text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def cluster(tmp_path):
    """An API server without RayJobs, and a pod's ServiceAccount."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeApi)
    server.jobs, server.going, server.requests, server.refusal, server.looks = {}, {}, [], None, 3
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("a-token\n")
    (account / "namespace").write_text("science")
    server.api = ApiServer(f"http://127.0.0.1:{server.server_port}", account)
    server.account = account
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path):
    """As the ConfigMap of overlay cpu-dev is mounted."""
    mounted = tmp_path / "nightly"
    mounted.mkdir()
    shutil.copy(ROOT / "k8s/base/rayjob.yaml", mounted)
    shutil.copy(ROOT / "k8s/overlays/cpu-dev/rayjob-patch.yaml", mounted)
    return str(mounted)


def existing(state, uid="old"):
    status = {} if state is None else {"status": {"jobDeploymentStatus": state}}
    return {"metadata": {"name": "scoring", "uid": uid}, **status}


def methods(cluster):
    return [method for method, _, _ in cluster.requests]


def test_rayjob_is_created_with_the_overlays_patch(cluster, folder):
    outcome = start(folder, cluster.api)
    assert outcome == (True, "created RayJob scoring")
    assert methods(cluster) == ["GET", "POST"]
    created = cluster.jobs["scoring"]
    assert created["spec"]["backoffLimit"] == 0
    assert created["metadata"]["namespace"] == "science"


@pytest.mark.parametrize(
    "state", [None, "", "Initializing", "Running", "Retrying", "Suspended", "SomethingNew"]
)
def test_active_rayjob_is_left_alone(state, cluster, folder):
    cluster.jobs["scoring"] = existing(state)
    outcome = start(folder, cluster.api)
    assert not outcome.created
    assert f"RayJob scoring is still active ({state or 'New'})" in outcome.message
    assert methods(cluster) == ["GET"]


@pytest.mark.parametrize("state", ["Complete", "Failed", "ValidationFailed"])
def test_finished_rayjob_is_replaced(state, cluster, folder):
    cluster.jobs["scoring"] = existing(state)
    outcome = start(folder, cluster.api, patience=1)
    assert outcome == (True, f"created RayJob scoring, in place of the one that ended as {state}")
    assert cluster.jobs["scoring"]["metadata"]["uid"] == "new"
    assert methods(cluster) == ["GET", "DELETE", "GET", "GET", "GET", "POST"]


def test_rayjob_that_someone_else_replaced_meanwhile_lives(cluster, folder):
    cluster.jobs["scoring"] = existing("Complete")
    get = cluster.api.request

    def replaced_after_the_first_look(method, name="", body=None):
        answer = get(method, name, body)
        if method == "GET" and len(cluster.requests) == 1:
            cluster.jobs["scoring"] = existing("Running", uid="theirs")
        return answer

    cluster.api.request = replaced_after_the_first_look
    outcome = start(folder, cluster.api, patience=1)
    assert outcome == (False, "RayJob scoring was created by someone else in this moment")
    assert cluster.jobs["scoring"]["metadata"]["uid"] == "theirs"


def test_rayjob_that_will_not_go_is_an_error(cluster, folder):
    cluster.jobs["scoring"], cluster.looks = existing("Complete"), 10**6
    with pytest.raises(JobFailedError, match=r"isn't gone after 0\.2 s; see whether the KubeRay"):
        start(folder, cluster.api, patience=0.2)


REFUSALS = {
    "forbidden": ((403, {"message": "rayjobs is forbidden"}), "answers 403 to GET .*is forbidden"),
    "no-crd": ((404, "404 page not found\n"), "answers 404 to GET a RayJob: 404 page not found"),
    "broken": ((500, {"message": "etcd is down"}), "answers 500 to GET a RayJob: etcd is down"),
    "silent": ((503, ""), "answers 503 to GET a RayJob: without a reason"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusal_of_the_api_server_is_told(case, cluster, folder):
    cluster.refusal, expected = REFUSALS[case]
    with pytest.raises(JobFailedError, match=expected):
        start(folder, cluster.api)
    assert methods(cluster) == ["GET"]


def test_namespace_that_is_not_there_is_no_success(cluster, folder):
    """Creating answers 404 then, too, with the namespace in its details."""
    get = cluster.api.request

    def gone(method, name="", body=None):
        if method == "POST":
            details = {"name": "science", "kind": "namespaces"}
            cluster.refusal = (
                404,
                {"message": 'namespaces "science" not found', "details": details},
            )
        return get(method, name, body)

    cluster.api.request = gone
    with pytest.raises(JobFailedError, match='namespaces "science" not found'):
        start(folder, cluster.api)


def test_api_server_that_does_not_answer(cluster, folder):
    api = ApiServer("http://127.0.0.1:9", cluster.account)
    with pytest.raises(JobFailedError, match="the API server doesn't answer"):
        start(folder, api)


def test_outside_a_pod_it_says_where_it_belongs(folder):
    result = CliRunner().invoke(main, ["k8s", "start", folder])
    assert result.exit_code == 1
    assert (
        "this command runs in a pod, as the CronJob of `raygrad k8s render --schedule`"
        in result.stderr
    )


def test_command_prints_and_exits_with_4_where_one_is_active(cluster, folder, monkeypatch):
    monkeypatch.setattr(start_module, "ApiServer", lambda: cluster.api)
    result = CliRunner().invoke(main, ["k8s", "start", folder])
    assert (result.exit_code, result.output) == (0, "created RayJob scoring\n")
    result = CliRunner().invoke(main, ["k8s", "start", folder])
    assert result.exit_code == 4
    assert "still active (New)" in result.output


def test_url_comes_from_the_pods_environment(cluster, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    api = ApiServer(account=cluster.account)
    assert api._jobs == f"https://[fd00::1]:6443{PATH}"


def test_rendered_job_is_what_is_created(cluster, job, tmp_path):
    command = ["k8s", "render", job(), "--overlay", "gpu-prod", "--image", "r/i:1"]
    result = CliRunner().invoke(main, [*command, "--name", "photos", "--schedule", "@daily"])
    (text,) = [
        one["data"]["rayjob.yaml"]
        for one in yaml.safe_load_all(result.stdout)
        if "rayjob.yaml" in one.get("data", {})
    ]
    (tmp_path / "rayjob.yaml").write_text(text)
    assert start(str(tmp_path), cluster.api).message == "created RayJob photos"
    assert "photos" in cluster.jobs
