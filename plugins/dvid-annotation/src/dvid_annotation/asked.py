"""What requests say in their paths and parameters."""

from __future__ import annotations

import re
from typing import TypeAlias

from dvid_voxels.geometry import GeometryError, parse_triple

from dvid_annotation.instance import AnnotationInstance
from dvid_annotation.keys import Triple
from dvid_annotation.ops.reading import Box
from dvid_framework.api import BadRequest, BlockMask, InstanceRequest, VersionRecord, check_readable, refusing

__all__ = ["AnnotationRequest", "check_end", "parse_box", "parse_label", "parse_place", "region_of"]

AnnotationRequest: TypeAlias = InstanceRequest[AnnotationInstance]
_LABEL = re.compile(r"\d{1,20}", re.ASCII)


def check_end(request: AnnotationRequest) -> None:
    """Refuse an address that goes on behind its keyword.

    Raises:
        BadRequest: it does.
    """
    keyword, *rest = request.call.segments
    if rest:
        raise BadRequest(f"nothing may follow {keyword!r} in this address")


def parse_place(text: str) -> Triple:
    """Parse `x_y_z`, a voxel.

    Raises:
        BadRequest: it is not three integers of 32 bits.
    """
    with refusing(GeometryError):
        return parse_triple(text)


def parse_box(size: str, offset: str) -> Box:
    """Parse the size and the first voxel of a box, each `x_y_z`; it may hold nothing.

    Raises:
        BadRequest: one is not three integers of 32 bits.
    """
    sides, (x, y, z) = parse_place(size), parse_place(offset)
    return Box((x, y, z), (x + sides[0], y + sides[1], z + sides[2]))


def parse_label(text: str) -> int:
    """Parse a label.

    Raises:
        BadRequest: it is no integer from 1 to 2^64 - 1.
    """
    label = int(text) if _LABEL.fullmatch(text) else 0
    if not 0 < label < 1 << 64:
        raise BadRequest(f"{text[:30]!r} is no label: it must be an integer from 1 to 2^64 - 1")
    return label


def region_of(request: AnnotationRequest, text: str) -> tuple[BlockMask, VersionRecord]:
    """Return the region that `NAME` or `NAME,UUID` means, and at which version.

    Raises:
        BadRequest: there is no such instance or version, or it is no region.
    """
    name, *references = text.split(",")
    if len(references) > 1:
        raise BadRequest("a region of interest is named as NAME or as NAME,UUID")
    instance, version = request.instance, request.version
    if references:
        repo, version = request.server.repos.find(references[0])
        if repo is not instance.repo:
            raise BadRequest(f"version {references[0]!r} is of another repo")
        check_readable(request.call, repo, {version.id})
    region = instance.instances.provider(instance.repo, name, BlockMask)  # type: ignore[type-abstract]  # a protocol
    return region, version
