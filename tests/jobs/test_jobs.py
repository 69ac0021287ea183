"""Each job that users copy passes `raygrad validate` as it stands, where its files are."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
import workplaces
from click.testing import CliRunner
from PIL import Image

from raygrad.cli import main
from raygrad.losses import uniform_cross_entropy
from raygrad.validate import prepare, report

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "s3://my-bucket/"


@pytest.fixture
def at_work(tmp_path, monkeypatch):
    """Fills a working directory for a job, and returns the job's path there.

    The job is the one in jobs/, but for the bucket, which is the working directory.
    """
    monkeypatch.chdir(tmp_path)

    def fill(name: str) -> str:
        workplaces.PREPARE[name]()
        Path("jobs").mkdir()
        job = (ROOT / "jobs" / name).read_text().replace(BUCKET, "")
        Path("jobs", name).write_text(job)
        return f"jobs/{name}"

    return fill


def test_every_job_has_a_workplace():
    """The demo's is made by `make demo`, which tests/test_readme.py runs."""
    jobs = {path.name for path in (ROOT / "jobs").glob("*.yaml")}
    assert jobs - {"demo.yaml"} == set(workplaces.PREPARE)


COLUMNS = {
    "gradnorm_imagenet.yaml": ["label", "gradnorm", "feature_l1", "exgrad", "fc_l1"],
    "oberdiek_layers.yaml": ["cls", "__key__", "conv1_max", "layer4_std", "fc_l2"],
    "text_classifier.yaml": ["id", "classifier_l1", "all_max", "all_l2"],
    "nightly.yaml": ["id", "taken_at", "head_l1", "blocks_l2"],
}


@pytest.mark.parametrize("name", workplaces.PREPARE)
def test_job_is_validated(name, at_work):
    result = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["validate", at_work(name)])
    assert result.exit_code == 0, result.output
    assert " 0 errors" in result.output
    assert "reference:" not in result.output, "every parameter has a rule"
    for column in COLUMNS[name]:
        assert f" {column} " in result.output


def test_gradnorm_is_that_of_torchvision_s_own_transforms(at_work):
    """One image, from its file to the L1 norm, by the usual means."""
    from torchvision import transforms

    job = prepare(at_work("gradnorm_imagenet.yaml"))
    scores = report(job, rows=1).scores.to_pylist()[0]
    look = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    model = workplaces.network("torchvision:resnet50").eval()
    logits = model(look(Image.open(scores["source"])).unsqueeze(0))
    loss = uniform_cross_entropy(logits).sum()
    gradients = torch.autograd.grad(loss, list(model.fc.parameters()))
    assert scores["gradnorm"] == pytest.approx(float(gradients[0].abs().sum()), rel=1e-3)
    assert scores["fc_l1"] == pytest.approx(float(sum(g.abs().sum() for g in gradients)), rel=1e-3)
    assert scores["prediction"] == int(logits.argmax())


def test_the_mask_of_the_text_classifier_counts(at_work):
    """Padding that the mask hides changes nothing, and would do without the mask."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = at_work("text_classifier.yaml")
    before = report(prepare(path), rows=9).scores["all_l2"].to_numpy()
    table = pq.read_table("data/texts/0000.parquet")
    ids = [[i or 7 for i in row] for row in table["input_ids"].to_pylist()]
    changed = table.set_column(0, "input_ids", pa.array(ids))
    pq.write_table(changed, "data/texts/0000.parquet")
    assert report(prepare(path), rows=9).scores["all_l2"].to_numpy() == pytest.approx(before, 1e-4)
    seen = changed.set_column(1, "attention_mask", pa.array([[1] * 128] * len(ids)))
    pq.write_table(seen, "data/texts/0000.parquet")
    unmasked = report(prepare(path), rows=9).scores["all_l2"].to_numpy()
    assert unmasked != pytest.approx(before, rel=1e-2)


def test_the_next_night_adds_only_what_is_new(at_work):
    from raygrad import plan
    from raygrad.table import identity, layout

    path = at_work("nightly.yaml")
    job = prepare(path)
    identity.claim(job.spec.output, job.identity)
    plan.save(job.spec.output, job.fresh)
    for unit in job.units:
        file = os.path.join(layout.scores(job.spec.output), unit.path)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        shutil.copy("incoming/2026-11-24/part-00.parquet", file)
    assert len(prepare(path).open) == 0
    workplaces.arrive("2026-11-25")
    (unit,) = prepare(path).open
    assert unit.path == "camera=front/0001-000000.parquet"
    assert "2026-11-25" in json.dumps([segment.uri for segment in unit.segments])
