"""``raygrad run``."""

import json
import sys
from dataclasses import asdict

import click

from raygrad.cli.exits import INTERRUPTED, exit_codes


@click.command()
@click.argument("spec", type=click.Path(dir_okay=False))
@click.option("--output", metavar="URI", help="Write to this table instead of the spec's.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Score the first N rows only, as a trial; needs --output.",
)
@click.option(
    "--retry-errors",
    is_flag=True,
    help="Score the rows that hold errors again, too; what can't be scored now stays as it is.",
)
@click.option(
    "--ignore-lease",
    is_flag=True,
    help="Take the table over from a run that is at work on it, or seems to be.",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Run on this Ray cluster; without it on an embedded Ray, whatever RAY_ADDRESS says.",
)
@click.option(
    "--part",
    metavar="N/OF",
    help="Score a share of the plan only, such as 3/8; the shares of one table run side by side.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="json: the log, progress and summary as one JSON object a line.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show Ray's own messages.")
def run(
    *,
    spec: str,
    output: str | None,
    limit: int | None,
    retry_errors: bool,
    ignore_lease: bool,
    address: str | None,
    part: str | None,
    log_format: str,
    verbose: bool,
) -> None:
    """Score what is open of the job SPEC, a YAML file.

    Running it again scores only what is not yet in the table. The exit codes are in raygrad --help.
    """
    with exit_codes(log_format):
        from raygrad import validate
        from raygrad.cli.summary import print_summary
        from raygrad.cluster.options import Options, Part
        from raygrad.cluster.run import run as run_job

        share = None if part is None else Part.parse(part)
        job = validate.prepare(spec, output=output, limit=limit, retry_errors=retry_errors)
        if retry_errors and not job.retried and log_format == "text":
            click.echo("No published row holds an error, so there is nothing to retry.")
        summary = run_job(job, Options(address, ignore_lease, share, log_format, verbose))
        if log_format == "json":
            click.echo(json.dumps(asdict(summary)))
        else:
            print_summary(summary)
        if summary.interrupted:
            sys.exit(INTERRUPTED)
