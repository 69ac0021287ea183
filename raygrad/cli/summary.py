"""What the commands print at their end."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from raygrad.cluster.summary import Summary
from raygrad.persample.explanation import Explanation
from raygrad.table import layout
from raygrad.table.export import Exported
from raygrad.table.failures import Failure
from raygrad.table.status import Status
from raygrad.validate import Job, Report

LONGEST_CELL = 60
MOST_ROWS = 8


def print_summary(summary: Summary) -> None:
    """A run's counts, where things lie, and how the table is read."""
    scores = layout.scores(summary.table)
    rate = "" if summary.rate is None else f", {summary.rate:,.0f} rows/s once started"
    before = _and_archives(f"{summary.rows_before:,}", summary.uncounted_before)
    left = _and_archives(f"{summary.rows_open:,}", summary.uncounted_open)
    lines = [
        "Interrupted." if summary.interrupted else "Done.",
        f"  rows    {summary.rows:,} scored in {summary.seconds:.1f} s{rate}, "
        f"{before} were there already, {left} are open",
        f"  errors  {summary.errors:,}",
        f"  table   {scores}",
        f"  log     {summary.log}",
        "Read it:",
        f"  SQL     SELECT * FROM read_parquet('{scores}/**/*.parquet', hive_partitioning = true)",
        f"  pandas  pd.read_parquet('{scores}')",
    ]
    if summary.retried:
        finished = summary.retried - summary.retries_open
        lines.insert(
            3,
            f"  retried {finished:,} of {summary.retried:,} rows with errors, "
            f"{summary.recovered:,} have scores now",
        )
    if summary.non_finite:
        lines.append(
            f"Note: {summary.non_finite:,} scores are NaN or infinite; they are in the table as "
            "they are, and counted in its footers."
        )
    if summary.changed:
        lines.append(
            f"Note: {summary.changed:,} source files changed after all their rows were scored; "
            "the table has the rows of before."
        )
    if not summary.create_only:
        lines.append(
            "Note: the store replaces files though it is told not to. No row is there twice, since "
            "a unit has one name; but of two runs at once the later one's files stay."
        )
    if summary.interrupted:
        lines.append("Run the same command again to score the rest.")
    _console().print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


def _and_archives(rows: str, archives: int) -> str:
    """A count of rows, and of the archives whose rows aren't in it."""
    if not archives:
        return rows
    return f"{rows} and those of {archives:,} archive{'s' if archives > 1 else ''}"


def print_report(job: Job, report: Report) -> None:
    """A dry run's findings."""
    console = _console()
    sources = Table("partition", "files", "rows", "accuracy", title="Sources", title_justify="left")
    for source in report.sources:
        shown = "-" if source.accuracy is None else f"{source.accuracy:.1%}"
        sources.add_row(
            source.partition or "(none)",
            f"{source.files:,}",
            "not counted" if source.rows is None else f"{source.rows:,}",
            shown,
        )
    console.print(sources)
    first = report.scores.slice(0, 1).to_pylist()
    columns = Table("column", "type", "first row", title="Table", title_justify="left")
    for field in report.scores.schema:
        value = str(first[0][field.name]) if first else ""
        columns.add_row(Text(field.name), Text(str(field.type)), Text(value[:LONGEST_CELL]))
    console.print(columns)
    if report.explanation is not None:
        console.print(_costs(report.explanation))
    failed = len(report.scores) - report.scores["error_type"].null_count
    console.print(
        f"model  {job.spec.model.factory}, {report.parameters:,} parameters, "
        f"fingerprint {job.identity['model']['fingerprint'][:12]}\n"
        f"tried  {len(report.scores):,} rows, {failed:,} errors, "
        f"{report.rate:,.0f} rows/s in one process\n"
        f"plan   {len(job.units):,} units, {len(job.open):,} of them open",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


def _costs(explanation: Explanation) -> Table:
    """The dearest parameters, and all that the reference had to take."""
    rows = sorted(explanation.rows, key=lambda row: -row.share)
    shown = [row for place, row in enumerate(rows) if place < MOST_ROWS or row.kind == "reference"]
    title = f"Time of one batch, {explanation.seconds * 1e3:.1f} ms"
    table = Table("parameter", "op", "by", "how", "share", title=title, title_justify="left")
    for row in shown:
        kind = f"reference: {row.why}" if row.kind == "reference" else row.kind
        name = Text(row.target, overflow="fold")
        table.add_row(name, row.consumer, Text(kind), row.how, f"{row.share:.1%}")
    if len(rows) > len(shown):
        left = sum(row.share for row in rows if row not in shown)
        table.add_row(f"{len(rows) - len(shown)} more", "", "", "", f"{left:.1%}")
    table.add_row("backward and the rest", "", "", "", f"{explanation.elsewhere:.1%}")
    return table


def print_status(table: str, status: Status) -> None:
    """How far a table is."""
    whole = status.done / status.planned if status.planned else 1
    at_least = "at least " if status.uncounted else ""
    share = "" if status.uncounted else f" ({whole:.1%})"
    lines = [
        f"table     {layout.scores(table)}",
        f"rows      {status.done:,} of {at_least}{status.planned:,} done{share}, "
        f"{status.failed:,} of them failed",
        f"files     {status.files:,} of {status.units:,} units, {_bytes(status.size)}",
    ]
    for lease in filter(None, (status.lease, *status.parts)):
        end = "" if lease.over is None else f"; over, since {lease.over}"
        lines.append(f"at work   {lease}{end}")
    if status.last_run is not None:
        run = status.last_run
        rate = f", {run['rate']:,.0f} rows/s" if run["rate"] else ""
        end = ", interrupted" if run["interrupted"] else ""
        lines.append(f"last run  {run['run']}: {run['rows']:,} rows{rate}{end}")
    _console().print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


def print_failures(failures: list[Failure]) -> None:
    """Failed rows by stage and type."""
    console = _console()
    if not failures:
        console.print("No row failed.")
        return
    shown = Table("stage", "type", "rows", "example")
    for failure in failures:
        example = Text(failure.example, overflow="fold")
        shown.add_row(failure.stage, failure.kind, f"{failure.rows:,}", example)
    console.print(shown)


def print_exported(out: str, exported: Exported) -> None:
    """What was copied, and what wasn't there yet."""
    line = (
        f"{exported.rows:,} rows in {exported.files:,} files and {exported.partitions:,} folders "
        f"of {out}"
    )
    if exported.units_open:
        line += f"\n{exported.rows_open:,} planned rows of {exported.units_open:,} units are open"
    _console().print(line, soft_wrap=True, highlight=False, markup=False)


def print_report_page(path: str, size: int, findings: Sequence[str]) -> None:
    """A report's main points, and where it is."""
    console = _console()
    for finding in findings:
        console.print(finding, highlight=False, markup=False)
    console.print(f"report  {path}, {_bytes(size)}", soft_wrap=True, highlight=False, markup=False)


def _bytes(size: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _console() -> Console:
    return Console()
