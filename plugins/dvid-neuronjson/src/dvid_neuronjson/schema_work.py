"""How much work a JSON schema can make, before it is used: a schema of some lines can make more than any server does.

Rules apply to the value at hand, to its parts, or refer to other rules. The number of rules that come to bear on one
part is counted along all these ways, as deep as values may be nested; where rules refer to each other twice, it doubles
with each step. A rule that refers to itself without going into the value is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from dvid_framework.api import BadRequest

__all__ = ["MOST_NESTING", "work_of"]

MOST_NESTING = 32
"""How deeply what is checked may be nested."""
_MOST_WORK = 100_000
_MOST_RULES = 5_000
_LONGEST_CHAIN = 100
_SAME = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
_SAME_BY_NAME = ("dependentSchemas", "dependencies")
_PARTS = ("additionalProperties", "additionalItems", "items", "prefixItems", "contains", "propertyNames")
_REST = ("unevaluatedItems", "unevaluatedProperties")
_PARTS_BY_NAME = ("properties", "patternProperties")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS = ("$anchor", "$dynamicAnchor")
_Rule = dict[str, Any]


def _several(value: Any) -> list[_Rule]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _named(value: Any) -> list[_Rule]:
    return [one for one in value.values() if isinstance(one, dict)] if isinstance(value, dict) else []


def _rules_of(rule: _Rule, alike: tuple[str, ...], by_name: tuple[str, ...]) -> list[_Rule]:
    return [
        *(one for key in alike if key in rule for one in _several(rule[key])),
        *(one for key in by_name if key in rule for one in _named(rule[key])),
    ]


def _everything(value: Any) -> Iterator[_Rule]:
    """Yield all objects of a document, whatever they are."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            yield one
            todo.extend(one.values())
        elif isinstance(one, list):
            todo.extend(one)


class _Schema:
    """The rules of a schema, and what they refer to."""

    def __init__(self, root: _Rule) -> None:
        self.root = root
        self._anchors: dict[str, list[_Rule]] = {}
        self._documents: dict[str, list[_Rule]] = {}
        for count, one in enumerate(_everything(root)):
            if count >= _MOST_RULES:
                raise BadRequest(f"a JSON schema has at most {_MOST_RULES} objects")
            for key in _ANCHORS:
                if isinstance(one.get(key), str):
                    self._anchors.setdefault(one[key], []).append(one)
            name = one.get("$id", one.get("id"))
            if isinstance(name, str):
                self._documents.setdefault(_last_part(name), []).append(one)

    def targets(self, reference: Any) -> list[_Rule]:
        """Return what a reference may mean: rather too many rules than too few."""
        if not isinstance(reference, str):
            return []
        document, _, fragment = reference.partition("#")
        starts = self._documents.get(_last_part(document), []) if document else [self.root, *self._all_documents()]
        if document and not starts:
            raise BadRequest(f"a JSON schema may refer to its own parts alone, and not to {reference[:200]!r}")
        if not fragment:
            return starts
        if not fragment.startswith("/"):
            return self._anchors.get(unquote(fragment), [])
        found = (_pointed(start, fragment) for start in starts)
        return [rule for rule in found if isinstance(rule, dict)]

    def _all_documents(self) -> Iterator[_Rule]:
        for several in self._documents.values():
            yield from (one for one in several if one is not self.root)


def _last_part(name: str) -> str:
    return name.partition("#")[0].rstrip("/").rpartition("/")[2]


def _pointed(start: Any, pointer: str) -> Any:
    """Return what a JSON pointer points at; None for nothing."""
    for part in pointer.split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(start, dict):
            start = start.get(name)
        elif isinstance(start, list) and name.isascii() and name.isdigit() and len(name) < 7:
            start = start[int(name)] if int(name) < len(start) else None
        else:
            return None
    return start


class _Counter:
    """Counts rules by the depth to which a value is nested below them."""

    def __init__(self, schema: _Schema) -> None:
        self._schema = schema
        self._shallower: dict[int, int] = {}
        self._counted: dict[int, int] = {}
        self._open: set[int] = set()
        self._same: dict[int, list[_Rule]] = {}
        self._parts: dict[int, list[_Rule]] = {}

    def count(self) -> int:
        """Return how many rules come to bear on any one part of a value that is nested as deeply as is allowed."""
        rules = self._find_rules()
        for _ in range(MOST_NESTING + 1):
            self._shallower, self._counted = self._counted, {}
            for rule in rules:
                self._count(rule)
            if self._counted == self._shallower:
                break
        return self._counted[id(self._schema.root)]

    def _find_rules(self) -> list[_Rule]:
        """Return the rules that may come to bear."""
        found: dict[int, _Rule] = {}
        todo = [self._schema.root]
        while todo:
            rule = todo.pop()
            name = id(rule)
            if name in found:
                continue
            found[name] = rule
            same = _rules_of(rule, _SAME, _SAME_BY_NAME)
            for key in _REFERENCES:
                if key in rule:
                    same += self._schema.targets(rule[key])
            self._same[name] = same
            self._parts[name] = _rules_of(rule, (*_PARTS, *_REST), _PARTS_BY_NAME)
            todo += same + self._parts[name]
        return list(found.values())

    def _count(self, rule: _Rule) -> int:
        name = id(rule)
        if name in self._counted:
            return self._counted[name]
        if name in self._open:
            raise BadRequest("a rule of the JSON schema refers to itself without going into the value")
        if len(self._open) >= _LONGEST_CHAIN:
            raise BadRequest(f"more than {_LONGEST_CHAIN} rules of the JSON schema refer to one another")
        self._open.add(name)
        work = 1 + sum(len(value) for value in rule.values() if isinstance(value, list | dict))
        # To tell what others have not looked at, these are gone through again.
        work += (4 if any(key in rule for key in _REST) else 1) * sum(map(self._count, self._same[name]))
        work += sum(self._shallower.get(id(one), 1) for one in self._parts[name])
        self._open.discard(name)
        if work > _MOST_WORK:
            raise BadRequest("checking a value by this JSON schema could take too long: its rules multiply")
        self._counted[name] = work
        return work


def work_of(schema: Any) -> int:
    """Return how many rules of a schema can come to bear on one part of what is checked.

    Raises:
        BadRequest: too many, or they refer to themselves, or to something outside of the schema.
    """
    return _Counter(_Schema(schema)).count() if isinstance(schema, dict) else 1
