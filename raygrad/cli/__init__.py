"""The command line: parse, call one library function, print. Imports nothing heavy."""

import click

from raygrad import __version__
from raygrad.cli.evaluate import evaluate
from raygrad.cli.init import init
from raygrad.cli.k8s import k8s
from raygrad.cli.query import query
from raygrad.cli.report import report
from raygrad.cli.run import run
from raygrad.cli.schema import schema
from raygrad.cli.submit import jobs, logs, stop, submit
from raygrad.cli.table import errors, export, status, verify
from raygrad.cli.threshold import threshold
from raygrad.cli.validate import validate

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="raygrad", message="raygrad %(version)s")
def main() -> None:
    """Score data sets with per-sample gradient metrics.

    \b
    Exit codes:
      0    done; rows that failed, within max_errors, included
      1    failed
      2    bad spec or input; nothing was started
      3    stopped, since more rows failed than max_errors allows
      4    another run is at work on the table, or has taken it over
      130  interrupted; run again to go on
    """  # noqa: D301 - click wants a real backspace


COMMANDS = (
    init,
    schema,
    run,
    submit,
    jobs,
    logs,
    stop,
    validate,
    status,
    verify,
    errors,
    export,
    evaluate,
    query,
    threshold,
    report,
    k8s,
)
for command in COMMANDS:
    main.add_command(command)
