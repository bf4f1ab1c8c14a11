"""Keys of a configuration file that have no effect here, so that an operator hears of them and of typing errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

import msgspec

from dvid_framework.config import Sections

__all__ = ["keys_without_effect"]

_ELSEWHERE = MappingProxyType(
    {
        "server.rpcAddress": "there is no RPC port; the command line speaks HTTP",
        "server.startJaneliaConfig": "metrics and topics are set in their own sections",
        "server.instance_id_gen": "ids of instances are given by the store",
        "server.instance_id_start": "ids of instances are given by the store",
        "email": "failures are lines of the log, for the mailer of the site",
        "mutations.httpstore": "jsonstore and [kafka] tell of each committed mutation, and none that was refused",
        "mutations.blobstore": "bodies of mutations are kept in the store of their instance",
        "kafka.bufferSize": "what waits for a broker is kept in the mutation log",
        "mutcache": "indices are kept in their instance's store",
        "cache": "[limits] cache_bytes bounds what is kept in memory",
        "groupcache": "[limits] cache_bytes bounds what is kept in memory",
        "mirror": "versions are pushed and pulled",
        "backend.*.log": "the mutation log is in the store of its data, in the same batches",
    }
)
_FREE = frozenset({"store", "plugin"})
"""Sections whose keys belong to engines and plugins."""


def _known(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(struct)}


def keys_without_effect(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each key that has no effect, as `section.key`, and why.

    Args:
        document: a configuration file as TOML reads it.
    """
    sections = _known(Sections)
    for section, content in document.items():
        if section in _ELSEWHERE:
            yield section, _ELSEWHERE[section]
        elif section not in sections:
            yield section, _unknown(section, sections)
        elif section == "backend":
            if any(isinstance(choice, dict) and choice.get("log") for choice in content.values()):
                yield "backend.*.log", _ELSEWHERE["backend.*.log"]
        elif section not in _FREE:
            keys = _known(sections[section])
            for key in content.keys() - keys.keys():
                name = f"{section}.{key}"
                yield name, _ELSEWHERE.get(name) or _unknown(key, keys)


def _unknown(name: str, known: Any) -> str:
    close = get_close_matches(name, known, 1)
    return f"it is not known; is {close[0]} meant?" if close else "it is not known"
