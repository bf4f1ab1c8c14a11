"""What of a neuron is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import msgspec

from dvid_neuronjson.codec import USER, Neuron, encode_json, is_meta

__all__ = ["Shown"]


@dataclass(frozen=True)
class Shown:
    """What of a neuron an answer has, by the parameters `show` and `fields`.

    Attributes:
        users: the fields that end in `_user`.
        times: those that end in `_time`.
        fields: these fields alone, and always bodyid; None for all.
    """

    users: bool = False
    times: bool = False
    fields: frozenset[str] | None = None

    @classmethod
    def asked(cls, query: Mapping[str, str]) -> Self:
        """Return what the parameters of a request ask for."""
        show, fields = query.get("show", ""), query.get("fields", "")
        names = frozenset(name for name in fields.split(",") if name) if fields else None
        return cls(show in ("user", "all"), show in ("time", "all"), names)

    @property
    def plain(self) -> bool:
        """Whether it is just the object without users and times."""
        return not self.users and not self.times and self.fields is None

    @property
    def within_plain(self) -> bool:
        """Whether it is a part of the object without users and times, and not of these."""
        return not self.users and not self.times and not any(is_meta(name) for name in self.fields or ())

    @cached_property
    def _rows(self) -> tuple[Callable[[bytes], list[Any]], Callable[[Any], bytes]]:
        """Return what decodes the wanted fields of many objects, and what encodes those of one."""
        names = ["bodyid", *sorted((self.fields or frozenset()) - {"bodyid"})]
        places = {f"field{place}": name for place, name in enumerate(names)}
        row = msgspec.defstruct("Row", [(place, Any, msgspec.UNSET) for place in places], rename=places)
        return msgspec.json.Decoder(list[row]).decode, encode_json  # type: ignore[valid-type]

    def encode_plain(self, objects: bytes) -> Iterator[bytes]:
        """Yield what is shown of plain objects with commas between them; nothing that is not shown is decoded."""
        decode, encode = self._rows
        return map(encode, decode(b"[%b]" % objects))

    def _wants(self, field: str, chosen: frozenset[str]) -> bool:
        if field in chosen or field == "bodyid":
            return True
        if not is_meta(field) or field[: -len(USER)] not in chosen:
            return False
        return self.users if field.endswith(USER) else self.times

    def encode(self, neuron: Neuron) -> bytes | memoryview:
        """Return what is shown of a neuron, as JSON."""
        chosen = self.fields
        if chosen is None:
            return neuron.show(self.users, self.times)
        return encode_json({name: value for name, value in neuron.fields().items() if self._wants(name, chosen)})

    def reveals(self, number: int, shown: bytes | memoryview) -> bool:
        """Tell whether what is shown of a neuron has more than its bodyid; if that alone was asked for, it will do."""
        return self.fields == frozenset({"bodyid"}) or len(shown) > len(b'{"bodyid":}') + len(str(number))
