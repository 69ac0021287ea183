"""Disks that are full or can't be written, and sources that vanish."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from raygrad import validate
from raygrad.cluster.run import run
from raygrad.errors import JobFailedError, PlanError

pytestmark = pytest.mark.cluster

SCRIPT = """
mkdir table && mount -t tmpfs -o size=1m tmpfs table || exit 77
run() { "$RAYGRAD" run job.yaml ${2:-} > "$1.out" 2> "$1.err"; echo $? > "$1.code"; }
mount -o remount,ro table
run readonly
mount -o remount,rw table
run first --part=1/3
# leaves room for a lease and the head of a log, but for no unit, which takes 13 KiB
head -c $(($(df --output=avail -B1 table | tail -1) - 3 * 4096)) /dev/zero > table/ballast
run full
ls -R table/scores > published
rm table/ballast
run again
cp -r table kept
"""


def test_a_disk_that_can_not_be_written_is_told_and_the_rest_is_scored_once_it_can(
    paused, undisturbed, ledger
):
    paused.go()
    paused.write_spec()
    raygrad = Path(sys.executable).with_name("raygrad")
    mounted = subprocess.run(
        ["unshare", "-m", "bash", "-c", SCRIPT],
        cwd=paused.folder,
        env={**os.environ, "RAYGRAD": str(raygrad)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if mounted.returncode and not (paused.folder / "readonly.code").exists():
        pytest.skip(f"needs the right to mount: {mounted.stderr}")

    def end(name):
        return [(paused.folder / f"{name}.{what}").read_text() for what in ("code", "out", "err")]

    code, _, err = end("readonly")
    assert code == "2\n"
    assert err.endswith("/table can't be written to by this user\n")
    assert end("first")[0] == "0\n"
    code, _, err = end("full")
    assert code == "1\n"
    (line,) = [x for x in err.splitlines() if not re.match(r"[\d,]+ of 160 rows", x)]
    assert re.fullmatch(
        r"Error: can't write dataset=noise/0000-00000\d.parquet of .*/table: \[Errno 28\] No space "
        "left on device; what was published stays, and running again scores the rest",
        line,
    )
    assert (paused.folder / "published").read_text().count(".parquet") == 2
    code, out, err = end("again")
    assert code == "0\n", err
    assert "160 scored" in out
    assert "80 were there already" in out
    (paused.folder / "table").rmdir()
    (paused.folder / "kept").rename(paused.folder / "table")
    entry = ledger.settle(paused, undisturbed, full_disk=1, read_only_disk=1)
    assert (entry.lost, entry.doubled, entry.different) == (0, 0, 0)


def test_a_source_that_vanishes_or_changes_stops_the_job_until_it_is_back(workplace, monkeypatch):
    workplace.write_spec()
    monkeypatch.chdir(workplace.folder)
    job = validate.prepare("job.yaml")
    path, away = workplace.folder / "inputs" / "b.parquet", workplace.folder / "away"
    path.rename(away)
    with pytest.raises(JobFailedError, match=r"No such file or directory: .*b\.parquet"):
        run(job)
    pq.write_table(pq.read_table(away).slice(0, 100), path, row_group_size=20)
    with pytest.raises(PlanError, match=r"b\.parquet has changed\nrestore them"):
        validate.prepare("job.yaml")
    assert not any(source.endswith("b.parquet") for source in workplace.sources())
    away.rename(path)
    assert run(validate.prepare("job.yaml")).rows_open == 0
    assert len(workplace.table()) == 240
