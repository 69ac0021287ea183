"""Creates a RayJob under its fixed name, unless one of that name is active: the CronJob's work.

It speaks to the API server with the standard library, from within a pod: four requests at most need
no client package in the image.
"""

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from raygrad.errors import JobFailedError
from raygrad.k8s.patch import patched

FINISHED = ("Complete", "Failed", "ValidationFailed")
"""Values of a RayJob's ``status.jobDeploymentStatus`` after which KubeRay does no more with it."""

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Outcome(NamedTuple):
    """What came of it, for people."""

    created: bool
    message: str


class ApiServer:
    """The RayJobs of the pod's own namespace.

    Args:
        url: The API server's; by default as Kubernetes tells each pod.
        account: The folder with the ServiceAccount's token, namespace and ca.crt.
    """

    def __init__(self, url: str | None = None, account: Path = ACCOUNT) -> None:
        if not (account / "token").exists():
            raise JobFailedError(
                f"there is no {account / 'token'}; this command runs in a pod, as the CronJob of "
                "`raygrad k8s render --schedule` starts it"
            )
        if url is None:
            host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
            host = f"[{host}]" if ":" in host else host
            url = f"https://{host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}"
        namespace = (account / "namespace").read_text().strip()
        self.namespace = namespace
        self._jobs = f"{url}/apis/ray.io/v1/namespaces/{namespace}/rayjobs"
        self._account = account

    def request(self, method: str, name: str = "", body: Any = None) -> tuple[int, Any]:
        """One request, and its answer.

        Returns:
            The status and the answer's JSON, which is None where the RayJob isn't there (404), is
            there already, or is another one by now (409).

        Raises:
            JobFailedError: For any other answer, and for none.
        """
        request = urllib.request.Request(
            f"{self._jobs}/{name}" if name else self._jobs,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {(self._account / 'token').read_text().strip()}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._tls()) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            expected = (409,) if method == "POST" else (404, 409)
            if error.code in expected and _is_about_a_rayjob(text):
                return error.code, None
            raise JobFailedError(
                f"the API server answers {error.code} to {method} a RayJob: {_reason(text)}"
            ) from error
        except OSError as error:
            raise JobFailedError(f"the API server doesn't answer: {error}") from error

    def _tls(self) -> ssl.SSLContext | None:
        if self._jobs.startswith("http://"):
            return None
        return ssl.create_default_context(cafile=str(self._account / "ca.crt"))


def start(folder: str, server: ApiServer | None = None, patience: float = 300) -> Outcome:
    """Creates the RayJob of a folder; deletes a finished one of that name first.

    Args:
        folder: It holds ``rayjob.yaml`` and, from an overlay, JSON patches in ``*patch.yaml``.
        server: The API server; None for that of this pod's cluster.
        patience: Seconds until a deleted RayJob must be gone.

    Raises:
        JobFailedError: If the API server refuses, or can't be reached.
    """
    server = server or ApiServer()
    rayjob = yaml.safe_load((Path(folder) / "rayjob.yaml").read_text("utf-8"))
    for patch in sorted(Path(folder).glob("*patch.yaml")):
        rayjob = patched(rayjob, yaml.safe_load(patch.read_text("utf-8")))
    rayjob["metadata"]["namespace"] = server.namespace
    name = rayjob["metadata"]["name"]
    code, there = server.request("GET", name)
    replaced = ""
    if code != 404:
        state = (there.get("status") or {}).get("jobDeploymentStatus") or "New"
        if state not in FINISHED:
            return Outcome(
                False,
                f"RayJob {name} is still active ({state}), so no other is created; it goes on, and "
                "what is new is scored the next time",
            )
        _delete(server, name, there["metadata"]["uid"], patience)
        replaced = f", in place of the one that ended as {state}"
    code, _ = server.request("POST", body=rayjob)
    if code == 409:
        return Outcome(False, f"RayJob {name} was created by someone else in this moment")
    return Outcome(True, f"created RayJob {name}{replaced}")


def _delete(server: ApiServer, name: str, uid: str, patience: float) -> None:
    # Of that uid only: if someone replaced it since, theirs must live.
    options = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
    server.request("DELETE", name, {"apiVersion": "v1", "kind": "DeleteOptions", **options})
    until = time.monotonic() + patience
    while time.monotonic() < until:
        code, there = server.request("GET", name)
        if code == 404 or there["metadata"]["uid"] != uid:
            return
        time.sleep(min(2, patience / 10))
    raise JobFailedError(
        f"RayJob {name} was deleted, but isn't gone after {patience:g} s; see whether the KubeRay "
        "operator is running"
    )


def _is_about_a_rayjob(text: str) -> bool:
    """Whether a refusal is about a RayJob: without namespace or CRD, nothing is found either."""
    try:
        details = json.loads(text).get("details") or {}
    except ValueError:
        return False
    return details.get("kind") == "rayjobs" and bool(details.get("name"))


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:200] or "without a reason"
