"""Conditions of queries: what must hold of a field of a neuron.

A value is looked for by its atoms: a text, a number, a truth value, or the elements of a list of texts or of integers.
Whatever else a field holds is only there or not there.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from dvid_framework.api import BadRequest
from dvid_neuronjson.patterns import Finder, compile_pattern

__all__ = ["Atom", "Condition", "Query", "atoms_of", "parse_queries"]

_REGEX = "re/"
_EXISTS = re.compile(r"exists/(.)", re.DOTALL)
_MOST_REGEXES = 16
_MOST_CONDITIONS = 10_000
_MOST_FIELDS = 64
_LARGEST = (1 << 63) - 1
Atom: TypeAlias = tuple[str, Any]
"""A kind (`t` text, `n` number, `b` truth value) and a value: true is not 1, and 2.0 is 2."""


def _atom(value: Any) -> Atom | None:
    if isinstance(value, str):
        return ("t", value)
    if isinstance(value, bool):
        return ("b", value)
    return ("n", value) if isinstance(value, int | float) else None


def atoms_of(value: Any) -> Iterator[Atom]:
    """Yield what a value of a field can be found by."""
    if isinstance(value, list):
        kinds = {type(one) for one in value}
        if kinds in ({str}, {int}):
            yield from ((("t" if kinds == {str} else "n"), one) for one in set(value))
    elif (atom := _atom(value)) is not None:
        yield atom


@dataclass(slots=True)
class Condition:
    """What must hold of a field; with no atoms and no patterns nothing does.

    Attributes:
        field: the field.
        present: whether it must be there, if that is asked.
        atoms: it is one of these, or has one of them.
        patterns: or one of these is found in it.
        numbers: the numbers among the atoms, in order.
        listed: the integers that are asked for, as they stand in the query; None if it asks anything else.
    """

    field: str
    present: bool | None = None
    atoms: frozenset[Atom] = frozenset()
    patterns: tuple[Finder, ...] = ()
    numbers: Sequence[int | float] = ()
    listed: list[int] | None = None
    _found: dict[str, bool] = dataclasses.field(default_factory=dict)
    _read: Callable[[bytes], list[Any]] | None = None

    def __post_init__(self) -> None:
        self.numbers = sorted(value for kind, value in self.atoms if kind == "n")

    def values(self, objects: bytes) -> Iterator[tuple[int, Any]]:
        """Yield the values of the field in JSON objects with commas between them, each with its place.

        Nothing but that field is decoded.
        """
        if self._read is None:
            row = msgspec.defstruct("Row", [("value", Any, msgspec.UNSET)], rename={"value": self.field})
            self._read = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]
        for place, one in enumerate(self._read(b"[%b]" % objects)):
            if one.value is not msgspec.UNSET:
                yield place, one.value

    def matches_text(self, text: str) -> bool:
        """Tell whether one of the patterns is found in a text; each text is looked at once."""
        known = self._found.get(text)
        if known is None:
            known = self._found[text] = any(find(text) for find in self.patterns)
        return known

    def holds(self, neuron: Mapping[str, Any]) -> bool:
        """Tell whether it holds for a neuron with all its fields."""
        value = neuron.get(self.field)
        if self.present is not None:
            return (value is not None) is self.present
        for atom in atoms_of(value):
            if atom in self.atoms or (self.patterns and atom[0] == "t" and self.matches_text(atom[1])):
                return True
        return False


Query: TypeAlias = tuple[Condition, ...]
"""Conditions that must all hold."""


def _condition(name: str, wanted: Any, regex: Callable[[str], Finder]) -> Condition:
    if isinstance(wanted, str) and (asked := _EXISTS.fullmatch(wanted)):
        return Condition(name, present=asked[1] != "0")
    several = wanted if isinstance(wanted, list) else [wanted]
    texts = all(isinstance(one, str) for one in several)
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in several)
    if not (texts or numbers or not isinstance(wanted, list)):
        return Condition(name)
    patterns = tuple(regex(one[len(_REGEX) :]) for one in several if texts and one.startswith(_REGEX))
    if numbers and isinstance(wanted, list) and not all(type(one) is int and abs(one) <= _LARGEST for one in several):
        # A list that does not hold such integers alone is one of doubles, and these are found if they are not integral.
        return Condition(name, atoms=frozenset(("n", float(one)) for one in several if one % 1))
    atoms = (_atom(one) for one in several if not (texts and one.startswith(_REGEX)))
    listed = several if numbers and several and all(type(one) is int for one in several) else None
    return Condition(
        name, atoms=frozenset(atom for atom in atoms if atom is not None), patterns=patterns, listed=listed
    )


def parse_queries(document: Any) -> list[Query]:
    """Return the queries of a body, of which one must hold.

    Raises:
        BadRequest: it is neither an object nor a list of objects, or a regular expression is bad.
    """
    several = document if isinstance(document, list) else [document]
    if not several or not all(isinstance(one, dict) for one in several):
        raise BadRequest("a query is a JSON object of fields and what they must be, or a list of such objects")
    if sum(len(one) + 1 for one in several) > _MOST_CONDITIONS:
        raise BadRequest(f"a query has at most {_MOST_CONDITIONS} conditions in all")
    if len({name for one in several for name in one}) > _MOST_FIELDS:
        raise BadRequest(f"at most {_MOST_FIELDS} fields can be asked for at once")
    count = 0

    def regex(pattern: str) -> Finder:
        nonlocal count
        count += 1
        if count > _MOST_REGEXES:
            raise BadRequest(f"at most {_MOST_REGEXES} regular expressions can be asked at once")
        return compile_pattern(pattern)

    return [tuple(_condition(name, wanted, regex) for name, wanted in one.items()) for one in several]
