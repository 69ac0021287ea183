"""``raygrad submit``, ``jobs``, ``logs`` and ``stop``: jobs on a running cluster."""

import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from raygrad.cli.exits import FAILED, INTERRUPTED, exit_codes

_ADDRESS = click.option(
    "--address",
    metavar="URL",
    help="The cluster's dashboard, as http://127.0.0.1:8265; by default RAY_ADDRESS.",
)


@click.command()
@click.argument("spec", type=click.Path(dir_okay=False))
@_ADDRESS
@click.option("--output", metavar="URI", help="Write to this table instead of the spec's.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="As for raygrad run.")
@click.option("--retry-errors", is_flag=True, help="As for raygrad run.")
@click.option("--ignore-lease", is_flag=True, help="As for raygrad run.")
@click.option("--part", metavar="N/OF", help="As for raygrad run.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="As for raygrad run.")
@click.option(
    "--working-dir",
    default=".",
    metavar="FOLDER",
    help="What is sent, with the spec in it; by default the folder that you are in.",
)
@click.option("--py-module", "modules", multiple=True, metavar="PATH", help="More code to send.")
@click.option("--exclude", "excludes", multiple=True, metavar="PATTERN", help="What isn't sent.")
@click.option("--pip", multiple=True, metavar="REQUIREMENT", help="Installed on each node by pip.")
@click.option("--uv", multiple=True, metavar="REQUIREMENT", help="Installed on each node by uv.")
@click.option("--ship-raygrad", is_flag=True, help="Send raygrad, too, for images without it.")
@click.option("--no-wait", is_flag=True, help="Print the job's id, and leave it alone.")
def submit(
    *,
    spec: str,
    address: str | None,
    output: str | None,
    limit: int | None,
    retry_errors: bool,
    ignore_lease: bool,
    part: str | None,
    log_format: str | None,
    no_wait: bool,
    **sent: Any,
) -> None:
    """Run the job SPEC on a Ray cluster, and show its progress.

    Submitting a job that is pending or running attaches to it; afterwards it starts the next
    attempt, which scores what is not yet in the table. Ctrl-C asks whether to detach or to stop.
    """
    with exit_codes():
        from raygrad.cluster import submit as cluster
        from raygrad.cluster.options import Part

        if limit and not output:
            raise click.UsageError("--limit needs --output; a trial never writes the job's table")
        if part:
            Part.parse(part)
        options = [
            *(("--limit", str(limit)) if limit else ()),
            *(("--retry-errors",) if retry_errors else ()),
            *(("--ignore-lease",) if ignore_lease else ()),
            *(("--part", part) if part else ()),
            *(("--log-format", log_format) if log_format else ()),
        ]
        shipment = cluster.Shipment(spec, with_raygrad=sent.pop("ship_raygrad"), **sent)
        client = cluster.connect(address)
        job = cluster.submit(client, shipment, options, output=output)
        if no_wait:
            click.echo(job.id)
            return
        click.echo(f"{'Attached to' if job.attached else 'Submitted'} {job.id}.", err=True)
        sys.exit(_follow(client, job.id))


@click.command()
@_ADDRESS
def jobs(*, address: str | None) -> None:
    """List the cluster's raygrad jobs."""
    with exit_codes():
        from rich import box
        from rich.console import Console
        from rich.table import Table

        from raygrad.cluster import submit as cluster

        found = cluster.jobs(cluster.connect(address))
        if not found:
            click.echo("The cluster has no raygrad jobs.")
            return
        table = Table(box=box.SIMPLE_HEAD)
        for name in ("job", "status", "started", "took"):
            table.add_column(name, no_wrap=True)
        table.add_column("table and options", overflow="fold")
        for job in found:
            began, took = "", ""
            if job.started:
                began = f"{datetime.fromtimestamp(job.started):%Y-%m-%d %H:%M}"
                took = f"{(job.ended or time.time()) - job.started:,.0f} s"
            table.add_row(job.id, job.status, began, took, f"{job.table} {job.options}")
        Console().print(table)


@click.command()
@click.argument("job")
@_ADDRESS
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the job is over.")
def logs(*, job: str, address: str | None, following: bool) -> None:
    """Show what a job has printed."""
    with exit_codes():
        from raygrad.cluster import submit as cluster
        from raygrad.cluster.submit.following import no_such_job

        client = cluster.connect(address)
        try:
            if following:
                client.get_job_status(job)
                sys.exit(_follow(client, job, asking=False))
            click.echo(client.get_job_logs(job), nl=False)
        except RuntimeError as error:
            raise no_such_job(job, error) from error


@click.command()
@click.argument("job")
@_ADDRESS
def stop(*, job: str, address: str | None) -> None:
    """Let a job finish the units in flight, and stop it; submit it again to go on."""
    with exit_codes():
        from raygrad.cluster import submit as cluster

        sys.exit(_stop(cluster.connect(address), job))


def _follow(client: Any, job: str, *, asking: bool = True) -> int:
    from raygrad.cluster import submit as cluster

    write: Callable[[str], None] = lambda piece: click.echo(piece, nl=False)  # noqa: E731
    try:
        return cluster.follow(client, job, write)
    except KeyboardInterrupt:
        if not asking or _detaches(job):
            click.echo(f"Detached. The job goes on: raygrad logs {job} -f", err=True)
            return 0
        _stop(client, job)
        return INTERRUPTED


def _detaches(job: str) -> bool:
    """What is to become of the job; without a terminal to answer on, it goes on."""
    if not sys.stdin.isatty():
        return True
    try:
        answer = click.prompt(
            f"\nDetach from {job}, and let it go on, or stop it?",
            type=click.Choice(["detach", "stop"]),
            default="detach",
            err=True,
        )
    except click.Abort:
        return True
    return bool(answer == "detach")


def _stop(client: Any, job: str) -> int:
    """Returns the exit code: 1 for a job that isn't over by then."""
    from raygrad.cluster import submit as cluster
    from raygrad.cluster.submit.shipment import STOP_SECONDS

    click.echo(f"Stopping {job}; it finishes the units in flight.", err=True)
    try:
        status = cluster.stop(client, job, STOP_SECONDS)
    except KeyboardInterrupt:
        click.echo(f"{job} goes on stopping; see raygrad jobs.", err=True)
        return INTERRUPTED
    click.echo(f"{job} is {status}.", err=True)
    return 0 if status in cluster.OVER else FAILED
