"""Jobs from end to end on an embedded Ray."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from raygrad import GradientMetricCollector
from raygrad.losses import pseudo_label_cross_entropy
from raygrad.metrics import Max, MeanStd, PNorm

pytestmark = pytest.mark.cluster


def test_a_job_scores_every_row_once_and_a_second_run_scores_nothing(workplace):
    first = workplace.run(RAY_ADDRESS="ray://nowhere:1")
    assert first.returncode == 0, first.stderr
    assert "240 scored" in first.stdout
    noise = [x for x in first.stderr.splitlines() if not re.match(r"[\d,]+ of 240 rows", x)]
    assert noise == [], "Ray's own messages reach the terminal"

    table = workplace.table()
    assert len(table) == workplace.rows
    identities = set(zip(table["source"].to_pylist(), table["row"].to_pylist(), strict=True))
    inputs = workplace.folder / "inputs"
    assert identities == {(str(inputs / f"{n}.parquet"), r) for n in "ab" for r in range(120)}
    assert table["label"].to_pylist() == [index % 3 for index in range(240)]
    assert table["error_type"].null_count == 240
    assert sorted(workplace.files()) == [
        f"dataset=noise/0000-{unit:06d}.parquet" for unit in range(6)
    ]

    state = torch.load(workplace.folder / "checkpoint.pt")
    layer = torch.nn.Linear(16, 3)
    layer.load_state_dict({"weight": state["fc.weight"], "bias": state["fc.bias"]})
    logits = layer(torch.from_numpy(workplace.images).float().flatten(1) / 255)
    expected = GradientMetricCollector(
        [PNorm(layer), Max(layer), MeanStd(layer, return_mean=False), PNorm(layer.bias, p=2)]
    )(pseudo_label_cross_entropy(logits))
    found = np.stack([table[name] for name in ("all_l1", "all_max", "all_std", "fc_bias_l2")], 1)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4)
    assert table["prediction"].to_pylist() == logits.argmax(1).tolist()

    before = workplace.files()
    second = workplace.run()
    assert second.returncode == 0
    assert "0 scored" in second.stdout
    assert "240 were there already" in second.stdout
    assert workplace.files() == before

    footer = json.loads(
        pq.read_schema(next(inputs.parent.glob("table/scores/*/*"))).metadata[b"raygrad"]
    )
    assert footer["rows"] == {"read": 40, "scored": 40, "failed": 0}
    assert footer["identity"]["loss"]["name"] == "pseudo_label"


def test_new_files_are_scored_by_the_next_run(workplace):
    new = workplace.folder / "inputs" / "b.parquet"
    content = new.read_bytes()
    new.unlink()
    assert "120 scored" in workplace.run().stdout
    new.write_bytes(content)
    second = workplace.run()
    assert "120 scored" in second.stdout
    assert "120 were there already" in second.stdout
    assert len(workplace.table()) == 240
    assert "dataset=noise/0001-000000.parquet" in workplace.files()


def test_more_errors_than_allowed_stop_the_job(workplace):
    images = [image.as_py() for image in pq.read_table(workplace.folder / "inputs")["image"]]
    workplace.write_inputs([image if index % 2 else b"?" for index, image in enumerate(images)])
    workplace.spec["max_errors"] = 0.1
    stopped = workplace.run()
    assert stopped.returncode == 3
    assert re.search(r"rows failed, more than max_errors allows \(24\)", stopped.stderr)
    assert "decode: DecodeError" in stopped.stderr


def test_a_factory_with_other_weights_at_each_call_is_refused(workplace):
    workplace.spec["model"] = {"factory": "models:untrained"}
    workplace.spec["metrics"] = {"all": ["l1"]}
    workplace.spec["input"] = {"column": "image", "decode": "image", "mode": "L"}
    failed = workplace.run()
    assert failed.returncode == 1
    assert "save a state dict and set model.checkpoint" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_trial_never_touches_the_real_table(workplace):
    trial = workplace.run("--limit", "50", "--output", "trial")
    assert trial.returncode == 0, trial.stderr
    assert len(workplace.table("trial")) == 50
    assert not (workplace.folder / "table").exists()
    for arguments in (["--limit", "50"], ["--limit", "50", "--output", "table"]):
        refused = workplace.run(*arguments)
        assert refused.returncode == 2
        assert "table" in refused.stderr


def test_a_bad_spec_is_refused_before_ray_starts(workplace):
    workplace.spec["sources"][0]["format"] = "webp"
    workplace.spec["batchsize"] = 8
    workplace.spec["model"]["factory"] = "modles:patient"
    refused = workplace.run(RAY_TMPDIR=str(workplace.folder / "ray"))
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "Error: job.yaml has 3 faults:",
        '  batchsize: is no key of a spec; did you mean "batch_size"?',
        '  sources[0].format: got "webp"; use parquet, images, numpy, webdataset',
        '  model.factory: no module "modles" in '
        f"{Path(workplace.folder).resolve()} or among the installed packages",
    ]
    assert not (workplace.folder / "ray").exists()
    assert not (workplace.folder / "table").exists()
