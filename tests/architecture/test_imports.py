"""Imports go one way: from the door to the store in the core, and from plugins only to `dvid_framework.api`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = (
    ("errors", "hookspecs", "allocator", "config_text"),
    ("storage",),
    ("versions",),
    ("instances",),
    ("events",),
    ("http",),
    ("config", "plugins"),
    ("config_keys",),
    ("server",),
    ("api", "fsck", "serve"),
    ("cli",),
    ("testing",),
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
LIBRARIES = {"dvid_voxels": {"dvid_kernels"}, "dvid_labels": {"dvid_voxels", "dvid_kernels"}}
# What a room of a plugin may not know: HTTP is the routes' business, arrays are the operations'.
ROOMS = {
    "ops": {"litestar", "uvicorn", "asyncio"},
    "codec": {"litestar", "uvicorn", "asyncio"},
    "keys": {"litestar", "uvicorn", "asyncio"},
    "routes": {"numpy", "plyvel"},
}


def runtime_imports(source: str) -> Iterator[str]:
    """Yield the absolute names that a module imports when it runs, and not only for the type checker."""
    todo: list[ast.AST] = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            todo.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        todo.extend(ast.iter_child_nodes(node))


def core_faults(part: str, source: str) -> list[str]:
    """Return what a module of a part of the core imports from a part above it."""
    parts = [name.split(".")[1] for name in runtime_imports(source) if name.startswith("dvid_framework.")]
    return [other for other in parts if other in RANK and RANK[other] >= RANK[part] and other != part]


def plugin_faults(package: str, source: str, *, in_tests: bool = False) -> list[str]:
    """Return what a module of a plugin imports of ours beside the door, the libraries and itself."""
    doors = {"dvid_framework.api"} | ({"dvid_framework.testing"} if in_tests else set())
    ours = [name for name in runtime_imports(source) if name.split(".")[0].startswith("dvid_")]
    return [
        name
        for name in ours
        if name.split(".")[0] not in {package, *LIBRARIES} and ".".join(name.split(".")[:2]) not in doors
    ]


def modules(folder: Path) -> list[Path]:
    """Return the modules below a folder."""
    return sorted(folder.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a path as the test's report shows it."""
    return str(path.relative_to(ROOT))


CORE = modules(ROOT / "dvid_framework")
PLUGINS = sorted(ROOT.glob("plugins/dvid-*"))


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_layers_of_the_core_go_one_way(path: Path) -> None:
    relative = path.relative_to(ROOT / "dvid_framework")
    part = relative.parts[0].removesuffix(".py")
    if part == "__init__":
        assert not list(runtime_imports(path.read_text()))
        return
    assert part in RANK, f"{part} has no place in the layers"
    assert core_faults(part, path.read_text()) == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=name_of)
def test_plugins_come_in_by_the_door(plugin: Path) -> None:
    package = plugin.name.replace("-", "_")
    for path in modules(plugin / "src"):
        assert plugin_faults(package, path.read_text()) == [], name_of(path)
    for path in modules(plugin / "tests"):
        assert plugin_faults(package, path.read_text(), in_tests=True) == [], name_of(path)


@pytest.mark.parametrize("plugin", PLUGINS, ids=name_of)
def test_rooms_of_a_plugin_keep_to_their_business(plugin: Path) -> None:
    for room, forbidden in ROOMS.items():
        for path in [*plugin.glob(f"src/*/{room}.py"), *plugin.glob(f"src/*/{room}/**/*.py")]:
            found = {name.split(".")[0] for name in runtime_imports(path.read_text())}
            assert not found & forbidden, name_of(path)


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries_know_neither_core_nor_plugins(library: str) -> None:
    folder = ROOT / "libs" / library.replace("_", "-") / "src"
    for path in modules(folder):
        ours = {name.split(".")[0] for name in runtime_imports(path.read_text()) if name.startswith("dvid_")}
        assert ours <= {library, *LIBRARIES[library]}, name_of(path)


def test_the_check_sees_faults() -> None:
    assert core_faults("storage", "def f():\n    from dvid_framework.http.app import build_app\n") == ["http"]
    assert core_faults("storage", "from dvid_framework import server\n") == ["server"]
    assert core_faults("http", "from dvid_framework.storage.base import Store\n") == []
    typing_only = "if TYPE_CHECKING:\n    from dvid_framework.server import Server\n"
    assert core_faults("http", typing_only) == []
    assert plugin_faults("dvid_roi", "import dvid_labelmap.model\n") == ["dvid_labelmap.model"]
    assert plugin_faults("dvid_roi", "from dvid_framework.storage import keys\n") == ["dvid_framework.storage.keys"]
    assert plugin_faults("dvid_roi", "from dvid_framework.testing import client\n") != []
    assert plugin_faults("dvid_roi", "from dvid_framework.testing import client\n", in_tests=True) == []
    assert plugin_faults("dvid_roi", "from dvid_framework.api import View\nimport dvid_voxels\n") == []
