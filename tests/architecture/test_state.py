"""No module keeps state: what a service holds hangs from its `Server`, so two can live in one process."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for pattern in ("dvid_framework", "libs/*/src", "libs/*/python", "plugins/*/src")
    for folder in ROOT.glob(pattern)
    for path in folder.rglob("*.py")
)
CONTAINERS = {
    "dict",
    "list",
    "set",
    "bytearray",
    "deque",
    "defaultdict",
    "OrderedDict",
    "Counter",
    "ChainMap",
    "SortedDict",
    "SortedList",
    "SortedSet",
    "WeakValueDictionary",
    "WeakKeyDictionary",
    "WeakSet",
}
WRITES = {
    "add",
    "append",
    "appendleft",
    "clear",
    "discard",
    "extend",
    "insert",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "reverse",
    "setdefault",
    "sort",
    "update",
    "difference_update",
    "intersection_update",
}


def _containers(tree: ast.Module) -> Iterator[str]:
    """Yield the names of a module that hold something mutable."""
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = getattr(node, "value", None)
        literal = isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)
        made = isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in CONTAINERS
        if literal or made:
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _written(node: ast.AST) -> Iterator[str]:
    """Yield the names whose content a piece of code changes."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        yield ast.unparse(node.value)
    elif isinstance(node, ast.AugAssign):
        yield ast.unparse(node.target)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
        yield ast.unparse(node.func.value)


def state_of(source: str) -> list[str]:
    """Return the names of a module that functions rebind (`global`) or change."""
    tree = ast.parse(source)
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    inside = [inner for function in functions for inner in ast.walk(function)]
    rebound = [name for node in inside if isinstance(node, ast.Global) for name in node.names]
    kept = set(_containers(tree))
    return sorted({*rebound, *(name for node in inside for name in _written(node) if name in kept)})


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_state_in_modules(path: Path) -> None:
    assert state_of(path.read_text()) == []


def test_the_check_sees_state() -> None:
    assert state_of("count = 0\ndef f():\n    global count\n    count += 1\n") == ["count"]
    assert state_of("seen: dict[str, int] = {}\ndef f(x):\n    seen[x] = 1\n") == ["seen"]
    assert state_of(
        "from collections import deque\nq = deque()\nclass C:\n    def f(self):\n        q.append(1)\n"
    ) == ["q"]
    assert state_of("TABLE = {1: 2}\ndef f(x):\n    local = {}\n    local[x] = TABLE[x]\n    return local\n") == []
