"""The files in k8s/ are sound, and each kind of fault in them would be found."""

import copy
import itertools
import json
import re
import shlex
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator
from manifest_checks import complaints, hardening_complaints, nightly_rayjobs, of_kind, pods

from raygrad.cli.k8s import k8s as k8s_commands
from raygrad.cli.run import run as run_command
from raygrad.k8s import names, overlay, workers
from raygrad.spec import load

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["base", "overlays/cpu-dev", "overlays/gpu-prod"]
HEAD = "spec.rayClusterSpec.headGroupSpec"
WORKERS = "spec.rayClusterSpec.workerGroupSpecs.0"
NIGHTLY_POD = "spec.jobTemplate.spec.template.spec"
REMOVED = object()

BROKEN = {
    # id: (kind, path, new value, a part of the complaint)
    "rayjob-unknown-key": ("RayJob", "spec.shutdownAfterJobFinish", True, "shutdownAfterJobFinish"),
    "rayjob-unknown-metadata": ("RayJob", "metadata.lables", {}, "lables"),
    "rayjob-wrong-api-version": ("RayJob", "apiVersion", "ray.io/v2", "ray.io/v1"),
    "rayjob-wrong-type": ("RayJob", "spec.backoffLimit", "2", "'2' is not of type 'integer'"),
    "rayjob-number-for-text": ("RayJob", f"{HEAD}.rayStartParams.num-cpus", 0, "0 is not of type"),
    "rayjob-missing-required": ("RayJob", HEAD, REMOVED, "'headGroupSpec' is a required property"),
    "rayjob-missing-in-list": (
        "RayJob",
        f"{WORKERS}.maxReplicas",
        REMOVED,
        "'maxReplicas' is a req",
    ),
    "rayjob-bad-enum": (
        "RayJob",
        "spec.rayClusterSpec.authOptions.mode",
        "basic",
        "'basic' is not",
    ),
    "rayjob-bad-enum-autoscaler": (
        "RayJob",
        "spec.rayClusterSpec.autoscalerOptions.version",
        "v3",
        "'v3' is not one of",
    ),
    "rayjob-int-or-string": (
        "RayJob",
        f"{HEAD}.template.spec.containers.0.resources.limits.memory",
        [8],
        "[8] is not valid",
    ),
    "rayjob-bad-quantity": (
        "RayJob",
        f"{WORKERS}.template.spec.containers.0.resources.limits.memory",
        "8 gigabytes",
        "8 gigabytes",
    ),
    "podspec-typo": ("RayJob", f"{HEAD}.template.spec.container", [], "'container' was unexpected"),
    "podspec-typo-deep": (
        "RayJob",
        f"{WORKERS}.template.spec.containers.0.securityContext.runAsNonroot",
        True,
        "'runAsNonroot' was unexpected",
    ),
    "podspec-missing-name": (
        "RayJob",
        "spec.submitterPodTemplate.spec.containers.0.name",
        REMOVED,
        "'name' is a required property",
    ),
    "cronjob-typo": ("CronJob", "spec.concurencyPolicy", "Forbid", "'concurencyPolicy' was unexp"),
    "cronjob-wrong-type": ("CronJob", "spec.startingDeadlineSeconds", "1h", "'1h' is not of type"),
    "cronjob-missing": ("CronJob", "spec.schedule", REMOVED, "'schedule' is a required property"),
    "cronjob-podspec-typo": ("CronJob", f"{NIGHTLY_POD}.restartPolice", "Never", "'restartPolice'"),
    "role-typo": ("Role", "rules.0.verb", ["create"], "'verb' was unexpected"),
    "network-typo": ("NetworkPolicy", "spec.podSelectors", {}, "'podSelectors' was unexpected"),
    "unknown-kind": ("ServiceAccount", "kind", "ServiceAcount", "Couldn't find schema"),
    "selector-of-no-pod": (
        "NetworkPolicy",
        "spec.podSelector.matchLabels.app.kubernetes.io/instance",
        "scorers",
        "no pod has",
    ),
    "peer-of-no-pod": (
        "NetworkPolicy",
        "spec.ingress.0.from.0.podSelector.matchLabels.app.kubernetes.io/component",
        "rays",
        "no pod has",
    ),
    "pod-label-that-no-policy-selects": (
        "CronJob",
        "spec.jobTemplate.spec.template.metadata.labels.app.kubernetes.io/component",
        "daily",
        "no pod has",
    ),
    "no-such-account": ("RayJob", f"{HEAD}.template.spec.serviceAccountName", "x", "no ServiceAcc"),
    "no-such-config-map": (
        "RayJob",
        f"{WORKERS}.template.spec.volumes.2.configMap.name",
        "x",
        "no ConfigMap x",
    ),
    "no-such-volume": (
        "RayJob",
        f"{HEAD}.template.spec.containers.0.volumeMounts.0.name",
        "x",
        "no volume x",
    ),
    "no-such-role": ("RoleBinding", "roleRef.name", "x", "no Role x"),
    "no-such-subject": ("RoleBinding", "subjects.0.name", "x", "no ServiceAccount x"),
    "role-for-another-rayjob": ("Role", "rules.1.resourceNames.0", "x", "no RayJob x"),
    "policy-for-another-container": (
        "CronJob",
        "spec.jobTemplate.spec.podFailurePolicy.rules.0.onExitCodes.containerName",
        "x",
        "no container x",
    ),
    "root": ("CronJob", f"{NIGHTLY_POD}.securityContext.runAsNonRoot", False, "as root"),
    "uid-of-root": ("RayJob", f"{HEAD}.template.spec.securityContext.runAsUser", 0, "as root"),
    "writable-root": (
        "RayJob",
        f"{WORKERS}.template.spec.containers.0.securityContext.readOnlyRootFilesystem",
        False,
        "writable",
    ),
    "escalation": (
        "RayJob",
        "spec.submitterPodTemplate.spec.containers.0.securityContext.allowPrivilegeEscalation",
        REMOVED,
        "escalate",
    ),
    "capabilities": (
        "RayJob",
        f"{HEAD}.template.spec.containers.0.securityContext.capabilities",
        REMOVED,
        "capabilities",
    ),
    "seccomp": (
        "CronJob",
        f"{NIGHTLY_POD}.securityContext.seccompProfile.type",
        "Unconfined",
        "seccomp",
    ),
    "no-memory-limit": (
        "RayJob",
        f"{WORKERS}.template.spec.containers.0.resources.limits.memory",
        REMOVED,
        "limits.memory",
    ),
    "secret-as-text": (
        "RayJob",
        f"{HEAD}.template.spec.containers.0.env.0",
        {"name": "AWS_SECRET_ACCESS_KEY", "value": "x"},
        "no reference to a Secret",
    ),
}


