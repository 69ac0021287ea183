"""precision: what is computed in bfloat16, TensorFloat32 or float32, and that tables don't mix."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from raygrad.errors import IdentityError
from raygrad.persample.check import BOUNDS, DEFAULT_BOUND
from raygrad.scorer import Scorer, decode_batch, use_precision
from raygrad.spec import JobSpec
from raygrad.table import identity
from raygrad.validate import prepare
from raygrad.validate.first_rows import try_a_few_rows

METRICS = ["l1", "l2", "linf", "std"]
PIXELS = np.random.default_rng(0).normal(size=(12, 3 * 8 * 8)).astype(np.float32)

NETWORK = """
from torch import nn


def convolutional():
    return nn.Sequential(
        nn.Unflatten(1, (3, 8, 8)),
        nn.Conv2d(3, 8, 3, padding=1),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 16),
        nn.ReLU(),
        nn.Linear(16, 5),
    )
"""


@pytest.fixture(autouse=True)
def switches():
    """Torch's global ones, as they were."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


def network() -> nn.Module:
    found: dict = {}
    exec(NETWORK, found)
    torch.manual_seed(0)
    return found["convolutional"]().eval().requires_grad_(False)


def scorer_and_batch(precision: str, loss: str = "pseudo_label") -> tuple[Scorer, pa.Table]:
    spec = JobSpec.model_validate(
        {
            "output": "table",
            "sources": [{"path": ["a.parquet"]}],
            "input": {"": {"column": "x", "shape": [3 * 8 * 8]}},
            "model": {"factory": "a:b"},
            "metrics": {"all": METRICS, "1": METRICS, "7.weight": METRICS},
            "loss": loss,
            "precision": precision,
        }
    )
    rows = pa.table(
        {
            "source": ["a.parquet"] * len(PIXELS),
            "row": pa.array(range(len(PIXELS)), pa.int64()),
            "x": pa.array(PIXELS.tolist(), pa.list_(pa.float32())),
        }
    )
    return Scorer(spec, network(), torch.device("cpu"), []), decode_batch(rows, spec)


def scores(precision: str, loss: str = "pseudo_label") -> dict[str, np.ndarray]:
    scorer, batch = scorer_and_batch(precision, loss)
    found = scorer.score(batch)
    assert found["error_type"].null_count == len(PIXELS), found["error_message"][0]
    assert {p.dtype for p in scorer.model.parameters()} == {torch.float32}
    return {name: found[name].to_numpy() for name in scorer.columns}


@pytest.mark.parametrize("loss", ["pseudo_label", "uniform"])
def test_bf16_is_close_to_fp32_and_not_the_same(loss):
    full, half = scores("fp32", loss), scores("bf16", loss)
    for name in full:
        if name == "prediction":
            continue
        assert half[name].dtype == full[name].dtype
        np.testing.assert_allclose(half[name], full[name], rtol=0.06, err_msg=name)
        assert (half[name] != full[name]).mean() > 0.5, name
    layers = [name for name in full if name.endswith("_l2")]
    assert len(layers) == 3
    for name in layers:
        assert np.median(np.abs(half[name] / full[name] - 1)) < 0.02


def test_the_loss_of_bf16_logits_is_taken_in_float32():
    scorer, batch = scorer_and_batch("bf16")
    logits = scorer.logits(scorer.inputs(batch))
    assert logits.dtype == scorer.loss(logits).dtype == torch.float32
    assert torch.equal(logits, logits.bfloat16().float())


@pytest.mark.parametrize(
    ("precision", "products", "convolutions"),
    [("fp32", "highest", False), ("tf32", "high", True), ("bf16", "highest", False)],
)
def test_torchs_switches_are_set_whatever_they_were(precision, products, convolutions):
    for before in ("fp32", "tf32"):
        use_precision(before)
        use_precision(precision)
        assert torch.get_float32_matmul_precision() == products
        assert torch.backends.cudnn.allow_tf32 is convolutions


def test_the_jobs_check_passes_in_bf16(job_folder):
    job_folder.spec(bf16_job(job_folder))
    job = prepare("job.yaml")
    assert job.spec.precision == "bf16"
    assert job.check is not None
    alone = try_a_few_rows(job, "job.yaml")
    assert BOUNDS[torch.float32] < alone < DEFAULT_BOUND


def test_another_precision_is_another_identity(job_folder):
    first = prepare(job_folder.spec(bf16_job(job_folder)))
    identity.claim(first.spec.output, first.identity)
    with pytest.raises(IdentityError) as caught:
        prepare(job_folder.spec({**bf16_job(job_folder), "precision": "fp32"}))
    (line,) = [line for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert line == '  precision: the table has "bf16", this job "fp32"'


def bf16_job(folder) -> dict:
    """A job of the network above; the same at each call in one folder."""
    folder.write("data/a.parquet", x=pa.array(PIXELS[:10].tolist(), pa.list_(pa.float32())))
    (folder.root / "convolutional.py").write_text(NETWORK)
    steep = {name: 5 * value for name, value in network().state_dict().items()}
    torch.save(steep, folder.root / "convolutional.pt")
    return {
        "model": {"factory": "convolutional:convolutional", "checkpoint": "convolutional.pt"},
        "metrics": {"all": METRICS},
        "precision": "bf16",
    }
