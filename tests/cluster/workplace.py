"""Small real jobs, run as a user runs them: `raygrad` in a folder, with a Ray of its own."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image

MODELS = '''
"""A factory as users write it; its model can be told to wait, so that tests can kill it midway."""

import os
import time

import torch


class Patient(torch.nn.Module):
    def __init__(self, wait_after, go):
        super().__init__()
        self.fc = torch.nn.Linear(16, 3)
        self.wait_after, self.go, self.rows = wait_after, go, 0

    def forward(self, image):
        self.rows += len(image)
        while self.rows > self.wait_after and not os.path.exists(self.go):
            time.sleep(0.02)
        return {"scores": self.fc(image.flatten(1))}


def patient(wait_after, go):
    return Patient(wait_after, go)


def slow_to_build(folder):
    """Waits for ever, unless it is the driver's call, which is the first."""
    model = Patient(10**6, os.path.join(folder, "go"))
    torch.nn.init.constant_(model.fc.weight, 0.1)
    torch.nn.init.zeros_(model.fc.bias)
    if os.path.exists(os.path.join(folder, "built")):
        open(os.path.join(folder, "building"), "w").close()
        while True:
            time.sleep(0.02)
    open(os.path.join(folder, "built"), "w").close()
    return model


def untrained():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
'''


FAULTY = '''
"""User code that goes wrong for images of one brightness; others are below 200."""

import ctypes
import os
import signal
import sys
import time

import numpy as np
import torch

SEGFAULT, KILL, RAISE, NAN, NO_MEMORY, WRONG_SHAPE, WAIT, WAIT_TO_SCORE = range(255, 247, -1)
FOLDER = {folder!r}  # not this file's, of which a submitted job has a copy


def wait(what):
    """Leaves a file that names this process, and waits for leave to go on."""
    go = os.path.join(FOLDER, "go")
    while not os.path.exists(go):
        open(os.path.join(FOLDER, f"{what}.{os.getpid()}"), "a").close()
        time.sleep(0.02)


def transform(image):
    pixels = np.asarray(image)[None]
    if pixels.min() == SEGFAULT:
        ctypes.string_at(0)
    if pixels.min() == WAIT:
        wait("decoding")
    return pixels[:, 1:] if pixels.min() == WRONG_SHAPE else pixels


def slow(image):
    time.sleep(0.005)
    return np.asarray(image)[None]


def always_fails(image):
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():  # not where it is checked
        raise ZeroDivisionError("always")
    return np.asarray(image)[None]


class Model(torch.nn.Module):
    def __init__(self, seconds=0):
        super().__init__()
        self.fc = torch.nn.Linear(16, 3)
        self.seconds = seconds

    def forward(self, image):
        time.sleep(self.seconds)
        pixels = (image.flatten(1) * 255).round()
        for kind in pixels.amin(1).int().tolist():
            if kind == WAIT_TO_SCORE:
                wait("scoring")
            if kind == KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            if kind == RAISE:
                raise ValueError("too bright for me")
            if kind == NO_MEMORY and len(pixels) > 1:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        pixels = torch.where(pixels == NAN, torch.nan, pixels)
        return {"scores": self.fc(pixels / 255)}
