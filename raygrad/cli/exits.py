"""Exit codes, and the errors that they stand for."""

import contextlib
import logging
import sys
from collections.abc import Iterator

import click

FAILED, BAD_INPUT, TOO_MANY_ERRORS, BUSY, INTERRUPTED = 1, 2, 3, 4, 130


@contextlib.contextmanager
def exit_codes(style: str = "text") -> Iterator[None]:
    """Turns raygrad's errors into a message and an exit code.

    Args:
        style: json makes all that goes to stderr one JSON object a line.
    """
    from raygrad.cluster.run_log import json_on_stderr
    from raygrad.errors import (
        IdentityError,
        PlanError,
        RaygradError,
        SpecError,
        TableBusyError,
        TableError,
        TooManyErrorsError,
    )

    with json_on_stderr() if style == "json" else contextlib.nullcontext():
        try:
            yield
        except (SpecError, IdentityError, PlanError, TableError) as error:
            _leave(f"Error: {error}", BAD_INPUT, style)
        except TooManyErrorsError as error:
            _leave(f"Error: {error}", TOO_MANY_ERRORS, style)
        except TableBusyError as error:
            _leave(f"Error: {error}", BUSY, style)
        except (RaygradError, OSError) as error:
            _leave(f"Error: {error}", FAILED, style)
        except KeyboardInterrupt:
            _leave("Stopped at once; run again to go on.", INTERRUPTED, style)


def _leave(message: str, code: int, style: str) -> None:
    if style == "json":
        logging.getLogger("raygrad.run").error(message, extra={"fields": {"exit_code": code}})
    else:
        click.echo(message, err=True)
    sys.exit(code)
