"""Exit codes, and the errors that they stand for."""

import contextlib
import sys
from collections.abc import Iterator

import click

FAILED, BAD_INPUT, TOO_MANY_ERRORS, BUSY, INTERRUPTED = 1, 2, 3, 4, 130


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """Turns raygrad's errors into a message and an exit code."""
    from raygrad.errors import (
        IdentityError,
        PlanError,
        RaygradError,
        SpecError,
        TableBusyError,
        TableError,
        TooManyErrorsError,
    )

    try:
        yield
    except (SpecError, IdentityError, PlanError, TableError) as error:
        _leave(error, BAD_INPUT)
    except TooManyErrorsError as error:
        _leave(error, TOO_MANY_ERRORS)
    except TableBusyError as error:
        _leave(error, BUSY)
    except (RaygradError, OSError) as error:
        _leave(error, FAILED)
    except KeyboardInterrupt:
        click.echo("Stopped at once; run again to go on.", err=True)
        sys.exit(INTERRUPTED)


def _leave(error: Exception, code: int) -> None:
    click.echo(f"Error: {error}", err=True)
    sys.exit(code)
