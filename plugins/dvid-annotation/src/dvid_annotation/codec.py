"""JSON of elements, as clients send it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dvid_annotation.model import KINDS, MOST_TAG_BYTES, Element, Item, Parsed, Relation
from dvid_framework.api import BadRequest

__all__ = ["parse_blocks", "parse_elements", "parse_label_lists", "stored"]

_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
_FIELDS = {field.encode_name.lower(): field.encode_name for field in msgspec.structs.fields(Element)}
_RELATION_FIELDS = {field.encode_name.lower(): field.encode_name for field in msgspec.structs.fields(Relation)}
_RELATIONS = b',"Rels":['
_encode = msgspec.json.Encoder().encode
_elements = msgspec.json.Decoder(list[Element] | None).decode
_blocks = msgspec.json.Decoder(dict[str, list[Element] | None] | None).decode
_texts = msgspec.json.Decoder(dict[str, str] | None).decode
_any = msgspec.json.Decoder().decode


def stored(element: Element) -> Parsed:
    """Return an element as it is stored.

    Raises:
        BadRequest: a tag is too long.
    """
    tags = element.tags = element.tags or []
    element.prop = element.prop or {}
    element.rels = element.rels or []
    text = _encode(element)
    if len(text) > MOST_TAG_BYTES and any(len(tag.encode()) > MOST_TAG_BYTES for tag in tags):
        raise BadRequest(f"a tag has at most {MOST_TAG_BYTES} bytes")
    head = text.index(_RELATIONS)  # in a text of a client its quotes would be escaped
    kind = _NUMBERS[element.kind]
    short = Item(kind, text[:head] + b"}", head)
    return Parsed(element.pos, Item(kind, text, head), tuple(dict.fromkeys(tags)), short)


def _refusal(error: Exception) -> BadRequest:
    return BadRequest(
        f"elements are objects of Pos ([x, y, z], 32-bit integers), Kind ({', '.join(KINDS)}), Tags (texts, not "
        f"empty), Prop (texts by name) and Rels (of Rel and To): {error}"
    )


def parse_elements(body: bytes) -> list[Parsed]:
    """Parse a JSON list of elements; null is none.

    Raises:
        BadRequest: it is something else, or one of them is malformed.
    """
    try:
        try:
            found = _elements(body)
        except msgspec.ValidationError:
            found = msgspec.convert(_tolerated(_any(body)), list[Element] | None)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise _refusal(error) from error
    return [stored(element) for element in found or ()]


def parse_blocks(body: bytes) -> dict[str, list[Parsed]]:
    """Parse a JSON object of lists of elements; null is none.

    Raises:
        BadRequest: it is something else, or one of them is malformed.
    """
    try:
        try:
            found = _blocks(body)
        except msgspec.ValidationError:
            given = _any(body)
            if not isinstance(given, dict):
                raise BadRequest('the body must be an object of lists of elements, {"x,y,z": [...]}') from None
            lists = {name: _tolerated(elements) for name, elements in given.items()}
            found = msgspec.convert(lists, dict[str, list[Element] | None] | None)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise _refusal(error) from error
    return {name: [stored(element) for element in elements or ()] for name, elements in (found or {}).items()}


def parse_label_lists(body: bytes) -> dict[int, list[Parsed]]:
    """Parse a JSON object of texts, each the JSON of the list of elements of a label; null is none.

    Raises:
        BadRequest: it is something else, or one of them is malformed.
    """
    try:
        given = _texts(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadRequest(f"the body must be an object of texts, each of them JSON, by label: {error}") from error
    found: dict[int, list[Parsed]] = {}
    for name, text in (given or {}).items():
        if not (name.isascii() and name.isdigit() and len(name) <= 20 and int(name) < 1 << 64):
            raise BadRequest(f"{name[:30]!r} is no label: it must be an integer from 0 to 2^64 - 1")
        found[int(name)] = parse_elements(text.encode("utf-8", "surrogatepass"))
    return found


def _tolerated(elements: Any) -> Any:
    """Return elements with the names of fields in any case made right, unknown ones left out, and short places filled.

    What is still wrong is told by the conversion that follows.
    """
    if not isinstance(elements, list):
        return elements
    return [_element(element) if isinstance(element, dict) else element for element in elements]


def _element(given: Mapping[str, Any]) -> dict[str, Any]:
    found = _known(given, _FIELDS)
    _fill(found, "Pos")
    if isinstance(prop := found.get("Prop"), dict):
        found["Prop"] = {name: "" if value is None else value for name, value in prop.items()}
    rels = found.get("Rels")
    if isinstance(rels, list):
        found["Rels"] = [_relation(rel) if isinstance(rel, dict) else rel for rel in rels]
    return found


def _relation(given: Mapping[str, Any]) -> dict[str, Any]:
    found = _known(given, _RELATION_FIELDS)
    _fill(found, "To")
    return found


def _known(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    lowered = ((names.get(name.lower()), value) for name, value in given.items())
    return {name: value for name, value in lowered if name is not None}


def _fill(found: dict[str, Any], name: str) -> None:
    place = found.get(name, ())
    if place is None:
        found.pop(name)
    elif isinstance(place, list) and len(place) < 3:
        found[name] = [*place, *[0] * (3 - len(place))]