def change(value, path, new):
    """Sets or removes what lies at a dotted path; label keys hold dots themselves."""
    *parents, last = re.split(r"\.(?!kubernetes\.io|io/)", path)
    for part in parents:
        value = value[int(part) if isinstance(value, list) else part]
    key = int(last) if isinstance(value, list) else last
    if new is REMOVED:
        del value[key]
    else:
        value[key] = new


@pytest.mark.parametrize("folder", FOLDERS)
def test_manifests_are_sound(folder, kustomized):
    assert complaints(kustomized(folder)) == []


@pytest.mark.parametrize("case", BROKEN)
def test_broken_manifest_is_found(case, kustomized):
    kind, path, new, expected = BROKEN[case]
    objects = copy.deepcopy(kustomized("overlays/gpu-prod"))
    change(next(one for one in objects if one["kind"] == kind), path, new)
    assert any(expected in complaint for complaint in complaints(objects)), complaints(objects)


def test_broken_rayjob_within_a_config_map_is_found(kustomized):
    objects = copy.deepcopy(kustomized("overlays/gpu-prod"))
    nightly = next(o for o in objects if "rayjob.yaml" in o.get("data", {}))
    nightly["data"]["rayjob.yaml"] = nightly["data"]["rayjob.yaml"].replace("entrypoint:", "entry:")
    assert any("'entry' was unexpected" in complaint for complaint in complaints(objects))


@pytest.mark.parametrize("name", overlay.names())
def test_kustomize_and_render_compose_the_same(name, kustomized):
    ours = overlay.objects(name)
    theirs = [o for o in kustomized(f"overlays/{name}") if o["kind"] != "ConfigMap"]
    key = lambda one: (one["kind"], one["metadata"]["name"])  # noqa: E731
    assert sorted(ours, key=key) == sorted(theirs, key=key)


@pytest.mark.parametrize("folder", FOLDERS)
def test_nightly_creates_the_rayjob_of_its_overlay(folder, kustomized):
    objects = kustomized(folder)
    assert nightly_rayjobs(objects) == of_kind(objects, "RayJob")


