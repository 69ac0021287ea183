"""What the commands print at their end."""

from rich.console import Console
from rich.table import Table

from raygrad.cluster.run import Summary, log_path
from raygrad.table import layout
from raygrad.validate import Job, Report


def print_summary(summary: Summary) -> None:
    """A run's counts, where things lie, and how the table is read."""
    scores = layout.scores(summary.table)
    rate = summary.rows / summary.seconds if summary.seconds else 0
    lines = [
        "Interrupted." if summary.interrupted else "Done.",
        f"  rows    {summary.rows:,} scored in {summary.seconds:.1f} s ({rate:,.0f} rows/s), "
        f"{summary.rows_before:,} were there already, {summary.rows_open:,} are open",
        f"  errors  {summary.errors:,}",
        f"  table   {scores}",
        f"  log     {log_path(summary)}",
        "Read it:",
        f"  SQL     SELECT * FROM read_parquet('{scores}/**/*.parquet', hive_partitioning = true)",
        f"  pandas  pd.read_parquet('{scores}')",
    ]
    if summary.interrupted:
        lines.append("Run the same command again to score the rest.")
    _console().print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


def print_report(job: Job, report: Report) -> None:
    """A dry run's findings."""
    console = _console()
    sources = Table("partition", "files", "rows", "accuracy", title="Sources", title_justify="left")
    for source in report.sources:
        shown = "-" if source.accuracy is None else f"{source.accuracy:.1%}"
        sources.add_row(
            source.partition or "(none)", f"{source.files:,}", f"{source.rows:,}", shown
        )
    console.print(sources)
    first = report.scores.slice(0, 1).to_pylist()
    columns = Table("column", "type", "first row", title="Table", title_justify="left")
    for field in report.scores.schema:
        columns.add_row(field.name, str(field.type), str(first[0][field.name]) if first else "")
    console.print(columns)
    failed = len(report.scores) - report.scores["error_type"].null_count
    console.print(
        f"model  {job.spec.model.factory}, {report.parameters:,} parameters, "
        f"fingerprint {job.identity['model']['fingerprint'][:12]}\n"
        f"tried  {len(report.scores):,} rows, {failed:,} errors, "
        f"{report.rate:,.0f} rows/s in one process\n"
        f"plan   {len(job.units):,} units, {len(job.open):,} of them open",
        soft_wrap=True,
        highlight=False,
    )


def _console() -> Console:
    return Console()
