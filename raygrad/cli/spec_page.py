"""docs/spec.md: every key of a job's spec, from the models that validate it.

Run as ``python -m raygrad.cli.spec_page > docs/spec.md``; a test compares the page.
"""

import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from raygrad.confidence import CONFIDENCE, LAST_LAYER
from raygrad.factories import FACTORIES
from raygrad.losses import LOSSES
from raygrad.metrics import METRICS
from raygrad.sources import SOURCES
from raygrad.spec import ActorsSpec, FieldSpec, JobSpec, LossSpec, ModelSpec, SourceSpec

SECTIONS: dict[str, type[BaseModel]] = {
    "The job": JobSpec,
    "sources": SourceSpec,
    "input": FieldSpec,
    "model": ModelSpec,
    "loss": LossSpec,
    "actors": ActorsSpec,
}

HEAD = """\
Made from `raygrad/spec` by `python -m raygrad.cli.spec_page`. Relative paths are relative to the
folder that raygrad runs in. [jobs](../jobs) holds specs to copy, and `raygrad init` writes a first
one.

Editors with yaml-language-server, such as VS Code with Red Hat's YAML extension, complete keys and
mark mistakes: run `raygrad schema > raygrad.schema.json`, and begin the spec with that file's path,
seen from the spec:

```yaml
# yaml-language-server: $schema=raygrad.schema.json
```"""

OWN_LOSS = """\
A function of your own, `module:function`, takes logits (N, C), divided by the temperature, and the
keyword arguments in `arguments`, and returns one loss a sample, (N,), that depends on that sample
alone. Its code is no part of the table's identity: give a changed one another name, or another
table. With `target`, rows whose label is null or no class of the model are error rows, of type
`LabelError`. The direction of max, min and mean is never known."""

SCORES = """\
h is the input of `last_layer`, a torch.nn.Linear that is called once and whose output is what the
model returns as logits; validate checks that. p is the softmax, for the last layer's scores at
`loss.temperature` T. They need no backward pass: `gradnorm` equals the metric l1 of the layer's
weight under `loss: uniform`, `exgrad` that under `loss: exgrad` with all classes."""

BAR = "\\|"
"""A bar within a cell of a Markdown table."""

NETWORKS = """\
`model.factory` is `LIBRARY:NAME`, the library being installed, or an import path of your own
function. Without `arguments: {pretrained: true}` weights come from `checkpoint`, or from the folder
that `huggingface:` names, and a network that would keep random weights is refused."""


def page() -> str:
    """The whole page, in Markdown."""
    metrics = ", ".join(METRICS)
    lines = [
        "# The spec of a job",
        "",
        HEAD,
        "",
        f"- Source formats: {', '.join(SOURCES)}; see formats below.",
        f"- Losses: {', '.join(LOSSES)}, or your own; see losses below.",
        f"- Metrics: {metrics}, and p-norms such as l1, l2, l0.5 or linf.",
        f"- Forward-only scores, in every table: {', '.join(CONFIDENCE)}; with `last_layer` also "
        f"{', '.join(LAST_LAYER)}. See scores below.",
        "",
    ]
    for title, model in SECTIONS.items():
        lines += [f"## {title}", "", (model.__doc__ or "").strip(), ""]
        lines += ["| key | default | meaning |", "|-|-|-|", *_rows(model), ""]
    lines += ["## Losses", "", OWN_LOSS, ""]
    lines += ["| loss | what it is | large gradients mean |", "|-|-|-|"]
    for name, loss in LOSSES.items():
        large = loss.large or "not known, to be fitted"
        lines.append(f"| `{name}` | {loss.definition} | {large} |")
    lines += ["", "## Scores of the forward pass", "", SCORES, ""]
    lines += ["| column | what it is | high values mean |", "|-|-|-|"]
    for name, score in {**CONFIDENCE, **LAST_LAYER}.items():
        lines.append(f"| `{name}` | {score.definition.replace('|', BAR)} | {score.high} |")
    lines += ["", "## Networks by name", "", NETWORKS, ""]
    lines += ["| factory | what it makes |", "|-|-|"]
    for title, library in FACTORIES.items():
        lines.append(f"| `{title}:` | {(library.__doc__ or '').strip().replace('``', '`')} |")
    lines += ["", "## Formats", ""]
    for title, source in SOURCES.items():
        lines += [f"### {title}", "", f"Endings: {', '.join(source.SUFFIXES)}.", ""]
        lines += [(source.__doc__ or "").strip().replace("``", "`"), ""]
    return "\n".join(lines)


def _rows(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if field.is_required():
            default = "required"
        elif field.default_factory is not None:
            default = "empty"
        else:
            default = f"`{_shown(field.default)}`"
        yield f"| `{name}` | {default} | {field.description or ''} |"


def _shown(value: Any) -> str:
    if isinstance(value, LossSpec):
        return value.name
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    sys.stdout.write(page())
