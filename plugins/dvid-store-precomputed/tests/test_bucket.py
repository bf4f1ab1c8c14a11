"""A volume in a bucket of Google Cloud Storage: a real fake-gcs-server, and TensorStore's own driver against it.

It runs where there is the program `fake-gcs-server`: named in DVID_FAKE_GCS_SERVER, on the path, or in ~/go/bin, where
`go install github.com/fsouza/fake-gcs-server@latest` puts it. Elsewhere its tests are deselected, and a line says so.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

pytestmark = pytest.mark.slow

# In a process of its own: TensorStore reads the environment once.
READER = """
import sys
from pathlib import Path
from dvid_store_precomputed.volume import PrecomputedVolume

volume = PrecomputedVolume(Path(), {"ref": sys.argv[1], "seconds": 20})
first, size = [tuple(map(int, text.split("_"))) for text in sys.argv[2:4]]
sys.stdout.buffer.write(volume.read_box(0, first, size))
"""


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


@pytest.fixture
def bucket_server(fake_gcs_server: str, tmp_path: Path) -> Iterator[str]:
    """The address of an empty server of buckets."""
    port = free_port()
    place = f"127.0.0.1:{port}"
    command = [fake_gcs_server, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", place]
    with (tmp_path / "gcs.log").open("wb") as log:
        process = subprocess.Popen([*command, "-backend", "memory"], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 30
        while True:
            try:
                urlopen(f"http://{place}/storage/v1/b", timeout=5).close()
                break
            except (URLError, OSError):
                assert process.poll() is None, (tmp_path / "gcs.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
        yield f"http://{place}"
    finally:
        process.terminate()
        process.wait(10)


def upload(server: str, bucket: str, prefix: str, folder: Path) -> int:
    """Put all files of a folder into a new bucket; returns how many."""
    headers = {"Content-Type": "application/json"}
    body = f'{{"name": "{bucket}"}}'.encode()
    urlopen(Request(f"{server}/storage/v1/b?project=test", body, headers), timeout=10).close()
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    for file in files:
        name = quote(f"{prefix}/{file.relative_to(folder).as_posix()}", safe="")
        address = f"{server}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
        urlopen(Request(address, file.read_bytes(), {"Content-Type": "application/octet-stream"}), timeout=10).close()
    return len(files)


def read(server: str, ref: str, first: str, size: str) -> subprocess.CompletedProcess[bytes]:
    environment = {"TENSORSTORE_GCS_HTTP_URL": server, "GOOGLE_AUTH_TOKEN_FOR_TESTING": "none", "PATH": ""}
    return subprocess.run(
        [sys.executable, "-c", READER, ref, first, size],
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("sharded", [False, True])
def test_a_bucket_is_read(bucket_server: str, tmp_path: Path, new_volume: Any, sharded: bool) -> None:
    written = new_volume(tmp_path / "vol", sharded=sharded, offset=(16, 0, -8))
    assert upload(bucket_server, "lab", "some/volume", tmp_path / "vol") > 2
    found = read(bucket_server, "gs://lab/some/volume", "10_-4_-10", "70_50_30")
    assert found.returncode == 0, found.stderr.decode()
    assert found.stdout == written.box(0, (10, -4, -10), (70, 50, 30)).tobytes()


def test_a_bucket_without_a_volume_is_refused(bucket_server: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "readme").write_text("nothing")
    upload(bucket_server, "lab", "some", tmp_path / "other")
    found = read(bucket_server, "gs://lab/some/volume", "0_0_0", "1_1_1")
    assert found.returncode != 0
    assert b"`info` is missing" in found.stderr
