"""Public names and signatures, spelt out: changing one is a breaking change."""

import importlib
import inspect
import pickle
import subprocess
import sys

import pytest

from raygrad.spec import JobSpec

NAMES = {
    "raygrad": ["GradientMetricCollector", "__version__", "check", "explain"],
    "raygrad.metrics": [
        "METRICS",
        "GradientMetric",
        "Max",
        "Mean",
        "MeanStd",
        "Min",
        "PNorm",
        "metric_by_name",
    ],
    "raygrad.losses": [
        "LOSSES",
        "Loss",
        "confounding_label_cross_entropy",
        "likely_label_cross_entropies",
        "pseudo_label_cross_entropy",
        "target_cross_entropy",
        "uniform_cross_entropy",
    ],
    "raygrad.confidence": [
        "CONFIDENCE",
        "LAST_LAYER",
        "Score",
        "energy",
        "entropy",
        "exgrad",
        "feature_l1",
        "gen",
        "gradnorm",
        "gradnorm_output",
        "margin",
        "max_logit",
        "msp",
    ],
}

SIGNATURES = {
    "raygrad:GradientMetricCollector": [
        "metrics",
        "*strict=False",
        "*on_interaction='reference'",
        "*memory_bytes=None",
        "*count_other_samples=False",
    ],
    "raygrad:check": ["model", "loss", "x", "*samples=3", "*targets=None", "*bound=None"],
    "raygrad:explain": ["collector", "loss", "retain_graph=False"],
    "raygrad:GradientMetricCollector.__call__": ["self", "loss", "retain_graph=False"],
    "raygrad:GradientMetricCollector.reset": ["self"],
    "raygrad.metrics:GradientMetric": ["target_layers", "grad_transform=None"],
    "raygrad.metrics:GradientMetric.__call__": ["self", "grad"],
    "raygrad.metrics:GradientMetric._collect": ["self", "grad"],
    "raygrad.metrics:GradientMetric._get_metric": ["self"],
    "raygrad.metrics:GradientMetric.reset": ["self"],
    "raygrad.metrics:Max": ["target_layers", "grad_transform=None"],
    "raygrad.metrics:Min": ["target_layers", "grad_transform=None"],
    "raygrad.metrics:Mean": ["target_layers", "grad_transform=None"],
    "raygrad.metrics:MeanStd": [
        "target_layers",
        "grad_transform=None",
        "return_mean=True",
        "eps=1e-16",
    ],
    "raygrad.metrics:PNorm": ["target_layers", "grad_transform=None", "p=1.0"],
    "raygrad.metrics:metric_by_name": ["name", "targets"],
    "raygrad.losses:confounding_label_cross_entropy": ["logits"],
    "raygrad.losses:likely_label_cross_entropies": ["logits", "*classes=10"],
    "raygrad.losses:pseudo_label_cross_entropy": ["logits"],
    "raygrad.losses:target_cross_entropy": ["logits", "labels"],
    "raygrad.losses:uniform_cross_entropy": ["logits"],
    "raygrad.confidence:energy": ["logits"],
    "raygrad.confidence:entropy": ["logits"],
    "raygrad.confidence:exgrad": ["features", "logits", "temperature=1.0"],
    "raygrad.confidence:feature_l1": ["features", "logits", "temperature=1.0"],
    "raygrad.confidence:gen": ["logits"],
    "raygrad.confidence:gradnorm": ["features", "logits", "temperature=1.0"],
    "raygrad.confidence:gradnorm_output": ["features", "logits", "temperature=1.0"],
    "raygrad.confidence:margin": ["logits"],
    "raygrad.confidence:max_logit": ["logits"],
    "raygrad.confidence:msp": ["logits"],
}


def shown(parameter: inspect.Parameter) -> str:
    star = "*" if parameter.kind is parameter.KEYWORD_ONLY else ""
    default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
    return f"{star}{parameter.name}{default}"