def test_command_offers_the_overlays_that_there_are():
    option = next(p for p in k8s_commands.commands["render"].params if p.name == "overlay")
    assert sorted(option.type.choices) == overlay.names()


@pytest.fixture(params=["overlays/cpu-dev", "overlays/gpu-prod"])
def objects(request, kustomized):
    return kustomized(request.param)


@pytest.fixture
def rayjob(objects):
    (found,) = of_kind(objects, "RayJob")
    return found


def test_head_takes_no_work(rayjob):
    params = rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]
    assert (params["num-cpus"], params["num-gpus"]) == ("0", "0")


def test_cluster_grows_from_nothing_and_goes_in_the_end(rayjob):
    spec = rayjob["spec"]
    cluster = spec["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"] is True
    assert [(g["replicas"], g["minReplicas"]) for g in cluster["workerGroupSpecs"]] == [(0, 0)]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["ttlSecondsAfterFinished"] > 0
    assert spec["backoffLimit"] in (0, 2)


def test_what_kuberay_asks_for_beyond_its_schema(rayjob):
    """Rules of the operator's own validation, which no schema holds."""
    cluster = rayjob["spec"]["rayClusterSpec"]
    assert len(rayjob["metadata"]["name"]) <= 47
    assert cluster["authOptions"]["mode"] == "token"
    assert tuple(map(int, cluster["rayVersion"].split("."))) >= (2, 52)
    assert rayjob["spec"]["submissionMode"] == "K8sJobMode"
    for where, pod in pods([rayjob]):
        if where != "submitter":  # autoscaler v2
            assert pod["spec"].get("restartPolicy", "Never") == "Never"


def test_entrypoint_is_a_command_that_raygrad_takes(rayjob):
    program, command, *arguments = shlex.split(rayjob["spec"]["entrypoint"])
    assert (program, command) == ("raygrad", "run")
    context = run_command.make_context("run", arguments)
    assert context.params["address"] == "auto"
    mounts = rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    (mount,) = [m for m in mounts["volumeMounts"] if m["name"] == "job"]
    assert context.params["spec"] == f"{mount['mountPath']}/job.yaml"


