"""From a spec's model section to a frozen module, or to the reason why there is none."""

import collections
import os
import pickle
import sys
import types

import fsspec
import pytest
import safetensors.torch
import torch
from torch import nn

from raygrad import models
from raygrad.errors import SpecError
from raygrad.spec import ModelSpec

FACTORIES = """
import torch
from torch import nn

number = 3
made = 0


class Holder:
    @staticmethod
    def make():
        return nn.Linear(1, 1)


def linear(inputs=2, outputs=3):
    return nn.Sequential(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.Dropout(0.5))


def broken():
    raise OSError("no such weights\\nsecond line")


def silent():
    raise RuntimeError


def text():
    return "a model"


def nothing():
    pass
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    """Makes model sections of factories in a module of the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    module = f"factories_{abs(hash(tmp_path))}"
    (tmp_path / f"{module}.py").write_text(FACTORIES)

    def make(factory: str = "linear", **options) -> ModelSpec:
        path = factory if ":" in factory or not factory.isidentifier() else f"{module}:{factory}"
        return ModelSpec.model_validate({"factory": path, **options})

    make.module = module
    return make


def fault(section: ModelSpec) -> str:
    with pytest.raises(SpecError) as caught:
        models.build(section)
    (found,) = caught.value.faults
    return str(found)


def test_a_factory_of_the_working_directory_is_called(spec):
    model = models.build(spec("linear", arguments={"inputs": 5, "outputs": 4}))
    assert model(torch.zeros(1, 5)).shape == (1, 4)


def test_a_factory_of_an_installed_package_is_called(spec):
    arguments = {"in_features": 2, "out_features": 3}
    model = models.build(spec("torch.nn:Linear", arguments=arguments))
    assert isinstance(model, nn.Linear)


def test_a_model_is_in_eval_mode_and_frozen_throughout(spec):
    model = models.build(spec())
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("path", ["torch.nn.Linear", "model.py", "x"])
def test_a_path_without_a_colon_is_told(spec, path):
    with pytest.raises(SpecError) as caught:
        models.build(ModelSpec(factory=path))
    assert str(caught.value.faults[0]) == f'model.factory: got "{path}"; use module:function'


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("no_such_module:f", "no_such_module"),
        ("no_such.sub.module:f", "no_such"),
        ("torch.no_such:f", "torch.no_such"),
    ],
)
def test_a_missing_module_is_told_with_where_it_was_sought(spec, path, missing):
    assert fault(spec(path)) == (
        f'model.factory: no module "{missing}" in {os.getcwd()} or among the installed packages'
    )


def test_a_missing_function_is_told(spec):
    assert fault(spec("lineer")) == f'model.factory: module {spec.module} has no "lineer"'


def test_a_module_that_needs_a_missing_package_is_told(spec, tmp_path):
    name = f"needs_{spec.module}"
    (tmp_path / f"{name}.py").write_text("import no_such_package.sub\n")
    assert fault(spec(f"{name}:f")) == (
        f'model.factory: {name} needs the package "no_such_package"; install it'
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("from torch import no_such_name\n", "ImportError: cannot import name 'no_such_name'"),
    ],
)
def test_a_module_that_raises_on_import_is_told(spec, tmp_path, source, said):
    name = f"raises_{abs(hash(source))}_{spec.module}"
    (tmp_path / f"{name}.py").write_text(source)
    assert fault(spec(f"{name}:f")).startswith(f"model.factory: {name} raised {said}")


def test_a_factory_that_raises_is_told_in_one_line(spec):
    assert fault(spec("broken")) == (
        f"model.arguments: {spec.module}:broken raised OSError: no such weights"
    )


def test_a_factory_that_raises_without_a_word_is_told(spec):
    assert fault(spec("silent")).rstrip() == (
        f"model.arguments: {spec.module}:silent raised RuntimeError:"
    )


def test_arguments_that_the_factory_does_not_take_are_told(spec):
    assert fault(spec("linear", arguments={"classes": 3})) == (
        f"model.arguments: {spec.module}:linear raised TypeError: "
        "linear() got an unexpected keyword argument 'classes'"
    )


@pytest.mark.parametrize(("factory", "kind"), [("text", "str"), ("nothing", "NoneType")])
def test_a_factory_that_returns_something_else_is_told(spec, factory, kind):
    assert fault(spec(factory)) == (
        f"model.factory: {spec.module}:{factory} returned a {kind}; return a torch.nn.Module"
    )


def test_a_factory_that_can_not_be_called_is_told(spec):
    assert "'int' object is not callable" in fault(spec("number"))


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