'''


SEGFAULT, KILL, RAISE, NAN, NO_MEMORY, WRONG_SHAPE, WAIT, WAIT_TO_SCORE = range(255, 247, -1)
"""As in `faulty`."""

FRAGILE = """
import os

import numpy as np

FLAG = os.path.join(os.path.dirname(__file__), "storage_is_down")


def fragile(image):
    pixels = np.array(image, np.uint8)[None]
    if pixels[0, 0, 0] == 255 and os.path.exists(FLAG):
        raise ConnectionError("storage is down")
    return pixels
"""

PAUSES = {30: WAIT, 230: WAIT_TO_SCORE}
"""Rows that hold a reader and an actor up until :meth:`Workplace.go`.

An actor that waits scores nothing else, so its row is in the last of the six units: on two CPUs
five are read at a time, and one of them comes to the actor before it, to be published.
"""


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


@dataclass
class Workplace:
    """A folder with a model, inputs and a spec."""

    folder: Path
    rows: int = 240
    spec: dict = field(default_factory=dict)

    def __post_init__(self):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "models.py").write_text(MODELS)
        (self.folder / "faulty.py").write_text(FAULTY.replace("{folder!r}", repr(str(self.folder))))
        self.images = np.random.default_rng(0).integers(0, 200, (self.rows, 4, 4))
        self.write_inputs([png(image) for image in self.images])
        torch.manual_seed(0)
        state = {"fc.weight": torch.randn(3, 16), "fc.bias": torch.zeros(3)}
        torch.save(state, self.folder / "checkpoint.pt")
        self.spec = {
            "output": "table",
            "sources": [{"path": "inputs/*.parquet", "constants": {"dataset": "noise"}}],
            "input": {"image": {"column": "image", "decode": "image", "mode": "L"}},
            "keep": ["label"],
            "model": {
                "factory": "models:patient",
                "arguments": {"wait_after": 1_000_000, "go": str(self.folder / "go")},
                "checkpoint": "checkpoint.pt",
                "logits": "scores",
            },
            "metrics": {"all": ["l1", "max", "std"], "fc.bias": ["l2"]},
            "batch_size": 8,
            "rows_per_file": 40,
        }

    def write_inputs(self, images: list[bytes | None]) -> None:
        """Two files, whose row groups of 20 rows make units of 40."""
        (self.folder / "inputs").mkdir(exist_ok=True)
        table = pa.table(
            {
                "image": pa.array(images, pa.binary()),
                "label": pa.array([index % 3 for index in range(len(images))], pa.int64()),
            }
        )
        half = len(table) // 2
        for name, part in [("a", table.slice(0, half)), ("b", table.slice(half))]:
            pq.write_table(part, self.folder / "inputs" / f"{name}.parquet", row_group_size=20)

    def break_rows(self, rows: dict[int, int | bytes | None]) -> None:
        """Replaces some images: by one of a brightness that `faulty` minds, or by raw bytes."""
        images = [png(image) for image in self.images]
        for row, what in rows.items():
            images[row] = png(np.full((4, 4), what)) if isinstance(what, int) else what
        self.write_inputs(images)
        self.spec["model"] |= {"factory": "faulty:Model", "arguments": {}}
        self.spec["input"]["image"] |= {"transform": "faulty:transform"}

    def waiting(self, what: str) -> list[int]:
        """The processes that have waited for `go` with a row to be decoded or scored."""
        return [int(path.suffix[1:]) for path in self.folder.glob(f"{what}.*")]

    def fail_while_down(self, *rows: int) -> None:
        """Some rows can't be decoded while there is a file ``storage_is_down``."""
        (self.folder / "transforms.py").write_text(FRAGILE)
        images = [image.as_py() for image in pq.read_table(self.folder / "inputs")["image"]]
        for row in rows:
            self.images[row, 0, 0] = 255
            images[row] = png(self.images[row])
        self.write_inputs(images)
        self.spec["input"]["image"]["transform"] = "transforms:fragile"

    def wait_after(self, rows: int) -> None:
        """The actor's model waits once it has seen so many rows, until :meth:`go`."""
        self.spec["model"]["arguments"]["wait_after"] = rows

    def go(self) -> None:
        (self.folder / "go").touch()

    def write_spec(self) -> None:
        (self.folder / "job.yaml").write_text(yaml.safe_dump(self.spec))

    def start(
        self, *arguments: str, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment: str
    ) -> subprocess.Popen:
        """`raygrad run`, in a process group of its own, as a terminal gives it one."""
        self.write_spec()
        return subprocess.Popen(
            [Path(sys.executable).with_name("raygrad"), "run", "job.yaml", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=180)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def table(self, name: str = "table") -> pa.Table:
        scores = ds.dataset(self.folder / name / "scores", partitioning="hive").to_table()
        return scores.sort_by([("source", "ascending"), ("row", "ascending")])

    def sources(self) -> set[str]:
        """The sources of the table's rows, of which there may be none yet."""
        paths = (self.folder / "table" / "scores").rglob("*.parquet")
        return {source for path in paths for source in pq.read_table(path)["source"].to_pylist()}

    def files(self, name: str = "table") -> dict[str, bytes]:
        scores = self.folder / name / "scores"
        return {str(p.relative_to(scores)): p.read_bytes() for p in scores.rglob("*.parquet")}


def wait_until(condition: Callable[[], object], process: subprocess.Popen) -> None:
    """Polls until something is so; fails with the process's output if it ends before."""
    deadline = time.monotonic() + 120
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"waited in vain; exit code {process.returncode}\n{out}\n{err}")
        time.sleep(0.05)


def interrupt(process: subprocess.Popen) -> None:
    """Ctrl-C: a terminal sends SIGINT to the whole process group."""
    os.killpg(process.pid, signal.SIGINT)
