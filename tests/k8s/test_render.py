"""`raygrad k8s render` prints the sound manifests of one job, or all reasons why it can't."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from manifest_checks import complaints, nightly_rayjobs, of_kind, pods

from raygrad.cli import main
from raygrad.cluster.placement import NODE_GROUPS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "kubernetes.md"
IMAGE = "registry.example/team/raygrad:0.1.0-gpu"


def rendered(path, *options, overlay="gpu-prod"):
    command = ["k8s", "render", path, "--overlay", overlay, "--image", IMAGE, *options]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return list(yaml.safe_load_all(result.stdout))


def refused(path, *options, overlay="gpu-prod"):
    command = ["k8s", "render", path, "--overlay", overlay, "--image", IMAGE, *options]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr


def worker_group(objects):
    (rayjob,) = of_kind(objects, "RayJob") or nightly_rayjobs(objects)
    (group,) = rayjob["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    return group


def told_actors(objects):
    (spec,) = [o["data"]["job.yaml"] for o in objects if "job.yaml" in o.get("data", {})]
    return yaml.safe_load(spec)["actors"]


@pytest.mark.parametrize("overlay", ["cpu-dev", "gpu-prod"])
@pytest.mark.parametrize(
    "options",
    [[], ["--schedule", "30 1 * * mon-fri"], ["--queue", "gpus"], ["--fixed", "--queue", "gpus"]],
    ids=["once", "nightly", "queue", "fixed"],
)
def test_rendered_manifests_are_sound(job, overlay, options):
    objects = rendered(job(actors={}), "--name", "photos", *options, overlay=overlay)
    assert complaints(objects) == []


def test_single_job_has_no_cronjob_and_no_rights(job):
    kinds = [one["kind"] for one in rendered(job())]
    assert kinds == ["ConfigMap", "ServiceAccount", "NetworkPolicy", "RayJob"]


def test_schedule_leaves_the_rayjob_to_the_cronjob(job):
    objects = rendered(job(), "--schedule", "30 1 * * *")
    assert of_kind(objects, "RayJob") == []
    (cronjob,) = of_kind(objects, "CronJob")
    assert cronjob["spec"]["schedule"] == "30 1 * * *"
    (created,) = nightly_rayjobs(objects)
    assert created == of_kind(rendered(job()), "RayJob")[0]


def test_names_derive_from_the_file(job):
    objects = rendered(job("Nightly_Scores 2.yaml"), "--schedule", "@daily")
    assert {one["metadata"]["name"] for one in objects} == {
        "nightly-scores-2",
        "nightly-scores-2-spec",
        "nightly-scores-2-nightly",
    }
    (role,) = of_kind(objects, "Role")
    assert role["rules"][1]["resourceNames"] == ["nightly-scores-2"]


def test_nothing_of_the_base_is_left(job):
    path = job(output="s3://b/t", sources=[{"path": "s3://b/x.parquet"}])
    objects = rendered(path, "--name", "photos", "--namespace", "science", "--schedule", "@daily")
    text = yaml.safe_dump(objects)
    assert "scoring" not in text
    assert "registry.example/raygrad:" not in text
    assert {one["metadata"]["namespace"] for one in objects} == {"science"}
    (binding,) = of_kind(objects, "RoleBinding")
    assert binding["subjects"][0]["namespace"] == "science"


def test_all_containers_have_the_image_and_the_rays_the_secret(job):
    objects = rendered(job(), "--secret", "store-keys", "--schedule", "@daily")
    everything = [*objects, *nightly_rayjobs(objects)]
    for where, pod in pods(everything):
        for container in pod["spec"]["containers"]:
            assert container["image"] == IMAGE
            names = [source["secretRef"]["name"] for source in container.get("envFrom", [])]
            assert names == ([] if where in ("submitter", "nightly") else ["store-keys"])


def test_queue_makes_kueue_admit_the_rayjob(job):
    (rayjob,) = of_kind(rendered(job(), "--queue", "gpus"), "RayJob")
    assert rayjob["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert rayjob["metadata"]["annotations"] == {"kueue.x-k8s.io/elastic-job": "true"}
    assert rayjob["spec"]["suspend"] is True
    assert rayjob["spec"]["shutdownAfterJobFinishes"] is True


def test_without_a_queue_nothing_waits_for_kueue(job):
    (rayjob,) = of_kind(rendered(job()), "RayJob")
    assert "suspend" not in rayjob["spec"]
    assert "kueue" not in str(rayjob)


def test_fixed_cluster_has_all_workers_and_no_autoscaler(job):
    objects = rendered(job(actors={"max": 5}), "--fixed", "--queue", "gpus")
    group = worker_group(objects)
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (5, 5, 5)
    (rayjob,) = of_kind(objects, "RayJob")
    assert "enableInTreeAutoscaling" not in rayjob["spec"]["rayClusterSpec"]
    assert "annotations" not in rayjob["metadata"]


SIZES = {
    # id: (overlay, actors, most pods, CPUs and GPUs of a pod, actors as the job is told)
    "gpu-default": ("gpu-prod", {}, 8, ("6", "1"), {"min": 1, "max": 8, "cpus": 0.5, "gpus": 1}),
    "gpu-each": ("gpu-prod", {"max": 3}, 3, ("6", "1"), {"max": 3, "gpus": 1}),
    "gpu-quarter": ("gpu-prod", {"max": 10, "gpus": 0.25}, 3, ("8", "1"), {"max": 10}),
    "gpu-two": ("gpu-prod", {"max": 4, "gpus": 2}, 4, ("6", "2"), {"gpus": 2}),
    "gpu-min-beyond-the-overlay": ("gpu-prod", {"min": 20}, 20, ("6", "1"), {"min": 20, "max": 20}),
    "gpu-many-cpus": ("gpu-prod", {"max": 2, "cpus": 12}, 2, ("13", "1"), {"cpus": 12}),
    "gpu-unused": ("gpu-prod", {"max": 6, "gpus": 0}, 2, ("6", None), {"gpus": 0}),
    "cpu-default": ("cpu-dev", {}, 2, ("2", None), {"min": 1, "max": 2, "gpus": 0}),
    "cpu-many": ("cpu-dev", {"max": 7}, 7, ("2", None), {"max": 7}),
}


@pytest.mark.parametrize("case", SIZES)
def test_workers_follow_the_actors(case, job):
    overlay, actors, pods_most, (cpus, gpus), told = SIZES[case]
    objects = rendered(job(actors=actors), overlay=overlay)
    group = worker_group(objects)
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == (0, 0, pods_most)
    resources = group["template"]["spec"]["containers"][0]["resources"]
    for amounts in resources.values():
        assert (amounts["cpu"], amounts.get("nvidia.com/gpu")) == (cpus, gpus)
    assert told.items() <= told_actors(objects).items()
    (rayjob,) = of_kind(objects, "RayJob")
    head = rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    (groups,) = [json.loads(v["value"]) for v in head["env"] if v["name"] == NODE_GROUPS]
    expected = {"CPU": int(cpus), **({"GPU": int(gpus)} if gpus else {})}
    assert groups == [{"resources": expected, "max": pods_most}]
    assert complaints(objects) == []


def test_rendered_spec_is_the_jobs(job):
    objects = rendered(job(keep=["label"], batch_size=128))
    (text,) = [o["data"]["job.yaml"] for o in objects if "job.yaml" in o.get("data", {})]
    document = yaml.safe_load(text)
    assert (document["keep"], document["batch_size"]) == (["label"], 128)


BAD_OPTIONS = {
    "name-case": (["--name", "Photos"], '--name: got "Photos"; use lower-case letters'),
    "name-digit": (["--name", "1st"], "from a letter to a letter or digit"),
    "name-long": (["--name", "a" * 45], "has 45 characters; use 44 at most"),
    "namespace": (["--namespace", "team_a"], '--namespace: got "team_a"; use lower-case'),
    "queue": (["--queue", "-q"], '--queue: got "-q"'),
    "secret": (["--secret", "A"], '--secret: got "A"'),
    "cron-fields": (["--schedule", "0 2 * *"], "has 4 fields; use five, as in '0 2 * * *'"),
    "cron-range": (["--schedule", "0 24 * * *"], "the hour is 24; use *, or numbers from 0 to 23"),
    "cron-word": (["--schedule", "0 2 * * frday"], "the day of the week is frday"),
    "cron-backwards": (["--schedule", "0 2 5-1 * *"], "the day of the month is 5-1"),
    "image": (["--image", "Registry/Ray Grad"], "use an image's name such as registry.example"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_option_that_kubernetes_would_refuse(case, job):
    options, expected = BAD_OPTIONS[case]
    assert expected in refused(job(), *options)


@pytest.mark.parametrize(
    "schedule",
    ["0 2 * * *", "*/15 0-6 1,15 * *", "0 2 * jan-mar MON-fri", "5/10 2 ? * 0-6/2", "@weekly"],
)
def test_schedules_that_are_sound(schedule, job):
    (cronjob,) = of_kind(rendered(job(), "--schedule", schedule), "CronJob")
    assert cronjob["spec"]["schedule"] == schedule


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "options",
    [
        {"s3": {"key": SECRET}},
        {"s3": {"secret": SECRET}},
        {"s3": {"client_kwargs": {"aws_secret_access_key": SECRET}}},
        {"s3": {"client_kwargs": {"aws_access_key_id": SECRET}}},
        {"gs": {"token": SECRET}},
        {"gs": {"token": {"private_key": SECRET}}},
        {"az": {"connection_string": SECRET}},
        {"az": {"account_key": SECRET}},
        {"s3": {"endpoint_url": f"https://me:{SECRET}@store.example"}},
    ],
    ids=lambda options: "-".join([*options, *next(iter(options.values()))]),
)
def test_credentials_are_refused_and_not_shown(options, job):
    text = refused(job(storage=options))
    assert "create the Secret that --secret names" in text
    assert SECRET not in text


def test_storage_options_without_a_secret_are_fine(job):
    options = {
        "s3": {"endpoint_url": "https://store.example", "anon": True},
        "gs": {"token": "anon"},
    }
    objects = rendered(job(storage=options))
    assert "https://store.example" in objects[0]["data"]["job.yaml"]


def test_all_faults_come_at_once(job):
    text = refused(
        job(
            output="table",
            sources=[{"path": ["data/*.parquet", "@list.txt", "/data/there.parquet"]}],
            model={"factory": "m:f", "checkpoint": "weights.pt"},
            actors={"min": 4, "max": 2, "gpus": 1.5, "accelerator": "L4"},
        ),
        overlay="cpu-dev",
    )
    assert '  output: got "table", which would be gone with its pod; use a URI' in text
    assert '  sources[0].path: got "data/*.parquet", which no pod has' in text
    assert '  sources[0].path: got "@list.txt", which no pod has' in text
    assert "/data/there.parquet" not in text
    assert '  model.checkpoint: got "weights.pt", which no pod has' in text
    assert "  actors.gpus: got 1.5, but overlay cpu-dev has no GPUs; use --overlay gpu-prod" in text
    assert "  actors.gpus: got 1.5; use a whole number, or a fraction below 1" in text
    assert "  actors.max: got 2; use 4, that is min, or more" in text
    assert '  actors.accelerator: got "L4", which no autoscaler on Kubernetes knows of' in text


def test_a_folder_of_weights_is_refused(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "topics").mkdir()
    text = refused(job(model={"factory": "huggingface:topics"}))
    assert '  model.factory: got "topics", which no pod has; use a URI, or an absolute' in text


def test_spec_is_checked_first(job):
    text = refused(job(losses="uniform"), "--name", "No")
    assert 'losses: is no key of a spec; did you mean "loss"?' in text
    assert '--name: got "No"' in text


def test_output_is_what_kubectl_reads(job, tmp_path):
    """Client side only, since there is no API server: kustomize reads it as a resource."""
    objects = rendered(job(), "--schedule", "@daily")
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(objects))
    (tmp_path / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    command = ["kubectl", "kustomize", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(list(yaml.safe_load_all(result.stdout))) == len(objects)


@pytest.mark.parametrize("command", sorted(main.commands["k8s"].commands))
def test_subcommand_explains_itself(command):
    found = main.commands["k8s"].commands[command]
    assert found.help
    for option in found.params:
        if isinstance(option, click.Option):
            assert option.help.endswith("."), option.name


DOCUMENTED = re.findall(r"^raygrad (k8s render .*?)(?: [|>] .*)?$", DOCS.read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", DOCUMENTED)
def test_documented_command_prints_sound_manifests(command, job, monkeypatch):
    monkeypatch.chdir(Path(job()).parent)
    result = CliRunner().invoke(main, shlex.split(command))
    assert result.exit_code == 0, result.output
    assert complaints(list(yaml.safe_load_all(result.stdout))) == []
