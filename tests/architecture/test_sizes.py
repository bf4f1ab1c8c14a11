"""Files and functions stay small enough to read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE, FUNCTION, TEST_FILE = 400, 60, 600
SOURCES = sorted(
    path
    for pattern in ("dvid_framework", "libs/*/src", "libs/*/python", "plugins/*/src")
    for folder in ROOT.glob(pattern)
    for path in folder.rglob("*.py")
)
TESTS = sorted(
    path
    for pattern in ("tests", "libs/*/tests", "plugins/*/tests")
    for folder in ROOT.glob(pattern)
    for path in folder.rglob("*.py")
)


def name_of(path: Path) -> str:
    """Return a path as the test's report shows it."""
    return str(path.relative_to(ROOT))


def long_functions(source: str) -> list[tuple[str, int]]:
    """Return the functions that are too long, with their lines."""
    functions = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    sizes = [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in functions]
    return [(name, size) for name, size in sizes if size > FUNCTION]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_modules_and_functions_are_small(path: Path) -> None:
    source = path.read_text()
    # A contract of the testing kit is a file of tests.
    assert len(source.splitlines()) <= (TEST_FILE if path.stem.endswith("_contract") else MODULE)
    assert long_functions(source) == []


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_test_files_are_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= TEST_FILE


def test_the_check_sees_a_long_function() -> None:
    body = "\n".join("    x = 1" for _ in range(FUNCTION))
    assert long_functions(f"class C:\n  async def f():\n{body}\n") == [("f", FUNCTION + 1)]
    assert long_functions("def f():\n    return 1\n") == []
