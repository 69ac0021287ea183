"""Repeats what a store failed to do for now, and says what it failed to do for good.

Beneath, botocore repeats single requests (5 attempts); this repeats whole operations, of which a
body that breaks off midway is one, and whatever other stores' packages give up on. See decision
0004.
"""

import errno
import logging
from collections.abc import Callable
from typing import TypeVar

import fsspec.config
import tenacity

from raygrad.errors import StorageError
from raygrad.storage.location import is_local, store

ATTEMPTS = 4
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds; each wait is twice the one before, plus up to the first as jitter."""

_FINAL = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, StorageError)
_TRANSIENT_NUMBERS = {
    *(errno.EBUSY, errno.EIO, errno.EAGAIN, getattr(errno, "EREMOTEIO", errno.EIO)),
    *(errno.ECONNRESET, errno.ECONNREFUSED, errno.EPIPE, errno.ETIMEDOUT),
}
_TRANSIENT_NAMES = {
    *("HTTPClientError", "ConnectionError", "IncompleteReadError", "ResponseParserError"),
    *("ClientConnectionError", "ClientPayloadError", "FSTimeoutError", "TimeoutError"),
    *("ServiceRequestError", "ServiceResponseError"),
}
"""Of botocore, aiohttp, fsspec and azure.core, which need not be installed."""

log = logging.getLogger("raygrad.run")
Result = TypeVar("Result")


def repeated(uri: str, operation: Callable[[], Result]) -> Result:
    """Runs an operation on a store, again if it fails in a way that may pass.

    Args:
        uri: What it is about; operations on a disk are run once.
        operation: Can be run again after it has failed.

    Raises:
        StorageError: If the store can't be reached, refuses, goes on failing, or can't be used.
        FileNotFoundError: If there is no such file in a bucket that exists.
    """
    if is_local(uri):
        return operation()
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential_jitter(FIRST_WAIT, LONGEST_WAIT, jitter=FIRST_WAIT),
        retry=tenacity.retry_if_exception(is_transient),
        before_sleep=lambda state: _note(uri, state),
        reraise=True,
    )
    try:
        return retrying(operation)
    except Exception as error:
        explained = _explained(uri, error)
        if explained is None:
            raise
        # What a package says of options that it doesn't take is kept out of tracebacks, too.
        raise StorageError(explained) from (error if isinstance(error, OSError) else None)


def is_transient(error: BaseException) -> bool:
    """Whether it may succeed a little later: throttling, 5xx, time-outs, broken connections."""
    if isinstance(error, _FINAL):
        return False
    if {kind.__name__ for kind in type(error).__mro__} & _TRANSIENT_NAMES:
        return True
    return isinstance(error, OSError) and error.errno in _TRANSIENT_NUMBERS


def error_code(error: BaseException) -> str:
    """The code of S3's answer, such as NoSuchBucket; empty where there is none."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _explained(uri: str, error: Exception) -> str | None:
    where = store(uri)
    said = str(error) or type(error).__name__
    if isinstance(error, PermissionError):
        return (
            f"{where} refuses access: {said}; check the credentials in the environment, such as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or storage: in the spec"
        )
    if error_code(error) == "NoSuchBucket":
        return f"{where} doesn't exist; create it, or check the name and the endpoint"
    if {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"} & {
        type(error).__name__
    }:
        return (
            f"{where} needs credentials: {said}; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or storage.s3 in the spec (profile, or anon: true)"
        )
    if is_transient(error):
        return f"{where} failed {ATTEMPTS} times, the last time with {said}; check the endpoint"
    if isinstance(error, OSError):
        return None
    # The package that speaks to the store doesn't take what it was given, maybe a secret option.
    reason = "check storage: in the spec" if fsspec.config.conf else said
    return f"{where} can't be used: {type(error).__name__}: {reason}"


def _note(uri: str, state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0
    log.warning("%s: %s; trying again in %.1f s", uri, type(error).__name__, wait)
