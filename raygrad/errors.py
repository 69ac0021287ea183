"""Every exception that raygrad raises on purpose.

    RaygradError
    ├── SpecError (a ValueError)        the job's spec or its input is wrong; nothing was started
    ├── ImportPathError                 an import path names nothing that can be imported
    ├── CheckpointError                 weights aren't there, aren't safe to load, or don't fit
    ├── IdentityError                   the table belongs to another model, loss or metric
    ├── StorageError (an OSError)       a store can't be reached, refuses, or goes on failing
    ├── TableError                      there is no table, or it isn't what it should be
    ├── TableBusyError                  another run is at work on the table
    ├── PlanError                       the sources are no longer what the plan was made from
    ├── ModelReplicaError               an actor's model is not the one that the driver built
    ├── ClusterError                    a Ray cluster doesn't answer, or refuses
    ├── JobFailedError                  Ray or the code that it ran failed for good
    ├── TooManyErrorsError              more rows failed than max_errors allows
    ├── RowError                        one row can't be scored; it becomes an error row
    │   ├── BrokenArchiveError          the rest of the row's archive can't be read
    │   ├── NullInputError              the input column is null in this row
    │   ├── DecodeError                 the bytes are no readable image
    │   ├── ShapeError                  the decoded input has another shape than the rest
    │   ├── LabelError                  the label is null, or no class of the model
    │   └── ProcessDied                 the row kills the process that decodes or scores it
    ├── UnreachedParameterError (a ValueError)   the loss ignores a target, and strict=True
    ├── SamplesInteractError            samples mix on the way, and on_interaction="raise"
    └── RefusedModelError               autograd itself can't differentiate this sample by sample
        └── LastLayerError              last_layer isn't the linear layer that gives the logits

A class name is what a table's ``error_type`` column holds, so renaming one is a breaking change.
"""

from collections.abc import Sequence
from typing import NamedTuple


class RaygradError(Exception):
    """Base of all errors that raygrad raises on purpose."""


class Fault(NamedTuple):
    """One thing that is wrong, and where: ``sources[1].format: got "webp"; use parquet``."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class SpecError(RaygradError, ValueError):
    """A job can't start; carries every fault that was found, not just the first.

    Args:
        faults: What is wrong, each with its place in the spec.
        origin: The spec's path, for the message.
    """

    def __init__(self, faults: Sequence[Fault], origin: str = "spec") -> None:
        super().__init__(tuple(faults), origin)
        self.faults = tuple(faults)
        self.origin = origin

    def __str__(self) -> str:
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        return "\n".join([f"{self.origin} has {count}:", *(f"  {fault}" for fault in self.faults)])


class ImportPathError(RaygradError):
    """An import path such as ``module:function`` leads nowhere."""


class CheckpointError(RaygradError):
    """A checkpoint isn't there, can't be loaded without running its code, or doesn't fit."""


class IdentityError(RaygradError):
    """A table holds the scores of one identity, and this run has another."""


class StorageError(RaygradError, OSError):
    """A store can't be reached, refuses access, or failed again and again."""


class TableError(RaygradError):
    """A folder is no raygrad table, or not a sound one."""


class TableBusyError(RaygradError):
    """Another run holds the table's lease; says who, and since when."""


class PlanError(RaygradError):
    """A source file that the plan relies on has changed or vanished."""


class ModelReplicaError(RaygradError):
    """An actor built a model with other weights than the driver did."""


class ClusterError(RaygradError):
    """A Ray cluster can't be reached, wants a token, or refuses a job."""


class JobFailedError(RaygradError):
    """A job's tasks or actors failed for good; the cause is in the message."""


class TooManyErrorsError(RaygradError):
    """The job stopped because more rows failed than ``max_errors`` allows."""


class RowError(RaygradError):
    """Base of the errors that belong to one row."""


class BrokenArchiveError(RowError):
    """An archive is truncated or corrupt; the row stands for all that comes after."""


class NullInputError(RowError):
    """The row holds no input."""


class DecodeError(RowError):
    """The row's bytes can't be decoded."""


class ShapeError(RowError):
    """The row's decoded input has an unexpected shape."""


class LabelError(RowError):
    """The loss needs the row's label, which is null or no class of the model."""


class ProcessDied(RowError):  # noqa: N818 - it stands in tables, beside the user's own names
    """Decoding or scoring the row kills the process that does it."""


class UnreachedParameterError(RaygradError, ValueError):
    """A target parameter has no influence on the loss, and ``strict=True`` asked to be told."""


class SamplesInteractError(RaygradError):
    """One sample's loss depends on other samples of the batch, so its gradient isn't its own."""


class RefusedModelError(RaygradError):
    """The model is of a kind for which per-sample gradients can't be had; says what to do."""


class LastLayerError(RefusedModelError):
    """The layer that a job calls its last doesn't give the logits, or isn't linear."""
