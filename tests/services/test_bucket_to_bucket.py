"""Whole jobs whose sources, checkpoint and table lie in S3."""

import os
import re
import signal
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from seaweed import ADMIN, READER
from workplace import wait_until

pytestmark = pytest.mark.cluster

SECRET = ADMIN[1]


def test_a_job_from_bucket_to_bucket_is_resumed_after_a_kill_and_then_has_nothing_to_do(job):
    job.wait_after(100)
    process = job.start()
    wait_until(job.published, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = job.published()
    assert 0 < len(before) < 7

    half = job.command("verify", f"{job.uri}/table")
    assert half.returncode == 1
    assert "of 7 units are open" in half.stdout

    job.go()
    resumed = job.run()
    assert resumed.returncode == 0, resumed.stderr
    assert ", 0 were there already" not in resumed.stdout
    rows = job.scores()
    assert len(rows) == 256
    assert rows["error_type"].null_count == 256
    identities = set(zip(rows["source"].to_pylist(), rows["row"].to_pylist(), strict=True))
    assert len(identities) == 256
    assert (f"{job.uri}/inputs/b.parquet", 119) in identities
    assert (f"{job.uri}/images/a dog/00.png", 0) in identities
    after = job.published()
    assert len(after) == 7
    assert {name: after[name] for name in before} == before, "published files stay as they are"

    again = job.run()
    assert again.returncode == 0, again.stderr
    assert "0 scored" in again.stdout
    assert job.published() == after

    table = f"{job.uri}/table"
    status = job.command("status", table)
    assert "256 of 256 done" in status.stdout, status.stderr
    verified = job.command("verify", table)
    assert verified.stdout == "Every planned row is there once, and all counts add up.\n"
    assert job.command("errors", table).stdout == "No row failed.\n"

    names = job.bucket.glob(f"{job.root}/table/_raygrad/runs/*")
    assert sorted(name.rpartition(".")[2] for name in names) == ["json", "json", "log", "log"]
    log = job.bucket.cat_file(max(name for name in names if name.endswith(".log"))).decode()
    assert "0 of 7 units open" in log
    (left,) = Path(tempfile.gettempdir()).glob(f"raygrad-*-{process.pid}.log")
    assert "of 7 units open" in left.read_text(), "that of the killed run, which can't move it"
    left.unlink()
    names = job.bucket.find(job.root, withdirs=True, detail=True)
    markers = [name for name, info in names.items() if name.endswith("/") or not _is_sound(info)]
    assert markers == []


def _is_sound(info: dict) -> bool:
    return info["type"] == "directory" or info["size"] > 0


def test_retried_rows_replace_the_files_that_hold_their_errors(job):
    job.fail_while_down(30, 90)
    job.bucket.put(str(job.folder / "inputs"), f"{job.root}/", recursive=True)
    flag = job.folder / "storage_is_down"
    flag.touch()
    first = job.run()
    assert first.returncode == 0, first.stderr
    assert "errors  2" in first.stdout
    before = job.published()
    flag.unlink()
    retried = job.run("--retry-errors")
    assert retried.returncode == 0, retried.stderr
    assert "retried 2 of 2 rows with errors, 2 have scores now" in retried.stdout
    after = job.published()
    assert len([name for name in after if after[name] != before[name]]) == 2
    assert job.scores()["error_type"].null_count == 256
    assert job.command("verify", f"{job.uri}/table").returncode == 0


def test_options_in_the_spec_reach_every_process_and_are_never_shown(job):
    """The environment has no credentials at all here."""
    job.spec["storage"] = {
        "s3": {"key": ADMIN[0], "secret": SECRET, "endpoint_url": job.store.endpoint}
    }
    finished = job.run(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_ENDPOINT_URL="")
    assert finished.returncode == 0, finished.stderr
    assert len(job.scores()) == 256
    stored = job.bucket.find(f"{job.root}/table")
    assert len(stored) > 7
    content = b"".join(job.bucket.cat_file(name) for name in stored)
    shown = finished.stdout + finished.stderr
    assert SECRET not in shown
    assert SECRET.encode() not in content
    assert job.store.endpoint.encode() not in content


def refused(process) -> str:
    """The one fault of a spec that was refused."""
    assert process.returncode == 2, process.stdout + process.stderr
    first, *faults = process.stderr.splitlines()
    assert first == "Error: job.yaml has 1 fault:"
    assert len(faults) == 1, process.stderr
    return faults[0].strip()


@pytest.mark.parametrize("command", ["run", "validate"])
def test_a_read_only_key_is_refused_before_work_starts(job, command):
    fault = refused(
        job.command(
            *(command, "job.yaml"),
            AWS_ACCESS_KEY_ID=READER[0],
            AWS_SECRET_ACCESS_KEY=READER[1],
            RAY_TMPDIR=str(job.folder / "ray"),
        )
    )
    assert fault.startswith("storage: s3://bucket refuses access: Access Denied.; check the cred")
    assert not (job.folder / "ray").exists()
    assert job.bucket.find(f"{job.root}/table") == []


def test_wrong_keys_are_one_fault_that_says_what_to_set(job):
    unknown = refused(job.command("validate", "job.yaml", AWS_ACCESS_KEY_ID="nobody"))
    assert "access key ID you provided does not exist" in unknown
    assert "AWS_ACCESS_KEY_ID" in unknown
    wrong = "a-wrong-secret"
    signed = refused(job.command("validate", "job.yaml", AWS_SECRET_ACCESS_KEY=wrong))
    assert "signature" in signed
    assert wrong not in signed


def test_no_keys_at_all_are_one_fault(job):
    fault = refused(
        job.command("validate", "job.yaml", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    )
    assert "s3://bucket" in fault
    assert "AWS_SECRET_ACCESS_KEY" in fault


def test_a_missing_bucket_is_named(job):
    job.spec["output"] = "s3://no-such-bucket/table"
    fault = refused(job.command("validate", "job.yaml"))
    assert fault == (
        "storage: s3://no-such-bucket doesn't exist; create it, or check the name and the endpoint"
    )


def test_an_option_that_the_store_does_not_have_is_refused_without_its_value(job):
    job.spec["storage"] = {"s3": {"sceret": SECRET}}
    fault = refused(job.command("validate", "job.yaml"))
    assert fault == 'storage.s3.sceret: is no option of S3FileSystem; did you mean "secret"?'


def test_a_table_command_with_wrong_keys_is_one_line(job):
    failed = job.command("status", f"{job.uri}/table", AWS_ACCESS_KEY_ID="nobody")
    assert failed.returncode == 1
    assert re.fullmatch(r"Error: s3://bucket refuses access: .*\n", failed.stderr)


def test_validate_leaves_nothing_in_the_bucket(job):
    before = job.bucket.find(job.root, withdirs=True)
    checked = job.command("validate", "job.yaml")
    assert checked.returncode == 0, checked.stderr
    assert job.bucket.find(job.root, withdirs=True) == before
    uploads = job.bucket.call_s3("list_multipart_uploads", Bucket="bucket")
    assert not uploads.get("Uploads")
    with pytest.raises(FileNotFoundError):
        pd.read_parquet(f"{job.uri}/table/scores", filesystem=job.bucket)
