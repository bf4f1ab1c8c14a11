"""What Kafka is told: topics, and the JSON messages that a mutation record becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from dvid_framework.versions.record import Mutation

__all__ = [
    "MESSAGE_BYTES",
    "Message",
    "Topics",
    "fit",
    "instance_messages",
    "key_of",
    "repo_messages",
    "topic_name",
]

MESSAGE_BYTES = 980 << 10
"""The longest JSON of a message; consumers' and brokers' own bound is 1 MB."""
_TOPIC_LETTERS = 249
_NOT_IN_TOPICS = re.compile(r"[^A-Za-z0-9._-]")
_COMPLETE = "-complete"
_KEPT = frozenset({"Action", "UUID", "Timestamp", "MutationID", "Key"})
_REPO_FIELDS = {
    "newinstance": ("UUID", "Typename", "Dataname"),
    "nodenote": ("UUID", "Note"),
    "nodelog": ("UUID", "Log"),
    "commit": ("UUID", "Note", "Log"),
    "newversion": ("Parent", "Child", "Note"),
    "branch": ("Parent", "Child", "Branch", "Note"),
    "tag": ("Parent", "Child", "Branch", "Tag", "Note"),
    "renamerepo": ("UUID", "Alias", "NewAlias"),
    "renamebranch": ("Branch", "NewBranch"),
    "renameinstance": ("Dataname", "NewDataname", "DataUUID"),
    "deleterepo": ("UUID", "Alias"),
    "deletebranch": ("Branch", "Versions"),
    "deleteinstance": ("Dataname", "DataUUID"),
}
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Message(NamedTuple):
    """A message.

    Attributes:
        topic: its topic.
        key: the time in nanoseconds, as decimal text.
        value: the fields of the JSON object.
    """

    topic: str
    key: str
    value: dict[str, Any]


def topic_name(text: str) -> str:
    """Return a text as the name of a topic: what is no letter, digit, `.`, `_` or `-` becomes `-`."""
    return _NOT_IN_TOPICS.sub("-", text)[:_TOPIC_LETTERS]


class Topics:
    """The names of topics.

    Args:
        prefix: what the topics of repos and instances begin with.
        suffixes: `DATA-UUID:SUFFIX` for instances whose topics end with something.
        activity: the topic of requests.

    Attributes:
        prefix: likewise.
        activity: the same, with no other letters than topics may have.
    """

    def __init__(self, prefix: str = "", suffixes: Sequence[str] = (), activity: str = "") -> None:
        self.activity = topic_name(activity)
        self.prefix = prefix
        self._suffixes = {uuid: suffix for uuid, _, suffix in (text.partition(":") for text in suffixes) if suffix}

    def repo_operations(self, root: str) -> str:
        """Return the topic of a repo's operations, by the UUID of its root."""
        return topic_name(f"{self.prefix}dvidrepo-{root}-repo-ops")

    def instance(self, root: str, data_uuid: str) -> str:
        """Return the topic of an instance's mutations."""
        suffix = self._suffixes.get(data_uuid, "")
        return topic_name(f"{self.prefix}dvidrepo-{root}-data-{data_uuid}{'-' if suffix else ''}{suffix}")


def key_of(time: str) -> str:
    """Return the key of what happened at a time (RFC 3339, UTC): its nanoseconds since 1970."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()) if whole else 0
    return str(seconds * 1_000_000_000 + int(f"{fraction:0<9}"[:9]))


def repo_messages(mutation: Mutation) -> Iterator[dict[str, Any]]:
    """Yield the messages of a change of a repo or of a version; other operations have none."""
    for entry in mutation.entries:
        fields = _REPO_FIELDS.get(entry["Action"])
        if fields is not None:
            yield {"Action": entry["Action"], **{field: entry.get(field, "") for field in fields}}


def instance_messages(
    mutation: Mutation, entries: Sequence[dict[str, Any]], announced: frozenset[str] = frozenset()
) -> Iterator[dict[str, Any]]:
    """Yield the messages of a mutation of an instance.

    Of an action X-complete consumers await two: X, without the sizes that were not known when it began, and itself.
    Both come after the commit.

    Args:
        mutation: the record.
        entries: its entries as they stand on the wire.
        announced: the actions that are published although their record is internal.
    """
    for entry in entries:
        action = entry["Action"]
        if mutation.internal and action not in announced:
            continue
        if action.endswith(_COMPLETE):
            known = {field: value for field, value in entry.items() if not field.endswith("Size")}
            yield {**known, "Action": action.removesuffix(_COMPLETE)}
        yield entry


def fit(fields: dict[str, Any], keep: Callable[[bytes], str]) -> bytes:
    """Return the JSON of a message; of a long one without its largest fields, but with a `DataRef`.

    Args:
        fields: the message.
        keep: keeps the whole JSON of a long message, and returns its reference.
    """
    whole = _encode(fields)
    if len(whole) <= MESSAGE_BYTES:
        return whole
    shorter = {**fields, "DataRef": keep(whole)}
    sizes = {field: len(_encode(value)) for field, value in fields.items() if field not in _KEPT}
    for field in sorted(sizes, key=sizes.__getitem__, reverse=True):
        del shorter[field]
        if len(encoded := _encode(shorter)) <= MESSAGE_BYTES:
            return encoded
    return _encode({"Action": fields["Action"], "DataRef": shorter["DataRef"]})
