"""A first spec's text, with comments that say what to look at."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import yaml

from raygrad import factories
from raygrad.draft.data import Data

METRICS = {
    "pseudo_label": ["max", "min", "mean", "std", "l1", "l2"],
    "uniform": ["l1"],
    "confounding": ["l2"],
}
"""What is customary for each loss: Oberdiek et al. 2018, GradNorm (Huang et al. 2021), and Lee and
AlRegib 2020."""


class Answers(NamedTuple):
    """What the data can't tell.

    Attributes:
        column: The input column; None stands for the columns of tokens.
        factory: As in a spec's model section.
        checkpoint: Path or URI of the weights, if there are any apart from the factory's.
        loss: A key of ``METRICS``.
        target: What is differentiated: a module's name, or all.
        output: Path or URI of the table.
    """

    column: str | None
    factory: str
    checkpoint: str | None
    loss: str
    target: str
    output: str


def text(data: Data, answers: Answers) -> str:
    """The spec, in YAML; every line that is a guess says so."""
    sections = [_head(data, answers), _input(data, answers), _label(data), _model(answers)]
    return "\n".join("\n".join(lines) + "\n" for lines in map(list, sections) if lines)


def _head(data: Data, answers: Answers) -> Iterator[str]:
    yield "# Written by `raygrad init`; `raygrad validate` checks it and scores a few rows."
    yield ""
    yield _with(f"output: {_yaml(answers.output)}", "path or URI of the table of scores")
    yield ""
    yield "sources:"
    yield f"  - path: {_yaml(data.path)}"
    yield f"    format: {data.format}"
    yield _with("    # constants: {dataset: mine}", "a Hive partition for all of its rows")


def _input(data: Data, answers: Answers) -> Iterator[str]:
    if answers.column is None:
        yield _with("input:", "keyword arguments of the model")
        for name in data.tokens:
            yield f"  {name}: {{column: {name}, dtype: int64}}"
        return
    yield "input:"
    yield f"  column: {_yaml(answers.column)}"
    if not data.is_image(answers.column):
        return
    yield "  decode: image"
    if factories.library(answers.factory):
        yield _with("  resize: 256", "the shorter side; use what the network was trained with")
        yield _with("  crop: 224", "the square at the centre")
        yield _with("  mean: [0.485, 0.456, 0.406]", "of ImageNet, for pixels divided by 255")
        yield "  std: [0.229, 0.224, 0.225]"
    else:
        yield _with("  # mode: L", "for grey images")
        yield _with("  # resize: 256", "the shorter side; all inputs must have one shape")
        yield _with("  # crop: 224", "the square at the centre")
        yield _with("  # mean: [0.5, 0.5, 0.5]", "for pixels divided by 255")
        yield "  # std: [0.5, 0.5, 0.5]"


def _label(data: Data) -> Iterator[str]:
    if data.label is not None:
        yield _with(f"label: {_yaml(data.label)}", "`raygrad validate` shows the accuracy")
        yield _with(f"keep: [{_yaml(data.label)}]", "columns that go into the table as they are")
    elif "label" in data.columns.names and pa.types.is_string(data.columns.field("label").type):
        yield _with("keep: [label]", "columns that go into the table as they are")


def _model(answers: Answers) -> Iterator[str]:
    yield "model:"
    yield f"  factory: {_yaml(answers.factory)}"
    if factories.library(answers.factory):
        yield _with("  # arguments: {num_classes: 10}", "passed on to the library")
    else:
        yield _with("  # arguments: {}", "keyword arguments of the function")
    if answers.checkpoint:
        yield f"  checkpoint: {_yaml(answers.checkpoint)}"
    else:
        yield _with("  # checkpoint: weights.safetensors", "or a state dict that torch.save wrote")
    if factories.library(answers.factory) == "huggingface":
        yield _with("  logits: logits", "where the model's output holds them")
    yield ""
    yield _with(f"loss: {answers.loss}", " or ".join(METRICS))
    yield _with("metrics:", "for each module or parameter, or all")
    yield f"  {_yaml(answers.target)}: {_yaml(METRICS[answers.loss])}"
    yield _with("# last_layer: fc", "the nn.Linear that gives the logits; adds GradNorm")
    yield ""
    yield _with("batch_size: 64", "part of the table's identity: settle it before the first run")


def _with(line: str, comment: str) -> str:
    return f"{line:<33} # {comment}"


def _yaml(value: Any) -> str:
    """A value on one line, quoted where YAML needs it."""
    dumped = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return dumped.removesuffix("...\n").strip()
