"""The addresses as RAML 0.8 (https://github.com/raml-org/raml-spec), which some clients of the original ask for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dvid_framework.http.help import function_of
from dvid_framework.http.table import options_of

__all__ = ["raml_text"]

_TYPED = re.compile(r"\{(\w+):\w+\}")
_HEAD = '#%RAML 0.8\ntitle: "DVID"\nversion: "v1"\nmediaType: "application/json"\n'


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()  # a text of JSON is one of YAML


def raml_text(core: Iterable[Any], types: Mapping[str, Iterable[Any]]) -> bytes:
    """Return the document.

    Args:
        core: routes whose templates are whole addresses.
        types: routes below instances, by the name of their type.
    """
    found: dict[str, dict[str, str]] = {}
    below = [(f"/api/node/{{uuid}}/{{{name}}}", route) for name, routes in types.items() for route in routes]
    for prefix, route in [*(("", route) for route in core), *below]:
        if options := options_of(route):
            methods = found.setdefault(_TYPED.sub(r"{\1}", prefix + options.template), {})
            methods[options.method.lower()] = inspect.cleandoc(function_of(route).__doc__ or "")
    lines = [_HEAD]
    for address in sorted(found):
        lines.append(f"{_text(address)}:\n")
        for method, description in sorted(found[address].items()):
            lines.append(f"  {method}:\n    description: {_text(description)}\n")
    return "".join(lines).encode()