@pytest.mark.parametrize("module", NAMES)
def test_public_names(module):
    loaded = importlib.import_module(module)
    assert sorted(loaded.__all__) == sorted(NAMES[module])
    assert all(hasattr(loaded, name) for name in NAMES[module])


@pytest.mark.parametrize("module", ["raygrad.metrics", "raygrad.losses", "raygrad.confidence"])
def test_no_public_definition_is_left_out(module):
    loaded = importlib.import_module(module)
    defined = {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module
    }
    assert defined - set(NAMES[module]) <= set()


@pytest.mark.parametrize("path", SIGNATURES)
def test_signature(path):
    module, _, name = path.partition(":")
    value = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    parameters = inspect.signature(value).parameters.values()
    assert [shown(parameter) for parameter in parameters] == SIGNATURES[path]


def test_tables_hold_the_names_that_specs_use():
    from raygrad.confidence import CONFIDENCE, LAST_LAYER
    from raygrad.losses import LOSSES
    from raygrad.metrics import METRICS
    from raygrad.sources import SOURCES

    assert list(METRICS) == ["max", "min", "mean", "std"]
    assert list(LOSSES) == ["pseudo_label", "uniform", "confounding", "target", "exgrad"]
    assert list(CONFIDENCE) == ["msp", "max_logit", "energy", "entropy", "margin", "gen"]
    assert list(LAST_LAYER) == ["gradnorm", "feature_l1", "gradnorm_output", "exgrad"]
    assert "parquet" in SOURCES


def test_an_unknown_name_is_an_attribute_error():
    import raygrad

    with pytest.raises(AttributeError, match="module 'raygrad' has no attribute 'collect'"):
        raygrad.collect  # noqa: B018


def test_dir_shows_the_public_names():
    import raygrad

    assert dir(raygrad) == ["GradientMetricCollector", "__version__", "check", "explain"]


def loaded_by(statement: str) -> set[str]:
    script = f"{statement}\nimport sys\nfor name in sys.modules: sys.stdout.write(name + '\\n')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return set(done.stdout.decode().split())


def test_importing_raygrad_loads_nothing_heavy():
    loaded = loaded_by("import raygrad\nraygrad.__version__\ndir(raygrad)")
    heavy = {"torch", "ray", "numpy", "pyarrow", "pandas", "fsspec", "pydantic", "yaml", "click"}
    assert not loaded & heavy
    assert {name for name in loaded if name.startswith("raygrad")} == {"raygrad"}


def test_the_library_loads_torch_but_nothing_of_the_job():
    loaded = loaded_by(
        "import raygrad, raygrad.losses, raygrad.confidence\nraygrad.GradientMetricCollector"
    )
    assert "torch" in loaded
    assert not loaded & {"ray", "pyarrow", "pydantic", "raygrad.spec", "raygrad.table"}


@pytest.mark.parametrize(
    "module",
    ["raygrad.cluster.reader", "raygrad.cluster.publisher", "raygrad.spec", "raygrad.table.verify"],
)
def test_whoever_only_reads_does_without_torch(module):
    """Readers are many on a node, and torch costs each 1.1 s and 180 MiB."""
    assert "torch" not in loaded_by(f"import {module}")


def test_a_pickled_spec_is_read_without_torch(tmp_path):
    spec = {
        "output": "table",
        "sources": [{"path": "in", "format": "images"}],
        "input": {"column": "image", "decode": "image", "shape": [1, 4, 4]},
        "model": {"factory": "models:net"},
        "metrics": {"all": ["l1", "max"]},
        "loss": "target",
        "label": "label",
    }
    file = tmp_path / "spec.pickle"
    file.write_bytes(pickle.dumps(JobSpec.model_validate(spec)))
    loaded = loaded_by(
        "import pickle, raygrad.cluster.reader\n"
        f"spec = pickle.load(open({str(file)!r}, 'rb'))\n"
        "assert spec.target == 'label'\n"
        "assert spec.input[''].shape == [1, 4, 4]"
    )
    assert "torch" not in loaded
