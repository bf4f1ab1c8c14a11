"""What a datatype plugin gives: a `Datatype` with its settings, its routes and the class of its instances."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from dvid_framework.errors import BadRequest
from dvid_framework.instances.wire import public_fields
from dvid_framework.storage.base import Capability

if TYPE_CHECKING:
    from dvid_framework.instances.instance import Instance
    from dvid_framework.instances.registry import Instances
    from dvid_framework.versions.repo import Repo

__all__ = ["ANY_TYPE", "Datatype", "NoSettings"]


ANY_TYPE = "*"
"""Stands in `Datatype.follows` for every type."""


class NoSettings(msgspec.Struct):
    """Settings of a type that has none of its own."""


class Datatype:
    """A datatype: subclass it, and give it out by the hook `dvid_datatypes`.

    The docstring of the subclass is the head of its page in `/api/help`.

    Attributes:
        name: the type's name in URLs and settings.
        url: where its source lives; part of what clients see.
        version: version of its stored form and API.
        instance: class of its instances.
        settings: struct of the type's own settings; the wire's keys match its fields in any case.
        routes: its routes below an instance, made by `get`, `post`, `put` and `delete`.
        default_compression: of the stored values, where the settings say nothing.
        needs: what the store must be able to do.
        logged: whether `mutations` and `mutations-range` are served.
        logs_users: whether what they serve names user and application.
        announced: actions of internal records that are published all the same.
        follows: names of the types that its instances can follow (`*` for any), which gives them the address `sync`;
            None for a type that has no such address.
        provides: the interfaces (`BlockMask` and the like) that its instances implement.
    """

    name: ClassVar[str]
    url: ClassVar[str] = ""
    version: ClassVar[str] = "0.1"
    instance: ClassVar[type[Instance]]
    settings: ClassVar[type[msgspec.Struct]] = NoSettings
    routes: ClassVar[Sequence[Any]] = ()
    default_compression: ClassVar[str] = "lz4"
    needs: ClassVar[Capability] = Capability.ORDERED | Capability.ATOMIC_BATCHES | Capability.SNAPSHOTS
    logged: ClassVar[bool] = False
    logs_users: ClassVar[bool] = True
    announced: ClassVar[frozenset[str]] = frozenset()
    follows: ClassVar[tuple[str, ...] | None] = None
    provides: ClassVar[tuple[type, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "instance" in cls.__dict__:
            cls.instance = type(
                cls.instance.__name__, (cls.instance,), {"datatype": cls, "__doc__": cls.instance.__doc__}
            )

    @classmethod
    def parse_settings(cls, config: Mapping[str, Any]) -> msgspec.Struct:
        """Make the settings of a new instance; refuse what is malformed.

        Args:
            config: the type's own settings by lower-case key; unknown ones are ignored.

        Raises:
            BadRequest: a value is not allowed.
        """
        fields = {field.name.replace("_", ""): field.name for field in msgspec.structs.fields(cls.settings)}
        known = {fields[key.replace("_", "")]: value for key, value in config.items() if key.replace("_", "") in fields}
        try:
            return msgspec.convert(known, cls.settings, strict=False)
        except msgspec.ValidationError as error:
            raise BadRequest(f"settings of {cls.name}: {error}") from error

    @classmethod
    def complete_settings(cls, settings: msgspec.Struct, instances: Instances) -> msgspec.Struct:
        """Return the settings of a new instance, completed by what they refer to; by default as they are.

        Args:
            settings: what `parse_settings` made.
            instances: gives the volume that a setting GridStore names (`grid`), and what the configuration says to the
                plugin (`options`).

        Raises:
            BadRequest: a value is not allowed.
        """
        del instances
        return settings

    @classmethod
    def check_settings(cls, settings: msgspec.Struct, repo: Repo, instances: Instances) -> None:
        """Refuse settings of a new instance that refer to what its repo doesn't have; by default nothing is checked.

        Args:
            settings: the completed settings.
            repo: where the instance is to be made.
            instances: the registry.

        Raises:
            BadRequest: they do.
        """
        del settings, repo, instances

    @classmethod
    def choose_compression(cls, settings: msgspec.Struct, wanted: str | None) -> str:
        """Return the compression of a new instance; by default what is wanted, or else the type's default.

        Args:
            settings: the type's own settings.
            wanted: what the setting Compression says; None where it is not given.

        Raises:
            BadRequest: it does not go with the other settings.
        """
        del settings
        return wanted or cls.default_compression

    @classmethod
    def published(cls, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of an entry of the log others are shown; by default all but fields whose names begin with `_`."""
        return public_fields(entry)

    @classmethod
    def help_text(cls) -> str:
        """Return the head of the type's help page."""
        return inspect.cleandoc(cls.__doc__ or "")

    @classmethod
    def upgrade(cls, from_version: str) -> str | None:
        """Return the kind of job that brings an instance's stored form up to this version; None for nothing to do.

        It is started when a server opens such an instance's folder; when it is done, the instance is of this version.
        """
        del from_version
        return None
