"""Jobs over archives, whose rows are counted by reading them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from archives import write_tar
from workplace import Workplace, wait_until

from raygrad.table.status import status
from raygrad.table.verify import verify

pytestmark = pytest.mark.cluster


def members(workplace: Workplace) -> list[tuple[str, bytes]]:
    """The workplace's images as samples."""
    column = pq.read_table(workplace.folder / "inputs")["image"]
    files = []
    for number, image in enumerate(column.to_pylist()):
        files += [(f"{number:03d}.png", image), (f"{number:03d}.cls", b"%d" % (number % 3))]
    return files


def test_a_killed_job_over_archives_is_resumed_to_the_table_of_an_undisturbed_one(workplace):
    files = members(workplace)
    tars = workplace.folder / "tars"
    write_tar(tars / "a.tar", files[:120])
    write_tar(tars / "b.tar", [])
    write_tar(tars / "c.tgz", files[120:280], "w:gz")
    whole = Path(write_tar(tars / "d.tar", files[280:]))
    content = whole.read_bytes()
    # Python ends a tar with zeros up to 10,240 bytes; the last class is cut off with its header.
    end = 1024 * len(files[280:])
    whole.write_bytes(content[: end - 1024])
    workplace.spec["sources"] = [{"path": "tars", "format": "webdataset"}]
    workplace.spec["keep"] = ["__key__", "cls"]

    # two archives are scored at a time, so one of them is done by row 180
    workplace.wait_after(180)
    process = workplace.start()
    wait_until(workplace.files, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    # not compared with a count of files: a worker that outlives its driver may still publish one
    assert 0 < status(str(workplace.folder / "table")).uncounted < 4

    workplace.go()
    resumed = workplace.run()
    assert resumed.returncode == 0, resumed.stderr
    assert "0 and those of" in resumed.stdout
    assert ", 0 are open" in resumed.stdout
    undisturbed = workplace.run("--output", "undisturbed")
    assert "240 scored" in undisturbed.stdout
    assert "errors  1" in undisturbed.stdout
    assert workplace.files() == workplace.files("undisturbed")
    assert len(workplace.files()) == 4

    assert list(verify(str(workplace.folder / "table"))) == []
    found = status(str(workplace.folder / "table"))
    assert (found.planned, found.done, found.failed, found.uncounted) == (240, 240, 1, 0)
    *good, bad = workplace.table().to_pylist()
    assert [row["__key__"] for row in good] == [f"{number:03d}" for number in range(239)]
    assert [row["cls"] for row in good] == [number % 3 for number in range(239)]
    assert all(row["all_l1"] is not None for row in good)
    assert (bad["row"], bad["error_stage"], bad["error_type"]) == (
        99,
        "read",
        "BrokenArchiveError",
    )
    raygrad = Path(sys.executable).with_name("raygrad")
    checked = subprocess.run([raygrad, "verify", "table"], cwd=workplace.folder, check=False)
    assert checked.returncode == 0


def test_a_trial_over_archives_counts_its_rows(workplace):
    write_tar(workplace.folder / "tars" / "a.tar", members(workplace))
    workplace.spec["sources"] = [{"path": "tars", "format": "webdataset"}]
    workplace.spec["keep"] = ["cls"]
    trial = workplace.run("--limit", "50", "--output", "trial")
    assert trial.returncode == 0, trial.stderr
    assert "50 scored" in trial.stdout
    assert len(workplace.table("trial")) == 50
