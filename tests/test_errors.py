"""The exceptions: the tree in the docstring is the tree of the classes, and all can travel."""

import inspect
import pickle

import pytest

from raygrad import errors
from raygrad.errors import Fault, RaygradError, SpecError

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, Exception)
}


def drawn() -> dict[str, tuple[str | None, bool]]:
    """For each class in the docstring's tree its parent, and whether it says "(a ValueError)"."""
    tree: dict[str, tuple[str | None, bool]] = {}
    ancestors: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        text = line.lstrip(" │├└─")
        name = text.split(" ")[0]
        if not line.startswith("    ") or not name.isidentifier():
            continue
        depth = len(line) - len(text)
        ancestors = [pair for pair in ancestors if pair[0] < depth]
        tree[name] = (ancestors[-1][1] if ancestors else None, "(a ValueError)" in text)
        ancestors.append((depth, name))
    return tree


def test_the_tree_that_is_drawn_is_the_tree_of_the_classes():
    real = {}
    for name, kind in CLASSES.items():
        parents = [base.__name__ for base in kind.__bases__ if base.__name__ in CLASSES]
        real[name] = (parents[0] if parents else None, ValueError in kind.__bases__)
    assert drawn() == real


def test_the_tree_has_one_root():
    assert [name for name, (parent, _) in drawn().items() if parent is None] == ["RaygradError"]


def test_class_names_are_frozen_since_tables_hold_them():
    assert sorted(CLASSES) == [
        "BrokenArchiveError",
        "CheckpointError",
        "ClusterError",
        "DecodeError",
        "IdentityError",
        "ImportPathError",
        "JobFailedError",
        "LabelError",
        "LastLayerError",
        "ModelReplicaError",
        "NullInputError",
        "PlanError",
        "ProcessDied",
        "RaygradError",
        "RefusedModelError",
        "RowError",
        "SamplesInteractError",
        "ShapeError",
        "SpecError",
        "StorageError",
        "TableBusyError",
        "TableError",
        "TooManyErrorsError",
        "UnreachedParameterError",
    ]


def an_error(kind: type[Exception]) -> Exception:
    if kind is SpecError:
        return SpecError([Fault("model", "is bad"), Fault("keep[0]", "is worse")], "job.yaml")
    return kind("é: the reason, on\ntwo lines")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_every_class_survives_pickle(kind, protocol):
    error = an_error(kind)
    copy = pickle.loads(pickle.dumps(error, protocol))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_every_class_is_documented_and_can_be_caught_as_one(kind):
    assert kind.__doc__
    assert kind.__doc__ != kind.__base__.__doc__
    assert issubclass(kind, RaygradError)


def test_a_fault_reads_as_place_and_message():
    fault = Fault("sources[1].format", 'got "webp"; use parquet, images, numpy')
    assert str(fault) == 'sources[1].format: got "webp"; use parquet, images, numpy'


def test_a_spec_error_counts_one_fault_in_the_singular():
    assert str(SpecError([Fault("loss", "is bad")], "job.yaml")) == (
        "job.yaml has 1 fault:\n  loss: is bad"
    )


def test_a_spec_error_lists_all_its_faults():
    error = SpecError([Fault("loss", "is bad"), Fault("keep[0]", "is worse")], "job.yaml")
    assert str(error) == "job.yaml has 2 faults:\n  loss: is bad\n  keep[0]: is worse"
    assert error.faults == (Fault("loss", "is bad"), Fault("keep[0]", "is worse"))
    assert error.origin == "job.yaml"
