"""Volumes of several channels, loaded as V3D raw stacks."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dvid_framework.api import ImageVolume
from dvid_framework.testing.datatype_contract import DatatypeContract, Mutation

Volume = Any


def v3d(stack: np.ndarray, magic: bytes = b"raw_image_stack_by_hpeng", order: bytes = b"L") -> bytes:
    channels, depth, height, width = stack.shape
    return magic + struct.pack("<cHIIII", order, stack.itemsize, width, height, depth, channels) + stack.tobytes()


def stack_of(dtype: Any, shape: tuple[int, ...] = (3, 10, 12, 21), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


class TestMultichan16(DatatypeContract):
    entry_point = "imageblk"
    type_name = "multichan16"
    answers_head = False
    settings = MappingProxyType({"BlockSize": "8,8,8"})
    bad_settings = ({"BlockSize": "x"},)
    mutations = (Mutation("POST", "/load", v3d(stack_of(np.uint16))),)
    reads = ("/metadata", "/xy/21_12/0_0_3?channel=2", "/0_1_2/30_12_10/-2_0_0?channel=1")
    extended = ("NumChannels", "Values", "BlockSize")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_channel_is_read_by_itself(new_volume: Callable[..., Volume], dtype: Any) -> None:
    volume = new_volume("multichan16", Background="7")
    assert "no data" in volume.get("xy/5_5/0_0_0").text
    stack = stack_of(dtype)
    volume.post("load", v3d(stack)).ok()
    extended = volume.client.json(volume.path("info"))["Extended"]
    assert (extended["NumChannels"], extended["MaxPoint"]) == (3, [20, 11, 9])
    assert extended["Values"][2] == {"DataType": np.dtype(dtype).name, "Label": "channel2"}
    for channel in range(3):
        body = volume.get(f"0_1_2/21_12_10/0_0_0?channel={channel}").ok().body
        assert (np.frombuffer(body, dtype).reshape(stack.shape[1:]) == stack[channel]).all()
        image = Image.open(io.BytesIO(volume.get(f"xz/21_10/0_4_0?channel={channel}").ok().body))
        assert (np.asarray(image) == stack[channel][:, 4]).all()
    unset = int.from_bytes(bytes([7]) * np.dtype(dtype).itemsize, "little")
    assert np.frombuffer(volume.get("vol/1_1_1/21_0_0").ok().body, dtype) == unset
    assert volume.get("xy/5_5/0_0_0/jpg:90?channel=1").ok().headers["content-type"] == "image/jpeg"
    repo, version = volume.server.server.repos.find(volume.root)
    image_volume = volume.server.server.instances.provider(repo, "vol", ImageVolume)
    assert image_volume.pixel_type().channels == 3
    box = image_volume.read_box(version, 0, (1, 2, 3), (4, 5, 6))
    assert (box == stack[:, 3:9, 2:7, 1:5].transpose(1, 2, 3, 0)).all()


def test_stacks_that_are_refused(new_volume: Callable[..., Volume]) -> None:
    volume = new_volume("multichan16")
    good = v3d(stack_of(np.uint8))
    for body in (
        b"",
        good[:30],
        good[:-1],
        good + b"x",
        v3d(stack_of(np.uint8), magic=b"another_magic_of_24_byte"),
        v3d(stack_of(np.uint8), order=b"B"),
        v3d(stack_of(np.uint32)),
        good[:25] + struct.pack("<HIIII", 2, 1 << 31, 1 << 31, 1 << 31, 255),
    ):
        reply = volume.post("load", body)
        assert reply.status == 400
        assert len(reply.text) > 20
    assert volume.client.json(volume.path("info"))["Extended"]["NumChannels"] == 0
    volume.post("load", good).ok()
    assert "channels" in volume.post("load", v3d(stack_of(np.uint16))).text
    assert "channels" in volume.post("load", v3d(stack_of(np.uint8, (2, 8, 8, 8)))).text
    for path in ("xy/5_5/0_0_0?channel=3", "xy/5_5/0_0_0?channel=x", "xy/5_5/0_0_0/gif", "zy/5_5/0_0_0", "xy/5_5"):
        assert volume.get(path).status == 400
