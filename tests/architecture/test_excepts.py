"""Errors are caught by name. Only boundaries, where foreign code may raise anything, catch everything."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for pattern in ("dvid_framework", "libs/*/src", "libs/*/python", "plugins/*/src")
    for folder in ROOT.glob(pattern)
    for path in folder.rglob("*.py")
)
BOUNDARIES = {
    "dvid_framework/plugins.py",  # a plugin may raise anything at import
    "dvid_framework/http/dispatch.py",  # whatever a route raises becomes an answer
    "dvid_framework/http/brief_writes.py",  # each write's fault is told to its request alone
    "dvid_framework/http/work.py",  # what was done in a thread is told to whoever waits for it
    "dvid_framework/events/feed.py",  # a follower's fault must neither stop the others nor be lost
    "dvid_framework/events/jobs.py",  # whatever the work of a job raises is named in its record
    "dvid_framework/events/syncs.py",  # a follower's fault sets it aside and must not be lost
    "plugins/dvid-labelmap/src/dvid_labelmap/ops/grouped_writes.py",  # each write's fault is told to its request alone
    "dvid_framework/storage/log.py",  # what an fsync failed with is told to whoever waits for it
    "dvid_framework/storage/rocksdb_reading.py",  # its driver raises nothing more precise
    "dvid_framework/testing/store_reading.py",  # tells what a thread of a test raised
    "dvid_framework/testing/running.py",  # tells whoever waits for a server's start
}


def broad_excepts(source: str) -> list[tuple[int, str]]:
    """Return line and kind of the handlers that catch everything, but those that clean up and raise it again."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            found.append((node.lineno, "bare"))
            continue
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        broad = {ast.unparse(kind) for kind in caught} & {"Exception", "BaseException"}
        last = node.body[-1]
        if broad and not (isinstance(last, ast.Raise) and last.exc is None):
            found.append((node.lineno, broad.pop()))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_errors_are_caught_by_name(path: Path) -> None:
    found = broad_excepts(path.read_text())
    if str(path.relative_to(ROOT)) in BOUNDARIES:
        found = [(line, kind) for line, kind in found if kind == "bare"]
    assert found == []


def test_boundaries_exist() -> None:
    for name in BOUNDARIES:
        assert broad_excepts((ROOT / name).read_text()), f"{name} is no boundary any more: take it off the list"


def test_the_check_sees_broad_excepts() -> None:
    assert broad_excepts("try:\n    f()\nexcept:\n    pass\n") == [(3, "bare")]
    assert broad_excepts("try:\n    f()\nexcept (OSError, Exception):\n    pass\n") == [(3, "Exception")]
    assert broad_excepts("try:\n    f()\nexcept BaseException:\n    close()\n    raise\n") == []
    assert broad_excepts("try:\n    f()\nexcept OSError:\n    pass\n") == []
