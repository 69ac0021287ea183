"""Public names are spelled out here, so that none changes by accident."""

import inspect
import pickle
import subprocess
import sys

import pytest

import raygrad
from raygrad import errors


def test_names_of_the_package():
    assert raygrad.__all__ == ["GradientMetricCollector", "__version__", "check", "explain"]
    for name in raygrad.__all__:
        assert getattr(raygrad, name) is not None
    assert dir(raygrad) == sorted(raygrad.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        raygrad.nothing  # noqa: B018


SIGNATURES = {
    "GradientMetricCollector": [
        "metrics",
        "strict",
        "on_interaction",
        "memory_bytes",
        "count_other_samples",
    ],
    "check": ["model", "loss", "x", "samples", "targets"],
    "explain": ["collector", "loss", "retain_graph"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    assert list(inspect.signature(getattr(raygrad, name)).parameters) == SIGNATURES[name]


def test_importing_the_package_loads_neither_torch_nor_ray():
    code = "import sys, raygrad; sys.exit(any(m in sys.modules for m in ('torch', 'ray')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["SamplesInteractError", "RefusedModelError"])
def test_errors_survive_pickling(name):
    error = getattr(errors, name)("why")
    assert str(pickle.loads(pickle.dumps(error))) == "why"
    assert isinstance(error, errors.RaygradError)
    assert name in errors.__doc__


def test_a_collector_survives_pickling():
    from torch import nn

    from raygrad.metrics import PNorm

    net = nn.Linear(2, 2)
    copy = pickle.loads(pickle.dumps(raygrad.GradientMetricCollector(PNorm(net))))
    assert copy.dim == 1