class TestCheckpoints:
    def save(self, value: object, name: str = "weights.pt") -> str:
        torch.save(value, name)
        return name

    def test_weights_and_buffers_are_loaded(self, spec):
        state = models.build(spec()).state_dict()
        changed = {name: value + 1 for name, value in state.items()}
        model = models.build(spec(checkpoint=self.save(changed)))
        for name, value in model.state_dict().items():
            assert torch.equal(value, changed[name])

    def test_an_ordered_dict_and_a_uri_are_fine(self, spec, tmp_path):
        state = collections.OrderedDict(models.build(spec()).state_dict())
        uri = f"file://{tmp_path}/{self.save(state)}"
        assert models.build(spec(checkpoint=uri)) is not None

    def test_a_missing_file_is_told(self, spec):
        assert fault(spec(checkpoint="nowhere.pt")) == (
            "model.checkpoint: nowhere.pt doesn't exist"
        )

    def test_an_unknown_protocol_is_told(self, spec):
        assert fault(spec(checkpoint="nope://a.pt")).startswith("model.checkpoint: nope://a.pt")

    @pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x04garbage", b"PK\x03\x04"])
    def test_a_file_of_garbage_is_told(self, spec, tmp_path, content):
        (tmp_path / "weights.pt").write_bytes(content)
        assert fault(spec(checkpoint="weights.pt")).startswith(
            "model.checkpoint: weights.pt is no state dict that loads with weights_only: "
        )

    def test_a_folder_is_told(self, spec, tmp_path):
        (tmp_path / "folder").mkdir()
        assert fault(spec(checkpoint="folder")).startswith("model.checkpoint: folder ")

    @pytest.mark.parametrize(("value", "kind"), [([1, 2], "list"), (torch.zeros(2), "Tensor")])
    def test_a_file_of_something_else_is_told(self, spec, value, kind):
        assert fault(spec(checkpoint=self.save(value))) == (
            f"model.checkpoint: weights.pt holds a {kind}; save model.state_dict()"
        )

    def test_a_whole_pickled_model_is_told(self, spec):
        found = fault(spec(checkpoint=self.save(models.build(spec()))))
        assert "wants to run code (torch.nn.modules.container.Sequential)" in found

    def test_a_whole_pickled_model_is_taken_if_the_spec_allows_it(self, spec):
        saved = models.build(spec())
        model = models.build(spec(checkpoint=self.save(saved), allow_pickle=True))
        assert models.fingerprint(model) == models.fingerprint(saved)

    def test_a_pickle_that_runs_code_runs_none(self, spec, tmp_path):
        self.save({"weight": Trap(str(tmp_path / "sprung"))})
        assert fault(spec(checkpoint="weights.pt")) == (
            "model.checkpoint: weights.pt is a pickle that wants to run code (posix.mkdir), and "
            "was not loaded; save model.state_dict() or safetensors instead, or, if you trust "
            "whoever made the file, set model.allow_pickle: true"
        )
        assert not (tmp_path / "sprung").exists()

    def test_a_pickle_of_the_oldest_format_that_runs_code_runs_none(self, spec, tmp_path):
        (tmp_path / "weights.pt").write_bytes(pickle.dumps(Trap(str(tmp_path / "sprung"))))
        assert fault(spec(checkpoint="weights.pt")).startswith("model.checkpoint: weights.pt is ")
        assert not (tmp_path / "sprung").exists()

    def test_a_pickle_named_safetensors_runs_no_code(self, spec, tmp_path):
        trap = {"weight": Trap(str(tmp_path / "sprung"))}
        for allow in (False, True):
            section = spec(checkpoint=self.save(trap, "w.safetensors"), allow_pickle=allow)
            assert "w.safetensors is no safetensors file" in fault(section)
        assert not (tmp_path / "sprung").exists()

    def test_the_trap_springs_where_the_spec_allows_it(self, spec, tmp_path):
        """Else the tests above would prove nothing."""
        self.save({"weight": Trap(str(tmp_path / "sprung"))})
        with pytest.raises(SpecError):
            models.build(spec(checkpoint="weights.pt", allow_pickle=True))
        assert (tmp_path / "sprung").exists()

    def test_a_checkpoint_of_another_size_is_told_with_name_and_sizes(self, spec):
        state = models.build(spec(arguments={"outputs": 4})).state_dict()
        found = fault(spec(checkpoint=self.save(state)))
        assert found.startswith("model.checkpoint: weights.pt doesn't fit the model: size mismatch")
        assert "0.weight" in found
        assert "torch.Size([4, 2])" in found
        assert "\n" not in found

    def test_missing_and_unexpected_keys_are_told(self, spec):
        state = dict(models.build(spec()).state_dict())
        state["model.0.weight"] = state.pop("0.weight")
        found = fault(spec(checkpoint=self.save(state)))
        assert 'Missing key(s) in state_dict: "0.weight"' in found
        assert 'Unexpected key(s) in state_dict: "model.0.weight"' in found

    def test_a_training_checkpoint_around_the_state_dict_is_told(self, spec):
        whole = {"epoch": 3, "state_dict": models.build(spec()).state_dict()}
        assert fault(spec(checkpoint=self.save(whole))) == (
            "model.checkpoint: weights.pt holds epoch, state_dict; set model.checkpoint_key to "
            "where the state dict is, such as state_dict"
        )

    @pytest.mark.parametrize("key", ["state_dict", "ema.model"])
    def test_a_key_leads_to_the_state_dict(self, spec, key):
        saved = models.build(spec())
        whole: object = saved.state_dict()
        for part in reversed(key.split(".")):
            whole = {"epoch": 3, part: whole}
        model = models.build(spec(checkpoint=self.save(whole), checkpoint_key=key))
        assert models.fingerprint(model) == models.fingerprint(saved)

    @pytest.mark.parametrize(
        ("key", "said"),
        [
            ("model", '"model"; where "model" is sought, it holds epoch, ema'),
            ("ema.net", '"ema.net"; where "net" is sought, it holds model'),
            ("epoch.net", '"epoch.net"; where "net" is sought, it holds a int'),
        ],
    )
    def test_a_key_that_leads_nowhere_is_told(self, spec, key, said):
        whole = {"epoch": 3, "ema": {"model": models.build(spec()).state_dict()}}
        section = spec(checkpoint=self.save(whole), checkpoint_key=key)
        assert fault(section) == f"model.checkpoint: weights.pt has no {said}"

    @pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model."])
    def test_a_wrapper_s_prefix_is_left_out(self, spec, prefix):
        saved = models.build(spec())
        state = {prefix + name: value for name, value in saved.state_dict().items()}
        model = models.build(spec(checkpoint=self.save(state)))
        assert models.fingerprint(model) == models.fingerprint(saved)

    def test_a_prefix_that_only_some_names_have_is_no_wrapper_s(self, spec):
        state = {f"module.{name}": v for name, v in models.build(spec()).state_dict().items()}
        state["other"] = torch.zeros(1)
        assert "doesn't fit the model" in fault(spec(checkpoint=self.save(state)))

    @pytest.mark.parametrize("scheme", ["", "file://", "memory://"])
    def test_safetensors_are_loaded_from_any_store(self, spec, tmp_path, scheme):
        saved = models.build(spec())
        uri = f"{scheme}{tmp_path}/w.safetensors"
        with fsspec.open(uri, "wb") as stream:
            stream.write(safetensors.torch.save(saved.state_dict()))
        model = models.build(spec(checkpoint=uri))
        assert models.fingerprint(model) == models.fingerprint(saved)

    def test_broken_safetensors_are_told(self, spec, tmp_path):
        whole = safetensors.torch.save(models.build(spec()).state_dict())
        for content in (b"", whole[:-1], whole[:20]):
            (tmp_path / "w.safetensors").write_bytes(content)
            found = fault(spec(checkpoint="w.safetensors"))
            assert found.startswith("model.checkpoint: w.safetensors is no safetensors file: ")

    def test_values_that_are_no_tensors_are_told(self, spec):
        state = dict.fromkeys(models.build(spec()).state_dict(), 1.0)
        assert "doesn't fit the model" in fault(spec(checkpoint=self.save(state)))

    def test_keys_that_are_no_texts_are_told(self, spec):
        assert fault(spec(checkpoint=self.save({0: torch.zeros(2)}))).startswith("model.checkpoint")


