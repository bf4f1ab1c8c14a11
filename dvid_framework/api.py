"""The one door for plugins: everything that a datatype or a store may use of the core.

A datatype is a `Datatype` with an `Instance` class and routes; see docs/write-a-datatype.md. A store is a `StoreEngine`
with a `Store` class; see docs/write-a-store.md. What is not here may change without notice.
"""

from __future__ import annotations

from litestar.params import FromPath, FromQuery

from dvid_framework.errors import (
    BadGateway,
    BadRequest,
    Conflict,
    CorruptValue,
    DvidError,
    Forbidden,
    Locked,
    NotFound,
    NotInstalled,
    StorageError,
    StoreFull,
    StoreInUse,
    TooLarge,
    Unavailable,
    refusing,
)
from dvid_framework.hookspecs import hookimpl
from dvid_framework.http.access.guard import check_readable
from dvid_framework.http.answers import Answer, Later, Parts, Pieces, binary, empty, json_answer, text_answer
from dvid_framework.http.auth import need_admin
from dvid_framework.http.brief_writes import BriefWrites, Made
from dvid_framework.http.cacheable import cacheable, cacheable_json
from dvid_framework.http.call import Call, InstanceRequest
from dvid_framework.http.pieces import in_pieces, json_joined
from dvid_framework.http.routing import delete, get, point_read, post, put
from dvid_framework.http.streamed import at_hand, holding_json, holding_memory, streamed, whole_or_pieces
from dvid_framework.instances.cache import ValueCache
from dvid_framework.instances.context import InstanceContext
from dvid_framework.instances.datatype import ANY_TYPE, Datatype, NoSettings
from dvid_framework.instances.instance import Instance
from dvid_framework.instances.interfaces import (
    LABEL_CHANGES,
    BlockMask,
    ImageScale,
    ImageVolume,
    LabelledPoints,
    LabelsAt,
    PixelType,
    SupervoxelsOf,
)
from dvid_framework.instances.jobs import Job, JobRecord, Step, Work
from dvid_framework.instances.merged import changed_sides
from dvid_framework.instances.registry import Instances
from dvid_framework.storage.base import Capability, Reader, Store, StoreEngine
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.envelope import LZ4, NONE, ZLIB
from dvid_framework.storage.grids import GridBlock, GridEngine, GridScale, GridVolume
from dvid_framework.storage.units import SingleRowStore, UnitStore
from dvid_framework.versions.record import Mutation, VersionRecord
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.txn import Txn
from dvid_framework.versions.view import View

API_VERSION = 1
"""Grows when something here changes in a way that plugins must follow."""

__all__ = [
    "ANY_TYPE",
    "API_VERSION",
    "LABEL_CHANGES",
    "LZ4",
    "NONE",
    "ZLIB",
    "Answer",
    "BadGateway",
    "BadRequest",
    "Batch",
    "BlockMask",
    "BriefWrites",
    "Call",
    "Capability",
    "Conflict",
    "CorruptValue",
    "Datatype",
    "DvidError",
    "Forbidden",
    "FromPath",
    "FromQuery",
    "GridBlock",
    "GridEngine",
    "GridScale",
    "GridVolume",
    "ImageScale",
    "ImageVolume",
    "Instance",
    "InstanceContext",
    "InstanceRequest",
    "Instances",
    "Job",
    "JobRecord",
    "LabelledPoints",
    "LabelsAt",
    "Later",
    "Locked",
    "Made",
    "Mutation",
    "NoSettings",
    "NotFound",
    "NotInstalled",
    "Parts",
    "Pieces",
    "PixelType",
    "Reader",
    "Repo",
    "SingleRowStore",
    "Step",
    "StorageError",
    "Store",
    "StoreEngine",
    "StoreFull",
    "StoreInUse",
    "SupervoxelsOf",
    "TooLarge",
    "Txn",
    "Unavailable",
    "UnitStore",
    "ValueCache",
    "VersionRecord",
    "View",
    "Work",
    "at_hand",
    "binary",
    "cacheable",
    "cacheable_json",
    "changed_sides",
    "check_readable",
    "delete",
    "empty",
    "get",
    "holding_json",
    "holding_memory",
    "hookimpl",
    "in_pieces",
    "json_answer",
    "json_joined",
    "need_admin",
    "point_read",
    "post",
    "put",
    "refusing",
    "streamed",
    "text_answer",
    "whole_or_pieces",
]
