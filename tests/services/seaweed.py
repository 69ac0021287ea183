"""SeaweedFS, a real S3 store, on free ports of this machine."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import s3fs

BUCKET = "bucket"
ADMIN, READER = ("admin", "admin-secret-of-the-tests"), ("reader", "reader-secret-of-the-tests")
IDENTITIES = {
    "identities": [
        {
            "name": name,
            "credentials": [{"accessKey": name, "secretKey": secret}],
            "actions": actions,
        }
        for (name, secret), actions in [
            (ADMIN, ["Admin", "Read", "Write", "List", "Tagging"]),
            (READER, ["Read", "List"]),
        ]
    ]
}
SERVICES = ("master", "filer", "volume", "s3", "admin")


class Seaweed:
    """A running store, with one bucket."""

    def __init__(self, folder: Path) -> None:
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps(IDENTITIES))
        names = [f"{service}.port{kind}" for service in SERVICES for kind in ("", ".grpc")]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        with (folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [
                    Path(sys.executable).with_name("weed"),
                    "mini",
                    *("-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
                    *("-s3.config=s3.json", "-s3.autoCreateBucket=false", "-s3.iam=false"),
                    *("-s3.port.iceberg=0", "-s3.port.lance=0"),  # else two stores clash
                    *("-webdav=false", "-admin.ui=false", "-master.telemetry=false"),
                    *(f"-{name}={port}" for name, port in ports.items()),
                ],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._make_bucket()
        except BaseException:
            self.stop()
            raise

    def _make_bucket(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, "SeaweedFS has ended"
            try:
                return self.filesystem().mkdir(BUCKET)
            except Exception:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def filesystem(self) -> s3fs.S3FileSystem:
        """The administrator's view, without raygrad."""
        return s3fs.S3FileSystem(
            key=ADMIN[0],
            secret=ADMIN[1],
            endpoint_url=self.endpoint,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def environment(self, who: tuple[str, str] = ADMIN, endpoint: str = "") -> dict[str, str]:
        """What a user sets."""
        return {
            "AWS_ACCESS_KEY_ID": who[0],
            "AWS_SECRET_ACCESS_KEY": who[1],
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ALLOW_HTTP": "true",  # which Polars asks for
        }

    def stop(self) -> None:
        """At once: told to end by SIGTERM, it takes more than 20 s, and nothing is to be kept."""
        self._process.kill()
        self._process.wait()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def without_aws() -> dict[str, str]:
    """This process's environment, save for what says how S3 is reached."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
