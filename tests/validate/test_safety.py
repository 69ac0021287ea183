"""Jobs that would give wrong numbers, lose rows or double them don't start."""

import pytest
import torch
from torch import nn

from raygrad.errors import SpecError
from raygrad.validate import prepare, report

MODELS = '''
import torch
from torch import nn


class MixedByMean(nn.Module):
    """Samples influence each other, and autograd sees it."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 3)
        nn.init.constant_(self.fc.weight, 0.3)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x):
        logits = self.fc(x)
        return logits - 1e-4 * logits.mean(0)


class DetachedScale(MixedByMean):
    """Samples influence each other behind autograd's back."""

    def forward(self, x):
        return self.fc(x / x.detach().abs().amax(0))


class OneRowForAll(MixedByMean):
    def forward(self, x):
        return self.fc(x).mean(0, keepdim=True)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Linear(2, 2)
        self.head = nn.Linear(2, 2)
        self.head.weight = self.embedding.weight
        for parameter in self.parameters():
            nn.init.constant_(parameter, 0.3)

    def forward(self, x):
        return self.head(torch.relu(self.embedding(x)))
'''


@pytest.fixture
def models(job_folder):
    job_folder.module = job_folder.module_with(MODELS)
    return job_folder


def faults_of(path: str, **options) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        prepare(path, **options)
    return {fault.place: fault.message for fault in caught.value.faults}


def with_model(folder, name: str, **changes) -> str:
    model = {"factory": f"{folder.module}:{name}"}
    return folder.spec({"model": model, "metrics": {"all": ["l1"]}, **changes})


def test_samples_that_interact_are_refused(models):
    message = faults_of(with_model(models, "MixedByMean"))["model"]
    assert message.startswith("samples of the batch interact: ")
    assert "MixedByMean.fc.weight" in message


def test_samples_that_are_coupled_behind_autograds_back_are_refused(models):
    message = faults_of(with_model(models, "DetachedScale"))["model"]
    assert message.startswith("a sample alone scores differently than in its batch: relative error")


def test_one_row_of_logits_for_a_whole_batch_is_refused(models):
    message = faults_of(with_model(models, "OneRowForAll"))["model"]
    assert message.startswith("the model gave 1 rows of logits for 8 samples")


def test_a_tied_parameter_is_found_by_both_names(models):
    path = with_model(models, "Tied", metrics={"head.weight": ["l1"], "embedding.weight": ["l2"]})
    assert len(report(prepare(path), 4).scores) == 4


def test_a_sound_job_notes_how_close_its_samples_are_to_themselves_alone(job_folder):
    job = prepare(job_folder.spec())
    assert job.check is not None
    assert 0 <= job.check < 1e-5


def test_a_report_explains_what_the_collector_did(job_folder):
    explanation = report(prepare(job_folder.spec()), 4).explanation
    assert {row.target for row in explanation.rows} == {
        "Sequential.fc.weight",
        "Sequential.fc.bias",
    }
    assert explanation.referred == 0


def test_a_file_in_two_sources_of_one_partition_is_refused(job_folder):
    source = {"path": "data", "constants": {"dataset": "a"}}
    path = job_folder.spec({"sources": [*job_folder.document["sources"], source]})
    message = faults_of(path)["sources[1].path"]
    assert message.endswith("data/a.parquet is in sources[0], too; its rows would be scored twice")


def test_a_file_in_two_partitions_is_scored_in_both(job_folder):
    source = {"path": "data", "constants": {"dataset": "b"}}
    job = prepare(job_folder.spec({"sources": [*job_folder.document["sources"], source]}))
    assert sum(unit.rows for unit in job.units) == 20


def test_a_table_within_its_own_source_is_refused(job_folder):
    job_folder.write("data/table/scores/x.parquet")
    path = job_folder.spec({"sources": [{"path": "data"}], "output": "data/table"})
    assert "lies in the output" in faults_of(path)["sources[0].path"]


@pytest.mark.parametrize("output", ["", "table", "table/scores/trial", ".", "data/../table"])
def test_a_trial_needs_a_table_apart(job_folder, output):
    faults = faults_of(job_folder.spec(), output=output, limit=3)
    assert faults.keys() & {"output", "--output"}


@pytest.mark.parametrize("output", ["memory://table", "http://localhost:1/table", "nope://x"])
def test_an_output_that_can_not_last_is_refused(job_folder, output):
    assert "can't hold a table" in faults_of(job_folder.spec({"output": output}))["output"]


def test_a_label_that_is_no_class_number_is_refused(job_folder):
    job_folder.write("data/a.parquet", label=[str(number) for number in range(10)])
    faults = faults_of(job_folder.spec())
    assert faults["label"] == "sources[0] has string; accuracy needs class numbers"


def test_a_later_file_that_lacks_the_input_is_told(job_folder):
    job_folder.write("data/a.parquet", rows=2)
    job_folder.write("data/b.parquet", x=None)
    sources = [{"path": "data", "constants": {"dataset": "a"}}]
    faults = faults_of(job_folder.spec({"sources": sources}))
    assert list(faults.values()) == ['has no column "x"']


def test_an_empty_first_list_asks_for_the_shape(job_folder):
    job_folder.write("data/a.parquet", x=[[], *[[1.0, 2.0]] * 9])
    message = faults_of(job_folder.spec())["input.column"]
    assert "the first row has shape [0]; set shape in the spec" in message


def test_files_that_changed_after_they_were_scored_are_counted(job_folder):
    from raygrad import plan
    from raygrad.table import identity, layout

    job = prepare(job_folder.spec())
    identity.claim(job.spec.output, job.identity)
    plan.save(job.spec.output, job.fresh)
    for unit in job.units:
        file = job_folder.root / "table" / "scores" / unit.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    job_folder.write("data/a.parquet", rows=30)
    again = prepare(job_folder.spec())
    assert len(list(layout.published(job.spec.output))) == len(job.units)
    assert len(again.open) == 0
    assert again.changed == (str(job_folder.root / "data" / "a.parquet"),)


def test_arguments_with_keys_of_several_kinds_are_an_identity(job_folder):
    name = job_folder.module_with(
        "from torch import nn\n\ndef build(names):\n    return nn.Sequential(nn.Linear(2, 3))\n"
    )
    torch.manual_seed(0)
    torch.save(nn.Sequential(nn.Linear(2, 3)).state_dict(), job_folder.root / "other.pt")
    model = {"factory": f"{name}:build", "arguments": {"names": {1: "a", "b": 2}}}
    model["checkpoint"] = "other.pt"
    job = prepare(job_folder.spec({"model": model, "metrics": {"all": ["l1"]}}))
    from raygrad.table import identity

    identity.claim(job.spec.output, job.identity)
    identity.compare(job.spec.output, job.identity)
