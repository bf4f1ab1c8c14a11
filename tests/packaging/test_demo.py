"""`dvid demo` as a newcomer runs it: it makes its repo, prints what to try, and what it prints works."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from dvid_framework.testing.running import free_port

COMMAND = Path(sys.executable).parent / "dvid"


def tried(data: Path, output: Path, seconds: float) -> dict[str, bytes]:
    """Start the demo, try what it prints, stop it; returns the answers by address."""
    with output.open("wb") as stream:
        process = subprocess.Popen([COMMAND, "demo", "--data", data, "--port", str(free_port())], stdout=stream)
        try:
            deadline = time.monotonic() + seconds
            while "Help:" not in output.read_text():
                assert process.poll() is None, "the demo ended"
                assert time.monotonic() < deadline, "the demo is not ready"
                time.sleep(0.05)
            addresses = re.findall(r"curl .*(http://\S+)", output.read_text())
            answers = {}
            for address in addresses:
                with urllib.request.urlopen(address, timeout=30) as answer:
                    answers[address.split("/api/")[1]] = answer.read()
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(timeout=60)
    assert status == 0
    return answers


def test_what_the_demo_says_works(tmp_path: Path) -> None:
    first = tried(tmp_path / "demo", tmp_path / "first.log", seconds=120)
    assert len(first) == 4
    assert all(first.values())
    assert any(body.startswith(b"\x89PNG") for body in first.values())
    assert any(body.startswith(b"\xff\xd8") for body in first.values())
    again = tried(tmp_path / "demo", tmp_path / "again.log", seconds=30)
    assert again == first, "the second start serves what the first one made"
