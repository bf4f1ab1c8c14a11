"""Mutation records as they stand on the wire: what `mutations` answers and what is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dvid_framework.versions.record import Mutation

if TYPE_CHECKING:
    from dvid_framework.instances.datatype import Datatype

__all__ = ["public_fields", "wire_entries"]


def public_fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an entry whose names don't begin with `_`."""
    return {field: value for field, value in entry.items() if not field.startswith("_")}


def wire_entries(mutation: Mutation, uuid: str, datatype: type[Datatype] | None) -> list[dict[str, Any]]:
    """Return the entries of a mutation of an instance with the fields that all of them have.

    Fields whose names begin with `_` are the type's own, and stay in the record.

    Args:
        mutation: the record.
        uuid: UUID of its version.
        datatype: the instance's type; None if it is not installed, and then no user is named.
    """
    extra: dict[str, Any] = {"UUID": uuid, "Timestamp": mutation.time}
    if mutation.mutation_id:
        extra["MutationID"] = mutation.mutation_id
    if datatype is not None and datatype.logs_users:
        extra |= {"User": mutation.user} if mutation.user else {}
        extra |= {"App": mutation.app} if mutation.app else {}
    shown = public_fields if datatype is None else datatype.published
    return [{**shown(entry), **extra} for entry in mutation.entries]
