"""A job whose sources, checkpoint and table lie in a bucket."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import FSSpecHandler, PyFileSystem
from seaweed import BUCKET, Seaweed, without_aws
from workplace import Workplace, png


class BucketJob(Workplace):
    """240 images in two Parquet files and 16 in a folder of PNG files: seven units."""

    def __init__(self, folder: Path, store: Seaweed) -> None:
        super().__init__(folder)
        self.store = store
        self.root = f"{BUCKET}/{uuid.uuid4().hex}"
        self.uri = f"s3://{self.root}"
        self.bucket = store.filesystem()
        self.bucket.put(str(folder / "inputs"), f"{self.root}/inputs", recursive=True)
        self.bucket.put(str(folder / "checkpoint.pt"), f"{self.root}/checkpoint.pt")
        for number, image in enumerate(self.images[:16]):
            name = f"{self.root}/images/{'cat' if number % 2 else 'a dog'}/{number:02d}.png"
            self.bucket.pipe_file(name, png(image))
        self.spec["output"] = f"{self.uri}/table"
        self.spec["model"]["checkpoint"] = f"{self.uri}/checkpoint.pt"
        self.spec["sources"] = [
            {"path": f"{self.uri}/inputs/*.parquet", "constants": {"dataset": "noise"}},
            {"path": f"{self.uri}/images", "format": "images", "constants": {"dataset": "folder"}},
        ]
        self.spec["keep"] = []

    def environment(self, **changes: str) -> dict[str, str]:
        return {**without_aws(), **self.store.environment(), **changes}

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        return super().start(*arguments, **self.environment(**environment))

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Another command than run, to its end."""
        self.write_spec()
        return subprocess.run(
            [Path(sys.executable).with_name("raygrad"), *arguments],
            cwd=self.folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def scores(self, name: str = "table") -> pa.Table:
        """The table's rows in order, read with the administrator's keys."""
        handler = PyFileSystem(FSSpecHandler(self.bucket))
        scores = ds.dataset(f"{self.root}/{name}/scores", partitioning="hive", filesystem=handler)
        return scores.to_table().sort_by([("source", "ascending"), ("row", "ascending")])

    def published(self, name: str = "table") -> dict[str, str]:
        """Score files and their etags."""
        found = self.bucket.find(f"{self.root}/{name}/scores", detail=True)
        # fsspec gives the folder itself if its first file appears between its two requests
        return {key: info["ETag"] for key, info in found.items() if info["type"] == "file"}

    def last_summary(self) -> dict:
        names = self.bucket.glob(f"{self.root}/table/_raygrad/runs/*.json")
        return json.loads(self.bucket.cat_file(max(names)))
