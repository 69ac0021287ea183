"""A dry run's findings: accuracy, rate and the table's columns, from a few rows."""

import time
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import torch

from raygrad import plan
from raygrad.persample.explanation import Explanation
from raygrad.plan import Group, Units
from raygrad.scorer import Scorer, decode_batch, raw_columns
from raygrad.sources import batches
from raygrad.spec import AUTO
from raygrad.validate.job import Job

ROWS_AT_ONCE = 64
"""Where the spec leaves the batch size to the job's first run."""


@dataclass(frozen=True)
class SourceReport:
    """What a dry run shows of one source.

    Attributes:
        partition: Its Hive folder.
        files: How many files it has.
        rows: How many rows the plan has of it; None where they can't be counted beforehand.
        accuracy: Share of right predictions among the rows that were tried and have a label; None
            where there are none.
    """

    partition: str
    files: int
    rows: int | None
    accuracy: float | None


@dataclass(frozen=True)
class Report:
    """What a dry run shows.

    Attributes:
        sources: One report a source.
        parameters: How many parameters the model has.
        scores: Those of the rows that were tried.
        explanation: What the collector did with each parameter of one batch, and how long it took;
            None if no row could be scored.
        rate: Rows a second, decoding and scoring in this process, after a warm-up batch.
    """

    sources: list[SourceReport]
    parameters: int
    scores: pa.Table
    explanation: Explanation | None
    rate: float


def report(job: Job, rows: int) -> Report:
    """Decodes and scores the first rows of each source, without a cluster.

    Args:
        job: As :func:`raygrad.validate.prepare` gives it.
        rows: How many of each source.
    """
    spec = job.spec
    size = ROWS_AT_ONCE if spec.batch_size == AUTO else spec.batch_size
    scorer = Scorer(spec, job.model, torch.device("cpu"), job.kept)
    tables: list[pa.Table] = []
    sources: list[SourceReport] = []
    explanation: Explanation | None = None
    seconds, timed = 0.0, 0
    for group in job.groups:
        right: list[bool] = []
        for unit in plan.make([group], rows, limit=rows):
            for batch in batches(unit.segments, raw_columns(spec, spec.label), size):
                if explanation is None:
                    explanation = _explain(scorer, decode_batch(batch, spec))
                start = time.perf_counter()
                scores = scorer.score(decode_batch(batch, spec))
                seconds += time.perf_counter() - start
                timed += len(scores)
                tables.append(scores)
                if spec.label is not None:
                    right += _right(batch[spec.label], scores["prediction"])
        accuracy = sum(right) / len(right) if right else None
        counted = _planned(group, job.units)
        sources.append(SourceReport(group.partition, len(group.files), counted, accuracy))
    table = pa.concat_tables(tables) if tables else scorer.schema.empty_table()
    parameters = sum(parameter.numel() for parameter in job.model.parameters())
    rate = timed / seconds if seconds else 0.0
    return Report(sources, parameters, table, explanation, rate)


def _explain(scorer: Scorer, batch: pa.Table) -> Explanation | None:
    """Of a batch that can be scored; it is scored twice, since the first time is slower."""
    scores = scorer.score(batch)
    return scorer.explain(batch) if scores["error_stage"].null_count == len(batch) else None


def _planned(group: Group, units: Units) -> int | None:
    """How many rows a plan has of a source's files; None where they can't be counted beforehand."""
    segments = units.segments
    here = pc.equal(segments["partition"], group.partition).to_numpy()
    rows = segments["rows"].filter(here & (group.files.positions(segments["uri"]) >= 0))
    return None if rows.null_count else pc.sum(rows).as_py() or 0


def _right(labels: pa.ChunkedArray, predictions: pa.ChunkedArray) -> list[bool]:
    pairs = zip(labels.to_pylist(), predictions.to_pylist(), strict=True)
    return [label == guess for label, guess in pairs if label is not None and guess is not None]
