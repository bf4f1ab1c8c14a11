"""Modules that stand beside tests, such as a plain datatype that stands for one of another distribution."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["module_beside"]


def module_beside(file: str, name: str) -> ModuleType:
    """Load the module `name` from the folder of a file, usually `__file__`; it can be imported by its name since.

    The folders of tests are not on the path, so that no test imports what an installed plugin would not have.
    """
    spec = importlib.util.spec_from_file_location(name, Path(file).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no module {name} beside {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
