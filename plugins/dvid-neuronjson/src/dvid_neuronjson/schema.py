"""JSON schemas that neurons are checked by before they are written."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NoReturn

from dvid_framework.api import BadRequest, NotInstalled
from dvid_neuronjson.codec import decode_json
from dvid_neuronjson.schema_work import MOST_NESTING, work_of

if TYPE_CHECKING:
    import jsonschema_rs

__all__ = ["MOST_SCHEMA_BYTES", "Schema", "Schemas"]

MOST_SCHEMA_BYTES = 1 << 20
_MOST_WORK = 500_000_000
_MOST_KEPT = 32
_REGEX_BYTES = 1 << 20
_MOST_DIGITS = 20
_SHOWN = 300


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a JSON schema may refer to its own parts alone, and not to {uri[:200]}")


def _nesting(value: Any, most: int) -> int:
    """Return how deeply a value is nested, or `most` if that is less."""
    if not isinstance(value, dict | list) or most <= 0:
        return 0
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max((_nesting(part, most - 1) for part in parts), default=0)


class Schema:
    """A compiled JSON schema, of draft 4, 6, 7, 2019-09 or 2020-12 as its `$schema` says.

    It reads nothing from anywhere, its regular expressions take linear time, and its work is bounded.
    """

    def __init__(self, body: bytes | memoryview) -> None:
        """Compile a schema.

        Raises:
            BadRequest: it is none, or could make more work than is allowed.
            NotInstalled: the library that checks by it is missing.
        """
        try:
            import jsonschema_rs  # noqa: PLC0415 - the demo does without it
        except ImportError as error:
            raise NotInstalled("JSON schemas need the package jsonschema-rs: pip install dvid-neuronjson") from error
        if len(body) > MOST_SCHEMA_BYTES:
            raise BadRequest(f"a JSON schema has at most {MOST_SCHEMA_BYTES} bytes")
        document = decode_json(body, "the JSON schema")
        self._work = work_of(document)
        options = jsonschema_rs.RegexOptions(size_limit=_REGEX_BYTES, dfa_size_limit=_REGEX_BYTES)
        try:
            self._validator = jsonschema_rs.validator_for(
                document, retriever=_refuse, pattern_options=options, validate_formats=False
            )
        except ValueError as error:
            said = getattr(error, "message", str(error))
            raise BadRequest(f"this is no JSON schema that can be used: {said[:_SHOWN]}") from error

    def check(self, posted: dict[str, Any], size: int) -> dict[str, Any]:
        """Return a posted object if it keeps to the schema, with texts made numbers where integers are wanted.

        Args:
            posted: the object.
            size: bytes of its JSON.

        Raises:
            BadRequest: it does not keep to it.
        """
        if _nesting(posted, MOST_NESTING + 1) > MOST_NESTING:
            raise BadRequest(f"a neuron that is checked by a JSON schema is nested at most {MOST_NESTING} deep")
        if self._work * size > _MOST_WORK:
            raise BadRequest("the neuron is too large to be checked by the JSON schema of this version")
        error = self._first_error(posted)
        if error is None:
            return posted
        texts = [one for one in map(_wanted_integer, self._validator.iter_errors(posted)) if one is not None]
        if texts:
            posted = {**posted, **{field: _integer(field, posted[field]) for field in texts}}
            error = self._first_error(posted)
        if error is not None:
            place = "".join(f"[{part!r}]" for part in error.instance_path)
            raise BadRequest(f"the JSON schema does not allow this neuron{place}: {error.message[:_SHOWN]}")
        return posted

    def _first_error(self, posted: dict[str, Any]) -> jsonschema_rs.ValidationError | None:
        return next(iter(self._validator.iter_errors(posted)), None)


def _wanted_integer(error: jsonschema_rs.ValidationError) -> str | None:
    """Return the field of the object that is a text and should be an integer, if that is what is wrong."""
    path = error.instance_path
    if "integer" in getattr(error.kind, "types", ()) and len(path) == 1 and isinstance(error.instance, str):
        return str(path[0])
    return None


def _integer(field: str, text: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS:
        return int(text)
    raise BadRequest(f"the JSON schema wants an integer for {field!r}, and {text[:80]!r} can't be read as one")


class Schemas:
    """The schemas that were compiled lately, for all instances of a server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._schemas: OrderedDict[bytes, Schema] = OrderedDict()

    def get(self, body: bytes) -> Schema:
        """Return a compiled schema.

        Raises:
            BadRequest: it can't be compiled.
        """
        with self._lock:
            known = self._schemas.get(body)
            if known is not None:
                self._schemas.move_to_end(body)
                return known
        schema = Schema(body)
        with self._lock:
            self._schemas[body] = schema
            while len(self._schemas) > _MOST_KEPT:
                self._schemas.popitem(last=False)
        return schema
