"""The environment of the tools that read our volumes: made once, by uv, and found again by what is pinned."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).with_name("requirements.lock")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOME = Path(os.environ.get("DVID_READERS_HOME", Path.home() / ".cache" / "dvid-readers"))


def readers_python() -> Path:
    """Return the Python of the environment, which is made if it is not there; of several that make it one does."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = HOME / f"{version}-{hashlib.sha256(PINS.read_bytes()).hexdigest()[:16]}"
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _uv("venv", "--python", sys.executable, str(folder))
            _uv("pip", "install", "--python", str(folder / "bin" / "python"), "--requirement", str(PINS))
            (folder / "made").touch()
    return folder / "bin" / "python"


def run_reader(script: Path, *arguments: str, seconds: float = 120) -> str:
    """Run a script with these tools; returns what it prints."""
    done = subprocess.run(
        [str(readers_python()), "-W", "ignore", str(script), *arguments],
        check=False, capture_output=True, text=True, timeout=seconds,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{script.name} failed: {(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def chromium() -> str:
    """Return the program of a Chromium; where there is none, Debian's is installed, if that may be.

    Raises:
        RuntimeError: there is none.
    """
    named = os.environ.get("DVID_CHROMIUM")
    if named:
        return named
    if not _installed() and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["update", "-q"], ["install", "-qy", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *command], check=False, capture_output=True, timeout=600)
    found = _installed()
    if found is None:
        raise RuntimeError(
            "there is no Chromium here: install one (Debian: apt-get install chromium), or name it in DVID_CHROMIUM"
        )
    return found


def _installed() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _uv(*arguments: str) -> None:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy"}
    environment.pop("UV_CONSTRAINT", None)  # what pins our own tests is not for theirs
    done = subprocess.run(
        [sys.executable, "-m", "uv", "--quiet", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        raise RuntimeError(
            f"no environment of readers: uv {arguments[0]} failed: {(done.stdout + done.stderr)[-2000:]}"
        )
