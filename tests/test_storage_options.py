"""Options of stores: hidden wherever a spec is shown, and the same in every process."""

import errno
import pickle

import fsspec
import fsspec.config
import pytest
from fsspec.registry import known_implementations
from pydantic import Secret

from raygrad import storage
from raygrad.errors import StorageError
from raygrad.spec import JobSpec, parse
from raygrad.storage.retries import ATTEMPTS, error_code, is_transient, repeated
from raygrad.validate import prepare

SECRET = "do-not-show-me"


@pytest.fixture(autouse=True)
def _no_leftovers(monkeypatch):
    monkeypatch.setattr(fsspec.config, "conf", {})


def test_options_are_hidden_in_what_is_shown_and_kept_in_what_is_sent():
    sections, _ = parse({"storage": {"s3": {"client_kwargs": {"aws_session_token": SECRET}}}})
    spec = JobSpec.model_construct(**sections)
    assert SECRET not in f"{spec!r} {spec} {spec.model_dump()} {spec.model_dump(mode='json')}"
    sent = pickle.loads(pickle.dumps(spec))
    assert sent.storage["s3"].get_secret_value() == {"client_kwargs": {"aws_session_token": SECRET}}


@pytest.mark.parametrize("wrong", [SECRET, [SECRET], {"s3": SECRET}, {"s3": [SECRET]}])
def test_a_fault_of_the_options_names_the_place_alone(wrong):
    _, faults = parse({"storage": wrong})
    (fault,) = [fault for fault in faults if fault.place.startswith("storage")]
    assert SECRET not in str(fault)
    assert "dict" in fault.message


def test_options_are_those_of_every_file_system_that_is_opened():
    storage.configure({"memory": Secret({"skip_instance_cache": True})})
    assert fsspec.filesystem("memory") is not fsspec.filesystem("memory")


def test_a_wrong_option_is_refused_by_name(job_folder):
    with pytest.raises(ValueError, match="did you mean") as raised:
        prepare(job_folder.spec({"storage": {"s3": {"endpoint_ulr": SECRET}}}))
    assert str(raised.value).splitlines()[1:] == [
        '  storage.s3.endpoint_ulr: is no option of S3FileSystem; did you mean "endpoint_url"?'
    ]


def test_a_missing_package_is_one_fault_that_says_what_to_install(job_folder, monkeypatch):
    monkeypatch.setitem(known_implementations, "gs", {"class": "no_such.Package"})
    changes = {"output": "gs://bucket/table", "sources": [{"path": "gs://bucket/a.parquet"}]}
    with pytest.raises(ValueError, match="1 fault") as raised:
        prepare(job_folder.spec(changes))
    assert 'storage: gs:// needs a package: pip install "raygrad[gs]"' in str(raised.value)


def test_options_are_no_part_of_the_identity(job_folder):
    plain = prepare(job_folder.spec())
    optional = prepare(job_folder.spec({"storage": {"s3": {"secret": SECRET}}}))
    assert plain.identity == optional.identity


class HTTPClientError(Exception):
    """As botocore's."""


class ReadTimeoutError(HTTPClientError):
    """Known by the name of its base."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EBUSY, "Please reduce your request rate."), True),
        (OSError(errno.EREMOTEIO, "InternalError"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (ReadTimeoutError(), True),
        (FileNotFoundError(), False),
        (PermissionError(), False),
        (OSError(errno.EINVAL, "The specified bucket is not valid."), False),
        (OSError(errno.ENOSYS, "NotImplemented"), False),
        (ValueError(), False),
    ],
)
def test_only_what_may_pass_is_repeated(monkeypatch, error, expected):
    monkeypatch.setattr("raygrad.storage.retries.FIRST_WAIT", 0.001)
    assert is_transient(error) is expected
    asked = []

    def fail():
        asked.append(1)
        raise error

    with pytest.raises(Exception) as raised:  # noqa: PT011 - each case has a type of its own
        repeated("memory://bucket/a", fail)
    assert len(asked) == (ATTEMPTS if expected else 1)
    clear = expected or isinstance(error, PermissionError | ValueError)
    assert isinstance(raised.value, StorageError) is clear
    assert error_code(raised.value) == ""


def test_nothing_is_repeated_on_a_disk(tmp_path):
    def fail():
        raise OSError(errno.EIO, "the disk is broken")

    with pytest.raises(OSError, match="the disk is broken") as raised:
        repeated(str(tmp_path), fail)
    assert not isinstance(raised.value, StorageError)


def test_what_a_package_says_of_secret_options_is_not_shown():
    def fail():
        raise ValueError(f"Invalid endpoint: {SECRET}")

    storage.configure({"s3": Secret({"endpoint_url": SECRET})})
    with pytest.raises(StorageError) as raised:
        repeated("memory://bucket/a", fail)
    assert str(raised.value) == (
        "memory://bucket can't be used: ValueError: check storage: in the spec"
    )
