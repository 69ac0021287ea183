"""What can be said against manifests without an API server: schemas, references, hardening."""

import functools
import itertools
import json
from collections.abc import Iterator
from typing import Any

import crd_schema
import kubernetes_validate
import yaml

from raygrad.k8s.patch import patched

KUBERNETES = "1.34"

Object = dict[str, Any]


def complaints(objects: list[Object]) -> list[str]:
    """Everything that is wrong; none for sound manifests."""
    objects = [*objects, *nightly_rayjobs(objects)]
    found = []
    for one in objects:
        found += schema_complaints(one)
    if not found:
        found += reference_complaints(objects)
        for where, pod in pods(objects):
            found += hardening_complaints(where, pod["spec"])
    return found


def nightly_rayjobs(objects: list[Object]) -> list[Object]:
    """The RayJobs that lie as text in ConfigMaps, as ``raygrad k8s start`` would create them."""
    made = []
    for one in objects:
        if one.get("kind") == "ConfigMap" and "rayjob.yaml" in one["data"]:
            rayjob = yaml.safe_load(one["data"]["rayjob.yaml"])
            for key in sorted(one["data"]):
                if key.endswith("patch.yaml"):
                    rayjob = patched(rayjob, yaml.safe_load(one["data"][key]))
            made.append(rayjob)
    return made


def schema_complaints(one: Object) -> tuple[str, ...]:
    return _schema_complaints(json.dumps(one))


@functools.cache  # most tests change one object of ten
def _schema_complaints(text: str) -> tuple[str, ...]:
    one = json.loads(text)
    if one.get("kind") != "RayJob":
        return tuple(_core(one, str(one.get("kind"))))
    found = tuple(crd_schema.complaints(one))
    if found:
        return found
    templates = [(where, {"apiVersion": "v1", "kind": "Pod", **pod}) for where, pod in pods([one])]
    return tuple(itertools.chain.from_iterable(_core(pod, where) for where, pod in templates))


def _core(one: Object, where: str) -> Iterator[str]:
    try:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{where}{error.json_path}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{where}: {error.message}"


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [one for one in objects if one["kind"] == kind]


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Each pod template, with its place."""
    for one in objects:
        if one["kind"] == "RayJob":
            spec = one["spec"]
            yield "submitter", spec["submitterPodTemplate"]
            yield "head", spec["rayClusterSpec"]["headGroupSpec"]["template"]
            for group in spec["rayClusterSpec"]["workerGroupSpecs"]:
                yield group["groupName"], group["template"]
        elif one["kind"] == "CronJob":
            yield "nightly", one["spec"]["jobTemplate"]["spec"]["template"]


def reference_complaints(objects: list[Object]) -> Iterator[str]:
    """Names and selectors that nothing in the same set of manifests answers to."""
    names = {
        kind: {o["metadata"]["name"] for o in of_kind(objects, kind)} for kind in _kinds(objects)
    }
    labels = [pod["metadata"]["labels"] for _, pod in pods(objects)]
    for where, pod in pods(objects):
        spec = pod["spec"]
        if spec["serviceAccountName"] not in names["ServiceAccount"]:
            yield f"{where}: no ServiceAccount {spec['serviceAccountName']}"
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for volume in volumes.values():
            wanted = volume.get("configMap", {}).get("name")
            if wanted and wanted not in names["ConfigMap"]:
                yield f"{where}: no ConfigMap {wanted}"
        for container in spec["containers"]:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{where}: no volume {mount['name']}"
    for policy in of_kind(objects, "NetworkPolicy"):
        spec = policy["spec"]
        selectors = [spec["podSelector"]]
        for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
            for peer in [*rule.get("from", []), *rule.get("to", [])]:
                if "namespaceSelector" not in peer:
                    selectors.append(peer["podSelector"])
        for selector in selectors:
            wanted = selector["matchLabels"].items()
            if not any(wanted <= one.items() for one in labels):
                yield f"NetworkPolicy {policy['metadata']['name']}: no pod has {dict(wanted)}"
    for binding in of_kind(objects, "RoleBinding"):
        if binding["roleRef"]["name"] not in names["Role"]:
            yield f"RoleBinding: no Role {binding['roleRef']['name']}"
        for subject in binding["subjects"]:
            if subject["name"] not in names["ServiceAccount"]:
                yield f"RoleBinding: no ServiceAccount {subject['name']}"
    for role in of_kind(objects, "Role"):
        for rule in role["rules"]:
            for name in set(rule.get("resourceNames", [])) - names["RayJob"]:
                yield f"Role: no RayJob {name}"
    for cronjob in of_kind(objects, "CronJob"):
        spec = cronjob["spec"]["jobTemplate"]["spec"]
        there = {container["name"] for container in spec["template"]["spec"]["containers"]}
        for rule in spec["podFailurePolicy"]["rules"]:
            if rule["onExitCodes"]["containerName"] not in there:
                yield f"podFailurePolicy: no container {rule['onExitCodes']['containerName']}"


def _kinds(objects: list[Object]) -> set[str]:
    return {"ServiceAccount", "ConfigMap", "Role", "RayJob", *(one["kind"] for one in objects)}


def hardening_complaints(where: str, spec: Object) -> Iterator[str]:
    """What Pod Security's profile ``restricted`` asks for, and a root file system to read only."""
    pod = spec.get("securityContext", {})
    if pod.get("runAsNonRoot") is not True or not pod.get("runAsUser"):
        yield f"{where}: may run as root"
    if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{where}: no seccomp profile"
    for container in spec["containers"]:
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{where}: may escalate privileges"
        if context.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{where}: keeps capabilities"
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{where}: root file system is writable"
        resources = container.get("resources", {})
        for kind, amount in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if amount not in resources.get(kind, {}):
                yield f"{where}: no {kind}.{amount}"
        for variable in container.get("env", []):
            secret = any(
                word in variable["name"] for word in ("SECRET", "TOKEN", "PASSWORD", "KEY")
            )
            if secret and "value" in variable:
                yield f"{where}: {variable['name']} is no reference to a Secret"
