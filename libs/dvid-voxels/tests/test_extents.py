"""Extents of versions, and how volumes describe themselves by them."""

import pytest

from dvid_voxels.description import describe_axes
from dvid_voxels.extents import Extents, check_order, decode_extents, encode_extents, extents_at, parse_extents
from dvid_voxels.geometry import GeometryError


def test_extents_of_merged_versions() -> None:
    parents: dict[int, list[int]] = {1: [], 2: [1], 3: [1], 4: [2, 3], 5: [4]}
    box = Extents((0, 0, 0), (9, 9, 9))
    own = {1: box, 2: Extents((-5, 0, 0), (-1, 9, 9)), 3: Extents((20, 20, 20), (29, 29, 29), is_set=True)}
    stored = {version: encode_extents(extents) for version, extents in own.items()}
    assert {version: decode_extents(value) for version, value in stored.items()} == own
    shown = {version: extents_at(version, stored, parents.__getitem__) for version in parents}
    assert shown[1] == box
    assert shown[2] == Extents((-5, 0, 0), (9, 9, 9))
    assert shown[3] == own[3]
    assert shown[5] is not None
    assert (shown[5].min_point, shown[5].max_point) == ((-5, 0, 0), (29, 29, 29))
    assert extents_at(1, {}, parents.__getitem__) is None


def test_posted_extents() -> None:
    assert parse_extents(b'{"MaxPoint": [4, 5]}') == Extents((0, 0, 0), (4, 5, 0), is_set=True)
    for body in (b"no json", b"[]", b'{"MinPoint": [1, 2, 3, 4]}', b'{"MinPoint": [5, 0, 0]}', b'{"MaxPoint": [1.5]}'):
        with pytest.raises(GeometryError):
            parse_extents(body)
    with pytest.raises(GeometryError, match="32 bits"):
        parse_extents(b'{"MaxPoint": [2147483648]}')


def test_the_order_of_corners() -> None:
    check_order((5, 5, 5), (5, 6, 7))
    check_order(None, (1, 1, 1))
    with pytest.raises(GeometryError, match="behind"):
        check_order((5, 5, 5), (6, 4, 6))


def test_axes() -> None:
    axes = describe_axes((8.0, 8.0, 40.5), ("nm", "nm", "um"), (-16, 0, 32), (-1, 15, 40))
    assert [axis["Label"] for axis in axes] == ["X", "Y", "Z"]
    assert [axis["Resolution"] for axis in axes] == [8, 8, 40.5]
    assert [(axis["Size"], axis["Offset"]) for axis in axes] == [(16, -16), (16, 0), (9, 32)]
    unknown = describe_axes((8.0, 8.0, 8.0), ("nm", "nm", "nm"), None, (1, 1, 1))
    assert [(axis["Size"], axis["Offset"]) for axis in unknown] == [(0, 0)] * 3
