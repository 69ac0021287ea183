"""From a job's spec to its manifests: what an overlay holds, with the job's names and size."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from raygrad.errors import Fault, SpecError
from raygrad.k8s import names, overlay, refusals, workers
from raygrad.spec import load

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
ELASTIC_ANNOTATION = "kueue.x-k8s.io/elastic-job"
NODE_GROUPS = "RAYGRAD_NODE_GROUPS"
"""As in :mod:`raygrad.cluster.placement`, which imports Ray."""


@dataclass(frozen=True)
class Settings:
    """What the spec doesn't say.

    Attributes:
        overlay: One of :func:`raygrad.k8s.overlay.names`.
        image: Of all containers.
        name: The RayJob's, from which all others derive.
        namespace: Where everything lies; it must exist.
        schedule: Cron fields, in UTC; None for a single RayJob.
        queue: Kueue's LocalQueue; None without Kueue.
        secret: Name of the Secret whose entries become environment variables of Ray's pods.
        fixed: Whether all workers start at once and stay, without an autoscaler.
    """

    overlay: str
    image: str
    name: str
    namespace: str = "raygrad"
    schedule: str | None = None
    queue: str | None = None
    secret: str = "raygrad-storage"
    fixed: bool = False


def render(path: str, settings: Settings) -> str:
    """The manifests of one job, as YAML for ``kubectl apply -f -``.

    Args:
        path: The spec, a YAML file; only its text is checked, no file or model is looked at.
        settings: The rest.

    Raises:
        SpecError: With every fault of spec and settings.
    """
    sections, faults = load(path)
    faults += _setting_faults(settings)
    if faults:
        raise SpecError(faults, path)
    with open(path, encoding="utf-8") as stream:
        document = yaml.safe_load(stream)
    found = overlay.objects(settings.overlay)
    rayjob = next(o for o in found if o["kind"] == "RayJob")
    group = rayjob["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    pod_gpus = int(limits.get(workers.GPU, 0))
    faults = [
        *refusals.credential_faults(document),
        *refusals.local_faults(document),
        *workers.gpu_faults(sections["actors"], settings.overlay, pod_gpus),
    ]
    if faults:
        raise SpecError(faults, path)
    size = workers.size(
        sections["actors"],
        pod_cpus=int(limits["cpu"]),
        pod_gpus=pod_gpus,
        pods=group["maxReplicas"],
    )
    _set_size(group, size)
    head = rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    head["env"] = [*head["env"], {"name": NODE_GROUPS, "value": _node_groups(size)}]
    _set_queue(rayjob, settings)
    rendered = [_named(o, settings) for o in found]
    actors = {**(document.get("actors") or {}), **size.actors}
    spec = yaml.safe_dump({**document, "actors": actors}, sort_keys=False)
    return yaml.dump_all(_chosen(rendered, spec, settings), Dumper=_Dumper, sort_keys=False)


def _setting_faults(settings: Settings) -> list[Fault]:
    checks: dict[str, tuple[str | None, Callable[[str], Iterator[str]]]] = {
        "--name": (settings.name, names.job_name_faults),
        "--image": (settings.image, names.image_faults),
        "--namespace": (settings.namespace, names.label_faults),
        "--schedule": (settings.schedule, names.schedule_faults),
        "--queue": (settings.queue, names.label_faults),
        "--secret": (settings.secret, names.secret_faults),
    }
    return [
        Fault(option, f'got "{value}"; {message}')
        for option, (value, check) in checks.items()
        if value is not None
        for message in check(value)
    ]


def _set_size(group: dict[str, Any], size: workers.Size) -> None:
    group["maxReplicas"] = size.pods
    for amounts in group["template"]["spec"]["containers"][0]["resources"].values():
        amounts["cpu"] = str(size.cpus)
        amounts.pop(workers.GPU, None)
        if size.gpus:
            amounts[workers.GPU] = str(size.gpus)


def _node_groups(size: workers.Size) -> str:
    """For the job, which counts what its cluster can have: Ray doesn't tell it."""
    resources = {"CPU": size.cpus, **({"GPU": size.gpus} if size.gpus else {})}
    return json.dumps([{"resources": resources, "max": size.pods}])


def _set_queue(rayjob: dict[str, Any], settings: Settings) -> None:
    cluster = rayjob["spec"]["rayClusterSpec"]
    if settings.fixed:
        del cluster["enableInTreeAutoscaling"], cluster["autoscalerOptions"]
        for group in cluster["workerGroupSpecs"]:
            group["replicas"] = group["minReplicas"] = group["maxReplicas"]
    if settings.queue is not None:
        rayjob["metadata"]["labels"][QUEUE_LABEL] = settings.queue
        rayjob["spec"]["suspend"] = True  # until Kueue admits it
        if not settings.fixed:
            rayjob["metadata"]["annotations"] = {ELASTIC_ANNOTATION: "true"}


def _named(value: Any, settings: Settings) -> Any:
    """A copy with the job's names, its namespace, image and Secret in place of the base's."""
    if isinstance(value, list):
        return [_named(item, settings) for item in value]
    if not isinstance(value, dict):
        return value
    copied: dict[str, Any] = {}
    for key, inner in value.items():
        if key == "namespace" and isinstance(inner, str):
            copied[key] = settings.namespace
        elif key == "image":
            copied[key] = settings.image
        elif key == "secretRef":
            copied[key] = {**inner, "name": settings.secret}
        elif inner in (overlay.BASE_NAME, *overlay.OTHER_NAMES):
            copied[key] = settings.name + inner.removeprefix(overlay.BASE_NAME)
        elif key == "resourceNames":
            copied[key] = [settings.name]
        else:
            copied[key] = _named(inner, settings)
    return copied


def _chosen(found: list[dict[str, Any]], spec: str, settings: Settings) -> Iterator[dict[str, Any]]:
    """Either the RayJob or what creates it each night, after all that they need."""
    nightly = f"{settings.name}-nightly"
    rayjob = next(o for o in found if o["kind"] == "RayJob")
    yield _config_map(f"{settings.name}-spec", {"job.yaml": spec}, rayjob)
    for one in found:
        if one is not rayjob and one["kind"] != "CronJob" and one["metadata"]["name"] != nightly:
            yield one
    if settings.schedule is None:
        yield rayjob
        return
    text = yaml.dump(rayjob, Dumper=_Dumper, sort_keys=False)
    yield _config_map(nightly, {"rayjob.yaml": text}, rayjob)
    for one in found:
        if one["metadata"]["name"] == nightly:
            if one["kind"] == "CronJob":
                one["spec"]["schedule"] = settings.schedule
            yield one


def _config_map(name: str, data: dict[str, str], rayjob: dict[str, Any]) -> dict[str, Any]:
    labels = {k: v for k, v in rayjob["metadata"]["labels"].items() if k != QUEUE_LABEL}
    metadata = {"name": name, "namespace": rayjob["metadata"]["namespace"], "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and no anchors, so that people can read them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