@pytest.mark.parametrize("folder", FOLDERS)
def test_spec_is_sound_and_its_actors_fit_the_workers(folder, kustomized):
    path = ROOT / "k8s" / folder / "job.yaml"
    sections, faults = load(str(path))
    assert faults == []
    objects = kustomized(folder)
    (config,) = [o for o in objects if "job.yaml" in o.get("data", {})]
    assert config["metadata"]["name"] == "scoring-spec"
    assert config["data"]["job.yaml"] == path.read_text()
    (rayjob,) = of_kind(objects, "RayJob")
    (group,) = rayjob["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    actors = sections["actors"]
    pod = {"pod_cpus": int(limits["cpu"]), "pod_gpus": int(limits.get("nvidia.com/gpu", 0))}
    size = workers.size(actors, **pod, pods=group["maxReplicas"])
    assert (size.cpus, size.gpus, size.pods) == (*pod.values(), group["maxReplicas"])
    assert size.actors.items() <= actors.model_dump().items()  # all are given


def test_everything_that_is_written_to_is_an_empty_dir(objects):
    for where, pod in pods(objects):
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        for container in pod["spec"]["containers"]:
            writable = {
                m["mountPath"]: volumes[m["name"]]
                for m in container["volumeMounts"]
                if not m.get("readOnly")
            }
            assert "/tmp" in writable, where
            home = next(v["value"] for v in container["env"] if v["name"] == "HOME")
            assert home in writable
            if where != "nightly":  # Ray, and user code, write where they are started
                assert container["workingDir"] in writable
            assert all("emptyDir" in volume for volume in writable.values())


def test_autoscaler_is_as_hardened_as_the_rest(rayjob):
    cluster = rayjob["spec"]["rayClusterSpec"]
    container = {"name": "autoscaler", **cluster["autoscalerOptions"]}
    pod = cluster["headGroupSpec"]["template"]["spec"]
    assert list(hardening_complaints("head", {**pod, "containers": [container]})) == []


def test_only_autoscaler_and_nightly_pod_get_a_token(objects, rayjob):
    for where, pod in pods(objects):
        assert pod["spec"]["automountServiceAccountToken"] is (where == "nightly")
        for container in pod["spec"]["containers"]:
            mounted = [m["name"] for m in container["volumeMounts"]]
            assert "api-access" not in mounted
    mounts = rayjob["spec"]["rayClusterSpec"]["autoscalerOptions"]["volumeMounts"]
    (token,) = [m for m in mounts if m["name"] == "api-access"]
    assert token["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    for account in of_kind(objects, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_secrets_come_by_reference_only(objects):
    assert of_kind(objects, "Secret") == []
    for where, pod in pods(objects):
        for container in pod["spec"]["containers"]:
            secrets = [source["secretRef"]["name"] for source in container.get("envFrom", [])]
            assert secrets == ([] if where in ("submitter", "nightly") else ["raygrad-storage"])


def test_rights_are_those_of_the_nightly_creation_alone(objects):
    (role,) = of_kind(objects, "Role")
    assert role["rules"] == [
        {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create"]},
        {
            "apiGroups": ["ray.io"],
            "resources": ["rayjobs"],
            "resourceNames": ["scoring"],
            "verbs": ["get", "delete"],
        },
    ]
    (binding,) = of_kind(objects, "RoleBinding")
    assert [subject["name"] for subject in binding["subjects"]] == ["scoring-nightly"]
    users = [
        w for w, pod in pods(objects) if pod["spec"]["serviceAccountName"] == "scoring-nightly"
    ]
    assert users == ["nightly"]


def test_cronjob_refuses_a_second_run(objects):
    (cronjob,) = of_kind(objects, "CronJob")
    spec = cronjob["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert list(names.schedule_faults(spec["schedule"])) == []
    rule = spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][0]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [4])
    container = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    program, group, command, folder = container["command"]
    assert (program, group) == ("raygrad", "k8s")
    assert command in k8s_commands.commands
    assert folder in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_all_objects_are_labelled_and_in_one_namespace(objects):
    for one in objects:
        metadata = one["metadata"]
        assert metadata["namespace"] == "raygrad"
        assert metadata["labels"]["app.kubernetes.io/name"] == "raygrad"
        assert metadata["labels"]["app.kubernetes.io/instance"] == "scoring"


def test_every_pod_is_under_a_network_policy(objects):
    chosen = [p["spec"]["podSelector"]["matchLabels"] for p in of_kind(objects, "NetworkPolicy")]
    for where, pod in pods(objects):
        labels = pod["metadata"]["labels"]
        assert any(one.items() <= labels.items() for one in chosen), where
    for policy in of_kind(objects, "NetworkPolicy"):
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_only_workers_with_gpus_go_to_spot_machines(kustomized):
    objects = kustomized("overlays/gpu-prod")
    tolerant = [where for where, pod in pods(objects) if pod["spec"].get("tolerations")]
    assert tolerant == ["gpu-scorers"]
    (worker,) = [pod for where, pod in pods(objects) if where == "gpu-scorers"]
    resources = worker["spec"]["containers"][0]["resources"]
    assert resources["requests"] == resources["limits"]
    assert resources["limits"]["nvidia.com/gpu"] == "1"


def test_rays_version_is_the_same_everywhere(rayjob):
    version = rayjob["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"ARG RAY_VERSION={version}\n" in (ROOT / "k8s/Dockerfile").read_text()
    assert f"ray=={version}\n" in (ROOT / "constraints.txt").read_text()


def test_dockerfile_has_a_target_a_device_and_copies_what_there_is():
    lines = (ROOT / "k8s/Dockerfile").read_text().splitlines()
    targets = [re.fullmatch(r"FROM \S+ AS (\S+)", line) for line in lines]
    assert [t[1] for t in targets if t][2:] == ["cpu", "gpu"]
    assert lines.count("USER 1000") == 2
    copies = [line.split()[2:-1] for line in lines if line.startswith("COPY")]
    for path in itertools.chain(*copies):
        assert (ROOT / path).exists(), path


def test_lifecycle_rule_is_one_that_s3_takes():
    rule = json.loads((ROOT / "k8s/lifecycle.json").read_text())
    service = botocore.session.Session().get_service_model("s3")
    shape = service.operation_model("PutBucketLifecycleConfiguration").input_shape
    report = ParamValidator().validate({"Bucket": "b", "LifecycleConfiguration": rule}, shape)
    assert not report.has_errors(), report.generate_report()
    assert rule["Rules"][0]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}


def test_kustomizations_name_each_file_in_their_folder():
    for path in (ROOT / "k8s").rglob("kustomization.yaml"):
        text = path.read_text()
        assert yaml.safe_load(text)["kind"] == "Kustomization"
        for file in set(path.parent.glob("*.yaml")) - {path}:
            assert file.name in text
