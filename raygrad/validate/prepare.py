"""From a spec's path to a job that can start, or to all the reasons why it can't."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from raygrad import models, plan, storage
from raygrad.errors import Fault, SpecError
from raygrad.plan import Group, Units
from raygrad.scorer import raw_columns
from raygrad.spec import AUTO, JobSpec, load
from raygrad.table import identity, layout, retry, schema
from raygrad.validate import checks, differentiated
from raygrad.validate.first_rows import try_a_few_rows, with_shape
from raygrad.validate.job import Job


def prepare(
    path: str, *, output: str | None = None, limit: int | None = None, retry_errors: bool = False
) -> Job:
    """Checks a spec against the world: files, columns, model, checkpoint, table.

    Args:
        path: The spec, a YAML file.
        output: A table to use instead of the spec's.
        limit: How many rows of the plan make a trial; None for all.
        retry_errors: Whether published units that hold rows with errors are scored again.

    Returns:
        The job, of which nothing has been written yet.

    Raises:
        SpecError: With every fault.
        IdentityError: If the table belongs to another model, loss, metrics or batch size.
        PlanError: If a source that is still to be read has changed or vanished.
    """
    sections, faults = load(path)
    target = sections.get("output") if output is None else output
    storage.configure(sections.get("storage", {}))
    faults += checks.output_faults(target)
    unreachable = list(checks.storage_faults(sections, target))
    if unreachable:
        # Without them nothing can be said about sources, checkpoint and table.
        raise SpecError([*faults, *unreachable], path)
    faults += checks.limit_faults(sections, output, limit)
    groups: dict[int, Group] = {}
    model = None
    descriptions = {}
    for index, source in enumerate(sections.get("sources", [])):
        found = checks.list_source(f"sources[{index}]", source, sections, faults)
        if found is not None:
            groups[index], descriptions[index] = found
            faults += checks.column_faults(f"sources[{index}]", descriptions[index], sections)
    if not any(fault.place == "output" for fault in faults):
        faults += checks.overlap_faults(groups, target)
    faults += checks.name_faults(sections)
    faults += [*checks.transform_faults(sections), *differentiated.loss_faults(sections)]
    if "model" in sections:
        try:
            model = models.build(sections["model"])
        except SpecError as error:
            faults += error.faults
    if model is not None:
        faults += differentiated.model_faults(model, sections)
    if faults:
        raise SpecError(faults, path)
    assert model is not None
    listed = list(groups.values())
    spec = _resolved(JobSpec.model_construct(**sections), listed, output, path)
    if spec.batch_size == AUTO and (settled := identity.stored(spec.output)):
        spec = spec.model_copy(update={"batch_size": settled["batch_size"]})
    columns = next(iter(descriptions.values())).schema
    kept = tuple(columns.field(name) for name in spec.keep)
    table_identity = _identity(spec, models.fingerprint(model), limit)
    identity.compare(spec.output, table_identity)
    read = pa.schema([columns.field(name) for name in raw_columns(spec)])
    known, fresh = _planned(spec, listed, read, limit)
    done = known.are_among(layout.published(spec.output))
    changes = plan.changed_files(known, listed)
    stale = plan.concerning(known.filter(done & known.read_from(changes)), changes)
    job = Job(
        spec,
        kept,
        table_identity,
        tuple(listed),
        known,
        fresh,
        done,
        tuple(uri for uri, what in stale.items() if "changed" in what),
        model,
        retried=retry.with_errors(spec.output, known.filter(done)) if retry_errors else {},
    )
    plan.refuse_changes(job.open, changes)
    if retry_errors:
        cure = "restore them, or run without --retry-errors: the table keeps the rows of before"
        plan.refuse_changes(job.again, changes, cure)
    return replace(job, check=try_a_few_rows(job, path)) if len(job.to_score) else job


def _resolved(spec: JobSpec, groups: Sequence[Group], output: str | None, path: str) -> JobSpec:
    """The spec with absolute paths and the inputs' shapes."""
    checkpoint = spec.model.checkpoint
    model = spec.model.model_copy(
        update={"checkpoint": storage.absolute(checkpoint) if checkpoint else None}
    )
    spec = spec.model_copy(
        update={
            "output": storage.absolute(spec.output if output is None else output),
            "model": model,
        }
    )
    faults: list[Fault] = []
    fields = {
        keyword: field
        if field.shape is not None
        else with_shape(checks.field_place(keyword), field, groups, faults)
        for keyword, field in spec.input.items()
    }
    for keyword, field in fields.items():
        faults += checks.channel_faults(keyword, field)
    if faults:
        raise SpecError(faults, path)
    return spec.model_copy(update={"input": fields})


def _planned(
    spec: JobSpec, groups: Sequence[Group], columns: pa.Schema, limit: int | None
) -> tuple[Units, Units]:
    """The units of the table's plan, and those that new files make."""
    known = plan.load(spec.output, [group.files for group in groups])
    added = [] if len(known) and limit is not None else plan.new_files(known, groups)
    generation = known[-1].generation + 1 if len(known) else 0
    fresh = plan.make(
        added, spec.rows_per_file, columns=columns, generation=generation, limit=limit
    )
    return known, fresh


def _identity(spec: JobSpec, fingerprint: str, limit: int | None) -> dict[str, Any]:
    return {
        "schema_version": schema.VERSION,
        # The fingerprint tells the weights, however they are stored.
        "model": {
            **spec.model.model_dump(include={"factory", "arguments", "logits"}),
            "fingerprint": fingerprint,
        },
        "input": {
            keyword or "(positional)": field.model_dump(exclude_none=True)
            for keyword, field in spec.input.items()
        },
        # The code of the user's own loss isn't known to it, no more than that of a transform.
        "loss": spec.loss.model_dump(),
        "label": spec.target,
        "last_layer": spec.last_layer,
        "metrics": spec.metrics,
        "keep": spec.keep,
        "batch_size": spec.batch_size,
        "precision": spec.precision,
        "limit": limit,
    }
