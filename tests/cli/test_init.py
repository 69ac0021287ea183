"""`raygrad init` writes a spec that parses, fits the schema, and passes `raygrad validate`."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
import yaml
from click.testing import CliRunner

from raygrad.cli import main
from raygrad.cli.init import LOSSES
from raygrad.draft.text import METRICS as METRICS_OF_LOSSES
from raygrad.losses import LOSSES as ALL_LOSSES
from raygrad.spec import parse

NETWORK = """
from torch import nn


def tiny(classes=3):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))


def linear():
    return nn.Linear(2, 3)


def on_images():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, write_parquet, encoded):
    """A working directory with data of several kinds and a module of networks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "networks_of_init.py").write_text(NETWORK)
    numbers = pa.array([[1.0, 2.0], [2.0, 1.0]], pa.list_(pa.float32()))
    write_parquet("numbers.parquet", {"label": [0, 1], "name": ["a", "b"], "x": numbers})
    write_parquet("plain.parquet", {"id": [1, 2]})
    ids = pa.array([[1, 2, 3], [1, 2, 0]])
    write_parquet("texts.parquet", {"input_ids": ids, "attention_mask": ids, "label": [0, 1]})
    for number in range(2):
        path = tmp_path / "pictures" / "cats" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(np.full((8, 8, 3), 50 * number, np.uint8)))
    return tmp_path


def init(*arguments: str, answers: str | None = None, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["init", *arguments], input=answers)
    assert result.exit_code == code, result.output
    return result.output


def written(path: str = "job.yaml") -> dict:
    """The spec, sound by parser and schema."""
    document = yaml.safe_load(Path(path).read_text())
    assert parse(document)[1] == []
    schema = json.loads(CliRunner().invoke(main, ["schema"]).output)
    jsonschema.validate(document, schema)
    return document


def validated(path: str = "job.yaml") -> None:
    result = CliRunner().invoke(main, ["validate", path])
    assert result.exit_code == 0, result.output


NUMBERS = ("--source", "numbers.parquet", "--model", "networks_of_init:linear")


def test_flags_alone_make_a_job_that_validate_accepts(folder):
    output = init(*NUMBERS, "--yes")
    assert output == "parquet: label, name, x\nWrote job.yaml. Next: raygrad validate job.yaml\n"
    assert written() == {
        "output": "table",
        "sources": [{"path": "numbers.parquet", "format": "parquet"}],
        "input": {"column": "x"},
        "label": "label",
        "keep": ["label"],
        "model": {"factory": "networks_of_init:linear"},
        "loss": "pseudo_label",
        "metrics": {"all": ["max", "min", "mean", "std", "l1", "l2"]},
        "batch_size": 64,
    }
    validated()


def test_every_flag_is_heard(folder):
    init(
        *("mine.yaml", "--source", "numbers.parquet", "--format", "parquet", "--column", "name"),
        *("--model", "a:b", "--checkpoint", "w.pt", "--loss", "uniform", "--target", "fc"),
        *("--output", "s3://bucket/it's: a #table", "--yes"),
    )
    document = written("mine.yaml")
    assert document["output"] == "s3://bucket/it's: a #table"
    assert document["input"] == {"column": "name"}
    assert document["model"] == {"factory": "a:b", "checkpoint": "w.pt"}
    assert (document["loss"], document["metrics"]) == ("uniform", {"fc": ["l1"]})


def test_a_folder_of_images_is_known_by_its_files(folder):
    init("--source", "pictures", "--model", "networks_of_init:on_images", "--yes")
    document = written()
    assert document["sources"] == [{"path": "pictures", "format": "images"}]
    assert document["input"] == {"column": "image", "decode": "image"}
    assert document["keep"] == ["label"]
    validated()


def test_a_library_s_network_gets_the_usual_steps(folder):
    init("--source", "pictures", "--model", "torchvision:resnet50", "--yes")
    assert written()["input"] == {
        "column": "image",
        "decode": "image",
        "resize": 256,
        "crop": 224,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }
    assert "# checkpoint: " in Path("job.yaml").read_text()


def test_tokens_become_keyword_arguments(folder):
    init("--source", "texts.parquet", "--model", "huggingface:models/topics", "--yes")
    document = written()
    assert document["input"] == {
        "input_ids": {"column": "input_ids", "dtype": "int64"},
        "attention_mask": {"column": "attention_mask", "dtype": "int64"},
    }
    assert document["model"]["logits"] == "logits"


def test_questions_have_defaults_and_take_answers(folder):
    answers = "numbers.parquet\nnetworks_of_init:linear\n\n\nuniform\n\nscores\n"
    output = init(answers=answers)
    assert "Input column (label, name, x) [x]" in output
    assert "Loss (pseudo_label, uniform, confounding) [pseudo_label]" in output
    document = written()
    assert document["output"] == "scores"
    assert document["metrics"] == {"all": ["l1"]}
    assert "checkpoint" not in document["model"]
    validated()


def test_flags_are_not_asked_again(folder):
    output = init(*NUMBERS, "--loss", "uniform", answers="\n\n\n\n")
    assert "Where is the data" not in output
    assert "Loss" not in output
    assert written()["input"] == {"column": "x"}


def test_a_wrong_column_is_asked_again(folder):
    output = init(*NUMBERS, answers="y\nx\n\n\n\n\n")
    assert "'y' is not one of" in output
    assert written()["input"] == {"column": "x"}


def test_a_file_is_never_replaced(folder):
    Path("job.yaml").write_text("mine")
    assert "job.yaml is there already" in init(*NUMBERS, "--yes", code=2)
    assert Path("job.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "a:b"), "--source has no default; give it"),
        (("--source", "numbers.parquet"), "--model has no default; give it"),
        (("--source", "nope://bucket/a", "--model", "a:b"), "nope://bucket/a can't be listed"),
        (("--source", "plain.parquet", "--model", "a:b"), "--column has no default; give it"),
        (("--source", "nowhere", "--model", "a:b"), "source: nothing is at nowhere"),
        (("--source", "networks_of_init.py", "--model", "a:b"), "is of no known format"),
        ((*NUMBERS, "--column", "y"), 'has no column "y"; it has label, name, x'),
        ((*NUMBERS, "--loss", "nll"), "'nll' is not one of"),
        ((*NUMBERS, "--format", "webp"), "use parquet, images, numpy, webdataset"),
        (("--source", "networks_of_init.py", "--format", "parquet", "--model", "a:b"), "can't be"),
    ],
)
def test_what_can_not_become_a_job_is_told_and_nothing_is_written(folder, arguments, said):
    assert said in init(*arguments, "--yes", code=2)
    assert not Path("job.yaml").exists()


def test_the_losses_are_those_of_the_table_that_need_nothing_but_a_name():
    simple = [n for n, loss in ALL_LOSSES.items() if not loss.takes_labels and not loss.over_labels]
    assert list(LOSSES) == list(METRICS_OF_LOSSES) == simple
