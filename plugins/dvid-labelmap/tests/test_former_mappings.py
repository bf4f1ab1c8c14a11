"""Mappings in the former stored form: they are read as they are, go on being changed, and are renewed by a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvid_labelmap.former_mappings import PART_ENTRIES, count_entries, decode_part, first_source
from dvid_labelmap.keys import MAPPING_HEAD, former_mapping_bounds, former_mapping_key
from dvid_labelmap.ops.chains import LONG_RUN
from dvid_labelmap.ops.mapping_checking import wrong_mappings
from dvid_labelmap.ops.mapping_manifest import read_manifest
from dvid_labels import kernels
from dvid_labels.types import Labels
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.api import LZ4, CorruptValue, Txn
from dvid_framework.testing import Plugins
from dvid_framework.testing.running import ServerThread

uint64 = st.integers(0, 2**64 - 1)
LONG = LONG_RUN + 3 * PART_ENTRIES + 77


def planes(numbers: Labels) -> bytes:
    return numbers.astype("<u8").view(np.uint8).reshape(-1, 8).T.tobytes()


def encode_part(source: Labels, target: Labels) -> bytes:
    """Write a part as it was written."""
    head = len(source).to_bytes(4, "little")
    return head + planes(np.diff(source, prepend=np.uint64(0))) + planes(target)


def put_run(txn: Txn, version: int, slot: int, source: Labels, target: Labels) -> None:
    for part in range(-(-len(source) // PART_ENTRIES)):
        piece = slice(part * PART_ENTRIES, (part + 1) * PART_ENTRIES)
        txn.put(former_mapping_key(version, slot, part), encode_part(source[piece], target[piece]), LZ4)


@given(st.dictionaries(uint64 | st.integers(0, 30), uint64, min_size=1, max_size=40))
def test_parts_come_back(entries: dict[int, int]) -> None:
    source = np.array(sorted(entries), np.uint64)
    target = np.array([entries[label] for label in sorted(entries)], np.uint64)
    value = encode_part(source, target)
    assert count_entries(value) == len(entries)
    assert first_source(value) == source[0]
    found = decode_part(value)
    assert found[0].tolist() == source.tolist()
    assert found[1].tolist() == target.tolist()


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x01\x00\x00\x00", b"\x00\x00\x00\x00\x00", b"\xff" * 20])
def test_damaged_parts_are_told(value: bytes) -> None:
    for read in (decode_part, count_entries, first_source):
        with pytest.raises(CorruptValue):
            read(value)


class Folder:
    """A data folder of which the mappings are in the former form, at two versions."""

    def __init__(self, path: Path, plugins: Callable[[], Plugins]) -> None:
        self.server = ServerThread(path, plugins=plugins())
        client = self.server.client
        self.root = client.new_repo()
        client.new_instance(self.root, "labelmap", "seg", BlockSize="16,16,16")
        client.commit(self.root)
        self.child = client.child(self.root)
        self.expected: dict[str, dict[int, int]] = {self.root: {}, self.child: {}}

    @property
    def instance(self) -> Any:
        return self.server.server.instances.get(next(iter(self.server.server.repos)), "seg")

    def record(self, version: str) -> Any:
        return self.server.server.repos.find(version)[1]

    def write(self, version: str, runs: list[tuple[Labels, Labels]]) -> None:
        record = self.record(version)
        with self.instance.begin(record, lift_lock=True) as txn:
            for slot, (source, target) in enumerate(runs):
                put_run(txn, record.id, slot, source, target)
                for below in self.expected if version == self.root else [version]:
                    self.expected[below].update(zip(source.tolist(), target.tolist(), strict=True))
            txn.put_shared(MAPPING_HEAD, (7).to_bytes(8, "little"))
            txn.emit("mappings")

    def check(self) -> None:
        for version, entries in self.expected.items():
            asked = [*list(entries)[::37], 5, 2**64 - 1]
            found = self.server.client.get(f"/api/node/{version}/seg/mapping?nolookup=true", asked).ok().json()
            assert found == [entries.get(label, label) for label in asked]
            with self.instance.view(self.record(version)) as view:
                assert list(wrong_mappings(self.instance, view, self.record(version))) == []

    def wait_until_renewed(self) -> None:
        deadline = time.monotonic() + 60
        while any(job["state"] in ("queued", "running") for job in self.server.client.json("/api/jobs")):
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path, plugins: Callable[[], Plugins]) -> Iterator[Folder]:
    made = Folder(tmp_path / "data", plugins)
    rng = np.random.default_rng(8)
    long = np.unique(rng.integers(10, 2**40, LONG, np.uint64))
    short = np.sort(rng.choice(long, 5000, replace=False))
    own = np.sort(rng.choice(long, 300, replace=False))
    made.write(made.root, [(long, long >> np.uint64(9)), (short, short + np.uint64(1))])
    made.write(made.child, [(own, own + np.uint64(2))])
    made.server.restart()
    yield made
    made.server.stop()


def test_they_are_read_and_renewed(folder: Folder) -> None:
    folder.check()
    folder.wait_until_renewed()
    with folder.instance.view(folder.record(folder.root)) as view:
        runs = read_manifest(view, view.version).runs
        assert [run.former for run in runs] == [False, True]
        (key,) = {key[:9] for key in view.keys(*former_mapping_bounds(view.version))}
        assert key == former_mapping_key(view.version, 1, 0)[:9]
    folder.check()
    folder.server.restart()
    folder.check()


def test_they_are_changed_before_they_are_renewed(folder: Folder) -> None:
    source = np.array([*folder.expected[folder.child]][:9000], np.uint64)
    target = source + np.uint64(3)
    body = kernels.encode_mapping_ops(source, target)
    folder.server.client.post(f"/api/node/{folder.child}/seg/mappings", body).ok()
    folder.expected[folder.child].update(zip(source.tolist(), target.tolist(), strict=True))
    folder.check()
    folder.wait_until_renewed()
    folder.server.restart()
    folder.check()
    with folder.instance.view(folder.record(folder.child)) as view:
        assert [run.former for run in read_manifest(view, view.version).runs] == [False]
        assert list(view.keys(*former_mapping_bounds(view.version))) == []


def test_a_damaged_part_is_told(folder: Folder) -> None:
    record = folder.record(folder.root)
    with folder.instance.begin(record, lift_lock=True) as txn:
        txn.put(former_mapping_key(record.id, 0, 3), b"damaged")
    with folder.instance.view(record) as view:
        assert len(list(wrong_mappings(folder.instance, view, record))) == 1
    reply = folder.server.client.get(f"/api/node/{folder.root}/seg/mapping?nolookup=true", [77])
    assert reply.status == 500
    assert "mappings" in reply.text