def nested() -> nn.Module:
    model = nn.Sequential()
    model.add_module("body", nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    model.add_module("head", nn.Linear(2, 3))
    return model


class TestTargets:
    def test_all_is_the_model(self):
        model = nested()
        assert models.targets(model, "all") is model

    def test_modules_and_parameters_are_found_by_their_dotted_names(self):
        model = nested()
        assert models.targets(model, "head") is model.head
        assert models.targets(model, "body.0") is model.body[0]
        assert models.targets(model, "body.0.weight") is model.body[0].weight

    @pytest.mark.parametrize("name", ["", "tail", "body.7", "head.weights", "head.weight.data"])
    def test_an_unknown_name_is_told_with_the_known_ones(self, name):
        with pytest.raises(LookupError) as caught:
            models.targets(nested(), name)
        assert caught.value.args[0] == (
            f'the model has no "{name}"; use all, body, body.0, body.1, head, body.0.weight, '
            "body.0.bias, head.weight, head.bias"
        )

    def test_a_large_model_shows_its_first_names_only(self):
        with pytest.raises(LookupError) as caught:
            models.targets(nn.Sequential(*[nn.Linear(1, 1) for _ in range(50)]), "x")
        assert str(caught.value.args[0]).endswith("9, 10, 11, ... (150 names)")


class TestFingerprint:
    def model(self) -> nn.Module:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        model.register_buffer("empty", torch.zeros(0))
        model.register_buffer("flag", torch.tensor(True))
        model.register_parameter("low", nn.Parameter(torch.ones(2, dtype=torch.bfloat16)))
        return model

    def test_equal_models_have_one(self):
        assert models.fingerprint(self.model()) == models.fingerprint(self.model())
        assert len(models.fingerprint(self.model())) == 64

    def test_it_depends_on_no_switch(self):
        model = self.model()
        before = models.fingerprint(model)
        assert models.fingerprint(model.eval()) == before
        assert models.fingerprint(model.requires_grad_(False)) == before
        model[0].weight.grad = torch.ones_like(model[0].weight)
        assert models.fingerprint(model) == before
        model.register_forward_hook(lambda *_: None)
        assert models.fingerprint(model) == before

    def test_it_does_not_depend_on_memory_layout(self):
        model = self.model()
        before = models.fingerprint(model)
        weight = model[0].weight.detach()
        model[0].weight = nn.Parameter(weight.t().contiguous().t())
        assert not model[0].weight.is_contiguous()
        assert models.fingerprint(model) == before

    @pytest.mark.parametrize("name", list(nn.BatchNorm1d(2).state_dict()))
    def test_it_changes_with_each_entry_of_a_layer(self, name):
        model = self.model()
        before = models.fingerprint(model)
        with torch.no_grad():
            model.state_dict()[f"1.{name}"].add_(1)
        assert models.fingerprint(model) != before

    def test_it_changes_with_the_last_bit_of_one_weight(self):
        model = self.model()
        before = models.fingerprint(model)
        with torch.no_grad():
            entry = model[2].weight[1, 3]
            entry.copy_(torch.nextafter(entry, torch.tensor(10.0)))
        assert models.fingerprint(model) != before

    def test_it_changes_with_a_swap_of_two_layers(self):
        one = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        other = nn.Sequential(one[1], one[0])
        assert models.fingerprint(one) != models.fingerprint(other)

    def test_it_changes_with_name_shape_and_dtype(self):
        def of(name: str, value: torch.Tensor) -> str:
            model = nn.Module()
            model.register_buffer(name, value)
            return models.fingerprint(model)

        zeros = torch.zeros(4, dtype=torch.int32)
        found = {
            of("a", zeros),
            of("b", zeros),
            of("a", zeros.view(2, 2)),
            of("a", zeros.view(torch.float32)),
        }
        assert len(found) == 4

    def test_it_changes_with_a_buffer_that_is_not_persistent(self):
        """All buffers, its docstring says; such a one may hold the normalisation."""
        models_of = []
        for value in (0.0, 1.0):
            model = nn.Module()
            model.register_buffer("mean", torch.tensor(value), persistent=False)
            models_of.append(models.fingerprint(model))
        assert models_of[0] != models_of[1]


class TestLogits:
    expected = torch.zeros(2, 3)

    @pytest.mark.parametrize(
        ("output", "where"),
        [
            (expected, None),
            ((expected, 1), 0),
            ([1, expected], 1),
            ((1, expected), -1),
            ({"logits": expected, "loss": 1}, "logits"),
            ({0: expected}, 0),
            (types.SimpleNamespace(logits=expected), "logits"),
            (collections.namedtuple("Output", "loss logits")(1, expected), "logits"),
            (collections.namedtuple("Output", "loss logits")(1, expected), 1),
        ],
    )
    def test_they_are_found_by_index_attribute_or_key(self, output, where):
        assert models.logits(output, where) is self.expected

    @pytest.mark.parametrize(
        ("output", "where", "said"),
        [
            ((expected,), None, "the model's output is a tuple;"),
            ({"logits": expected}, None, "the model's output is a dict;"),
            (torch.zeros(3), None, "the model's output is a Tensor of shape (3,);"),
            (torch.zeros(2, 3, 4), None, "the model's output is a Tensor of shape (2, 3, 4);"),
            ((torch.zeros(2), 1), 1, "the model's output is a int;"),
        ],
    )
    def test_other_outputs_are_told_with_the_cure(self, output, where, said):
        with pytest.raises(TypeError) as caught:
            models.logits(output, where)
        assert str(caught.value) == (
            f"{said} logits have shape (N, C): "
            "set model.logits to the index or attribute that holds them"
        )

    @pytest.mark.parametrize(
        ("output", "where", "error"),
        [
            ((expected,), 3, IndexError),
            ({"a": expected}, "logits", KeyError),
            (types.SimpleNamespace(), "logits", AttributeError),
        ],
    )
    def test_a_place_that_is_not_there_is_an_error(self, output, where, error):
        with pytest.raises(error):
            models.logits(output, where)
