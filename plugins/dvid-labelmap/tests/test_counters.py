"""The largest label of versions, and new labels."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from dvid_framework.testing import Plugins
from dvid_framework.testing.running import ServerThread


def test_new_labels_are_new_everywhere(segmentation: Any) -> None:
    seg = segmentation
    assert seg.get("maxlabel").status == 400
    assert seg.json("nextlabel") == {"nextlabel": 1}
    seg.write_raw(np.full((16, 16, 16), 20, np.uint64), (0, 0, 0)).ok()
    assert seg.post("nextlabel/5").ok().json() == {"start": 21, "end": 25}
    seg.client.commit(seg.root)
    one, two = seg.client.child(seg.root, "one"), seg.client.child(seg.root, "two")
    assert seg.post("nextlabel/10", version=one).ok().json() == {"start": 26, "end": 35}
    assert seg.json("maxlabel", one) == {"maxlabel": 35}
    assert seg.json("maxlabel", two) == {"maxlabel": 25}
    assert seg.json("nextlabel", two) == {"nextlabel": 36}


def test_a_next_label_that_was_set(segmentation: Any) -> None:
    seg = segmentation
    seg.post("maxlabel/100").ok()
    seg.post("maxlabel/50").ok()
    assert seg.json("maxlabel") == {"maxlabel": 100}
    seg.post("set-nextlabel/50?ceiling=60").ok()
    assert seg.json("nextlabel") == {"nextlabel": 51}
    assert seg.post("nextlabel/8").ok().json() == {"start": 51, "end": 58}
    assert seg.post("nextlabel/3").status == 400
    assert seg.post("nextlabel/2").ok().json() == {"start": 59, "end": 60}
    for bad in ("set-nextlabel/70", "set-nextlabel/70?ceiling=65", "set-nextlabel/70?ceiling=x", "set-nextlabel/0"):
        assert seg.post(bad).status == 400
    seg.post("set-nextlabel/70?ceiling=0").ok()
    assert seg.post("nextlabel/100").ok().json() == {"start": 71, "end": 170}
    assert seg.json("info")["Extended"]["NextLabel"] == 170
    assert seg.json("info")["Extended"]["MaxRepoLabel"] == 100


def test_bad_numbers(segmentation: Any) -> None:
    for rest in ("nextlabel", "maxlabel"):
        for number in ("0", "x", "-1", "18446744073709551616", "1" * 30, ""):
            assert segmentation.post(f"{rest}/{number}").status == 400
    assert segmentation.post("nextlabel/18446744073709551615").ok()
    assert segmentation.post("nextlabel/1").status == 400
    assert segmentation.post("maxlabel/281474976710657").status == 400


def test_without_indexed_labels(new_segmentation: Callable[..., Any]) -> None:
    seg = new_segmentation(IndexedLabels="false")
    assert seg.get("maxlabel").status == seg.get("nextlabel").status == seg.post("nextlabel/1").status == 400


def test_no_label_is_given_twice(tmp_path: Path, plugins: Callable[[], Plugins]) -> None:
    server = ServerThread(tmp_path, plugins=plugins())
    root = server.client.new_repo()
    server.client.new_instance(root, "labelmap", "seg")

    def reserve(_: int) -> list[tuple[int, int]]:
        with server.new_client() as client:
            path = f"/api/node/{root}/seg/nextlabel/3"
            answers = [client.post(path).ok().json() for _ in range(10)]
            return [(answer["start"], answer["end"]) for answer in answers]

    with ThreadPoolExecutor(6) as threads:
        given = sorted(pair for pairs in threads.map(reserve, range(6)) for pair in pairs)
    assert given == [(first, first + 2) for first in range(1, 181, 3)]
    server.restart()
    assert server.client.post(f"/api/node/{root}/seg/nextlabel/1").ok().json() == {"start": 181, "end": 181}
    server.stop()
