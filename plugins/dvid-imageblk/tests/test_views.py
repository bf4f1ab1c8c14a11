"""What a read sees: one state, of its version, whatever is in memory; and what other instances may read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dvid_framework.api import BadRequest, ImageVolume

Volume = Any


def instance_of(volume: Volume, version: str | None = None) -> tuple[Any, Any]:
    repo, record = volume.server.server.repos.find(version or volume.root)
    return volume.server.server.instances.get(repo, volume.name), record


def test_a_write_is_read_at_once(new_volume: Callable[..., Volume]) -> None:
    volume = new_volume()
    for seed in range(6):
        array = volume.noise((16, 8, 8), seed)
        volume.write(array, (0, 0, 0)).ok()
        for _ in range(2):  # the second comes from memory
            assert (volume.read((16, 8, 8), (0, 0, 0)) == array).all()
            assert volume.get("blocks/1_0_0/1").ok().body == array[:, :, 8:].tobytes()
            stream = volume.get("specificblocks?blocks=1,0,0&compression=uncompressed").ok().body
            assert stream[16:] == array[:, :, 8:].tobytes()


def test_a_view_keeps_its_state(new_volume: Callable[..., Volume]) -> None:
    volume = new_volume()
    instance, version = instance_of(volume)
    old, new = volume.noise((8, 8, 8), 1), volume.noise((8, 8, 8), 2)
    volume.write(old, (0, 0, 0)).ok()
    first = np.zeros((1, 3), np.int64)
    with instance.view(version) as before:
        volume.write(new, (0, 0, 0)).ok()
        with instance.view(version) as after:
            for _ in range(2):
                assert (instance.reading(after).read_blocks(first)[0] == new).all()
                assert (instance.reading(before).read_blocks(first)[0] == old).all()


def test_reads_beside_writes_are_never_torn(new_volume: Callable[..., Volume]) -> None:
    volume = new_volume("uint8blk", (8, 8, 8))
    volume.write(np.zeros((8, 8, 32), np.uint8), (0, 0, 0)).ok()
    stop, problems = threading.Event(), []

    def read() -> None:
        with volume.server.new_client() as client:
            while not stop.is_set():
                seen = set(client.get(volume.path("raw/0_1_2/32_8_8/0_0_0")).ok().body)
                if len(seen) != 1:
                    problems.append(seen)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for value in range(1, 60):
        volume.write(np.full((8, 8, 32), value, np.uint8), (0, 0, 0)).ok()
        assert set(volume.read((32, 8, 8), (0, 0, 0)).ravel().tolist()) == {value}
    stop.set()
    for reader in readers:
        reader.join()
    assert problems == []


def test_versions_and_branches(new_volume: Callable[..., Volume]) -> None:
    volume = new_volume()
    one, two, three = (volume.noise((8, 8, 8), seed) for seed in range(3))
    volume.write(one, (0, 0, 0)).ok()
    volume.client.commit(volume.root)
    assert volume.write(two, (0, 0, 0)).status == 400
    child, side = volume.client.child(volume.root), volume.client.child(volume.root, "side")
    volume.write(two, (0, 0, 0), version=child).ok()
    volume.write(three, (8, 0, 0), version=side).ok()
    for version, first, second in ((volume.root, one, 0), (child, two, 0), (side, one, three)):
        for _ in range(2):
            box = volume.read((16, 8, 8), (0, 0, 0), version=version)
            assert (box[:, :, :8] == first).all()
            assert (box[:, :, 8:] == second).all()
    ends = [volume.client.json(volume.path("info", v))["Extents"]["MaxPoint"] for v in (volume.root, child, side)]
    assert ends == [[7, 7, 7], [7, 7, 7], [15, 7, 7]]


@pytest.mark.parametrize("type_name", ["uint16blk", "rgba8blk"])
def test_another_instance_reads_it(new_volume: Callable[..., Volume], type_name: str) -> None:
    volume = new_volume(type_name, MaxDownresLevel="1", Background="3", VoxelSize="4,5,6")
    _, version = instance_of(volume)
    repo = volume.server.server.repos.find(volume.root)[0]
    image: ImageVolume = volume.server.server.instances.provider(repo, "vol", ImageVolume)
    assert image.pixel_type().data_type == np.dtype(volume.dtype).name
    assert (image.pixel_type().channels, image.pixel_type().background) == (volume.channels, 3)
    assert image.image_scales(version)[0].extents is None
    array = volume.noise((16, 16, 16))
    volume.write(array, (-16, 0, 0)).ok()
    scales = image.image_scales(version)
    assert [scale.voxel_size for scale in scales] == [(4, 5, 6), (8, 10, 12)]
    assert [scale.extents for scale in scales] == [((-16, 0, 0), (-1, 15, 15)), ((-8, 0, 0), (-1, 7, 7))]
    assert np.array_equal(image.read_box(version, 0, (-16, 0, 5), (16, 16, 1)), array[5:6])
    assert image.read_box(version, 1, (0, 0, 0), (2, 3, 4)).shape[:3] == (4, 3, 2)
    for wrong in ((2, (0, 0, 0), (1, 1, 1)), (0, (0, 0, 0), (0, 1, 1)), (0, (0, 0, 0), (1 << 20, 1 << 12, 1))):
        with pytest.raises(BadRequest):
            image.read_box(version, *wrong)
