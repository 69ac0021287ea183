"""Networks by name: made with random weights, loaded from folders, refused when unknown."""

import importlib
import json
import os
import socket
from pathlib import Path

import pytest
import torch

from raygrad import factories, models
from raygrad.errors import ImportPathError, SpecError
from raygrad.spec import ModelSpec

BERT = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
    "num_labels": 4,
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whoever asks for an address fails, so that a download can't go unseen."""

    def refuse(*_args, **_kwargs):
        raise OSError("a test asked for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def bert_folder(tmp_path):
    """Makes a folder as save_pretrained writes it, with weights or with a configuration alone."""
    import transformers

    def make(*, weights: bool) -> tuple[str, torch.nn.Module]:
        config = transformers.BertConfig(**BERT, architectures=["BertForSequenceClassification"])
        model = transformers.BertForSequenceClassification(config)
        (model if weights else config).save_pretrained(tmp_path / "bert")
        return str(tmp_path / "bert"), model

    return make


def fault(section: ModelSpec) -> str:
    with pytest.raises(SpecError) as caught:
        models.build(section)
    (found,) = caught.value.faults
    return str(found)


@pytest.mark.parametrize("factory", ["torchvision:squeezenet1_1", "timm:resnet10t"])
def test_a_network_is_made_by_name_and_takes_its_checkpoint(factory, tmp_path):
    arguments = {"num_classes": 7}
    made = factories.make(factory, arguments)
    assert not made.trained
    torch.save(made.model.state_dict(), tmp_path / "weights.pt")
    section = ModelSpec(
        factory=factory, arguments=arguments, checkpoint=str(tmp_path / "weights.pt")
    )
    model = models.build(section)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    assert models.fingerprint(model) == models.fingerprint(made.model)


@pytest.mark.parametrize("factory", ["torchvision:squeezenet1_1", "timm:resnet10t"])
def test_random_weights_are_refused(factory):
    assert fault(ModelSpec(factory=factory)) == (
        f"model.checkpoint: is missing; {factory} has random weights without it, or without "
        "arguments: {pretrained: true}, which fetches trained ones"
    )


def test_trained_weights_are_fetched_only_when_asked_for():
    section = ModelSpec(factory="torchvision:squeezenet1_1", arguments={"pretrained": True})
    assert "URLError" in fault(section)


@pytest.mark.parametrize(
    ("factory", "near"),
    [("torchvision:resnet5", "resnet50"), ("timm:resnet5O", "resnet50"), ("timm:", "and others")],
)
def test_an_unknown_name_is_told_with_near_ones(factory, near):
    found = fault(ModelSpec(factory=factory))
    assert found.startswith(f"model.factory: {factory.partition(':')[0]} has no network ")
    assert near in found


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ModuleNotFoundError("No module named 'timm'", name="timm"),
            "timm: needs the package timm, which isn't installed; pip install timm",
        ),
        (
            RuntimeError("operator torchvision::nms does not exist"),
            "timm can't be imported, RuntimeError: operator torchvision::nms does not exist; "
            "install the version that belongs to this torch",
        ),
    ],
    ids=["missing", "broken"],
)
def test_a_library_that_can_not_be_imported_is_told_with_the_cure(monkeypatch, error, said):
    def fail(name: str) -> None:
        assert name == "timm"
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)
    assert fault(ModelSpec(factory="timm:resnet10t")) == f"model.factory: {said}"


def test_arguments_that_a_library_does_not_take_are_told():
    found = fault(ModelSpec(factory="torchvision:squeezenet1_1", arguments={"klasses": 3}))
    assert found.startswith("model.arguments: torchvision:squeezenet1_1 raised TypeError: ")


def test_an_import_path_is_no_library():
    assert factories.library("jobs.demo.model:small_cnn") is None
    assert factories.library("timm:resnet10t") == "timm"


class TestHuggingFace:
    def test_the_weights_of_a_folder_are_loaded(self, bert_folder):
        folder, saved = bert_folder(weights=True)
        model = models.build(ModelSpec(factory=f"huggingface:{folder}", logits="logits"))
        assert models.fingerprint(model) == models.fingerprint(saved)
        output = model(input_ids=torch.ones(2, 5, dtype=torch.long))
        assert models.logits(output, "logits").shape == (2, 4)

    def test_weights_in_half_precision_become_float32(self, bert_folder):
        folder, saved = bert_folder(weights=True)
        saved.bfloat16().save_pretrained(folder)
        made = factories.make(f"huggingface:{folder}", {})
        assert {p.dtype for p in made.model.parameters()} == {torch.float32}

    def test_a_configuration_alone_needs_a_checkpoint(self, bert_folder, tmp_path):
        from safetensors.torch import save_file

        folder, saved = bert_folder(weights=False)
        assert "random weights" in fault(ModelSpec(factory=f"huggingface:{folder}"))
        save_file(saved.state_dict(), tmp_path / "w.safetensors")
        section = ModelSpec(
            factory=f"huggingface:{folder}", checkpoint=str(tmp_path / "w.safetensors")
        )
        assert models.fingerprint(models.build(section)) == models.fingerprint(saved)

    def test_arguments_change_the_configuration(self, bert_folder):
        folder, _ = bert_folder(weights=False)
        arguments = {"num_labels": 9, "attn_implementation": "eager"}
        made = factories.make(f"huggingface:{folder}", arguments)
        assert made.model.classifier.out_features == 9
        assert made.model.config._attn_implementation == "eager"

    def test_a_pickle_in_a_folder_runs_no_code(self, bert_folder, tmp_path):
        class Trap:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "sprung"),)

        folder, _ = bert_folder(weights=False)
        torch.save({"classifier.weight": Trap()}, f"{folder}/pytorch_model.bin")
        found = fault(ModelSpec(factory=f"huggingface:{folder}"))
        assert "Weights only load failed" in found
        assert not (tmp_path / "sprung").exists()

    def test_a_folder_s_own_code_is_not_run(self, bert_folder, tmp_path):
        folder, _ = bert_folder(weights=False)
        config = json.loads(Path(folder, "config.json").read_text())
        config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}}
        Path(folder, "config.json").write_text(json.dumps(config))
        Path(folder, "mine.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'sprung')!r})\n")
        assert "custom code" in fault(ModelSpec(factory=f"huggingface:{folder}"))
        assert not (tmp_path / "sprung").exists()

    def test_an_architecture_that_does_not_exist_is_told(self, bert_folder):
        folder, _ = bert_folder(weights=False)
        with pytest.raises(ImportPathError, match='transformers has no network "BertForNothing"'):
            factories.make(f"huggingface:{folder}", {"architecture": "BertForNothing"})

    def test_a_folder_that_is_not_there_is_told_as_an_id_that_can_not_be_had(self):
        found = fault(ModelSpec(factory="huggingface:no/such"))
        assert found.startswith(f"model.factory: {os.path.abspath('no/such')} is no folder, and ")
