"""``raygrad k8s``: a job's manifests, and its nightly start."""

import sys

import click

from raygrad.cli.exits import BUSY, exit_codes


@click.group()
def k8s() -> None:
    """Run jobs on Kubernetes, with KubeRay."""


@k8s.command()
@click.argument("spec", type=click.Path(dir_okay=False))
@click.option(
    "--overlay",
    required=True,
    type=click.Choice(["cpu-dev", "gpu-prod"]),
    help="A trial on CPUs, or GPUs on spot machines.",
)
@click.option("--image", required=True, help="Image of all pods, built with k8s/Dockerfile.")
@click.option("--name", help="Name of the RayJob; by default that of the file.")
@click.option("--namespace", default="raygrad", show_default=True, help="Namespace, which exists.")
@click.option(
    "--schedule",
    metavar="CRON",
    help="A CronJob that creates the RayJob at these times (UTC), instead of the RayJob itself.",
)
@click.option("--queue", metavar="NAME", help="Local queue of Kueue that admits the RayJob.")
@click.option(
    "--secret",
    metavar="NAME",
    default="raygrad-storage",
    show_default=True,
    help="Secret whose entries become environment variables; it may be missing.",
)
@click.option(
    "--fixed",
    is_flag=True,
    help="Start all workers at once, without an autoscaler: for Kueue without elastic jobs.",
)
def render(spec: str, name: str | None, **options: str | bool | None) -> None:
    """Print the manifests of the job SPEC, for kubectl apply -f -.

    Checks the text of the spec, and neither files nor model: raygrad validate does that.
    """
    with exit_codes():
        from raygrad.k8s.names import job_name
        from raygrad.k8s.render import Settings
        from raygrad.k8s.render import render as manifests

        settings = Settings(name=name or job_name(spec), **options)  # type: ignore[arg-type]
        click.echo(manifests(spec, settings), nl=False)


@k8s.command()
@click.argument("folder", type=click.Path(file_okay=False, exists=True))
def start(folder: str) -> None:
    """Create the RayJob in FOLDER/rayjob.yaml, unless it is active: what the CronJob runs.

    A finished RayJob of that name is deleted first. Exit code 4 if one is active.
    """
    with exit_codes():
        from raygrad.k8s.start import start as start_job

        outcome = start_job(folder)
        click.echo(outcome.message)
        if not outcome.created:
            sys.exit(BUSY)
