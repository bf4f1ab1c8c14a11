"""Counts and ranks: beside what one would count oneself, in every version, whatever changed how often."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from dvid_labelsz.ranks import bucket_of, largest_of
from hypothesis import given
from hypothesis import strategies as st

KINDS = ("Unknown", "PostSyn", "PreSyn", "Gap", "Note")
TYPES = {"PostSyn": {1}, "PreSyn": {2}, "Gap": {3}, "Note": {4}, "AllSyn": {1, 2, 3}}
Points = dict[str, tuple[int, int, tuple[int, int, int]]]


def wanted(points: Points, kind: str) -> list[tuple[int, int]]:
    found = Counter(label for number, label, _ in points.values() if label and number in TYPES[kind])
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def check(sizes: Any, points: Points) -> None:
    for kind in TYPES:
        ranks = wanted(points, kind)
        assert sizes.ranked(f"top/1000/{kind}") == ranks
        assert sizes.ranked(f"top/3/{kind}") == ranks[:3]
        assert sizes.ranked(f"threshold/9/{kind}?offset=1&n=4") == [pair for pair in ranks if pair[1] >= 9][1:5]
        labels = [label for label, _ in ranks] + [999_999]
        told = sizes.get(f"counts/{kind}", labels).ok().json()
        assert told == [{"Label": label, kind: dict(ranks).get(label, 0)} for label in labels]


@given(st.integers(1, (1 << 32) - 1))
def test_buckets_are_in_the_order_of_counts(count: int) -> None:
    bucket = bucket_of(count)
    assert bucket < 128
    assert bucket_of(largest_of(bucket)) == bucket
    assert count <= largest_of(bucket)
    assert count == 1 or largest_of(bucket_of(count) - 1) < count
    assert bucket_of(count - 1) <= bucket if count > 1 else bucket == 1


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_what_one_would_count(sizes: Any, seed: int) -> None:
    chance = random.Random(seed)
    points: Points = {}
    history: list[tuple[Any, Points]] = []
    for step in range(30):
        label_bits = chance.choice([2, 4, 40])
        change: Points = {
            f"p{chance.randrange(200)}": (
                chance.randrange(5),
                chance.getrandbits(label_bits),
                (chance.randrange(100), 0, 0),
            )
            for _ in range(chance.choice([1, 5, 60]))
        }
        sizes.set(change)
        points = {**points, **change}
        if step % 10 == 9:
            check(sizes, points)
            history.append((sizes, points))
            sizes.client.commit(sizes.uuid)
            sizes = sizes.at(sizes.client.child(sizes.uuid))
    for older, then in history:
        check(older, then)
    assert sizes.problems() == []
    sizes.reload()
    check(sizes, points)
    sizes.set({"new": (1, 3, (0, 0, 0))})
    check(sizes, {**points, "new": (1, 3, (0, 0, 0))})
    assert sizes.problems() == []


def test_pages_of_very_many(sizes: Any) -> None:
    chance = np.random.default_rng(1)
    labels = chance.integers(1, 30_000, 40_000).tolist()
    points: Points = {f"{n}": (1, label, (0, 0, 0)) for n, label in enumerate(labels)}
    sizes.set(points)
    ranks = wanted(points, "PostSyn")
    assert len(ranks) > 20_000
    assert sizes.ranked("threshold/1/PostSyn") == ranks[:10_000]
    assert sizes.ranked("threshold/1/PostSyn?offset=10000") == ranks[10_000:20_000]
    assert sizes.ranked("top/4294967295/AllSyn") == ranks
    assert sizes.ranked("threshold/2/PostSyn?offset=-5&n=25000") == [pair for pair in ranks if pair[1] > 1]
    assert sizes.ranked(f"threshold/1/PostSyn?offset={10**19}") == []


def test_only_what_lies_in_the_region_counts(sizes: Any) -> None:
    client, uuid = sizes.client, sizes.uuid
    client.new_instance(uuid, "half", "half")
    client.new_instance(uuid, "labelsz", "some", ROI=f"half,{uuid}")
    client.post(f"/api/node/{uuid}/some/sync", {"sync": "syn"}).ok()
    some = sizes.named("some")
    sizes.set({"a": (1, 5, (-1, 0, 0)), "b": (1, 5, (0, 0, 0)), "c": (1, 6, (9, 9, 9))})
    assert some.ranked("top/9/PostSyn") == [(5, 1)]
    assert sizes.ranked("top/9/PostSyn") == [(5, 2), (6, 1)]
    sizes.set({"a": (1, 5, (1, 0, 0)), "c": (1, 6, (-9, 9, 9))})
    assert some.ranked("top/9/PostSyn") == [(6, 1)]
    some.reload()
    assert some.ranked("top/9/PostSyn") == [(6, 1)]
    assert some.get("info").json()["Extended"] == {"StaticROI": f"half,{uuid}"}


@pytest.mark.parametrize("roi", ["half", "a,b,c", "none,{uuid}", "half,ffff", "syn,{uuid}", "half,"])
def test_regions_that_are_refused(sizes: Any, roi: str) -> None:
    sizes.client.new_instance(sizes.uuid, "half", "half")
    body = {"typename": "labelsz", "dataname": "bad", "ROI": roi.format(uuid=sizes.uuid)}
    reply = sizes.client.post(f"/api/repo/{sizes.uuid}/instance", body)
    assert reply.status == 400
    assert len(reply.text) > 20


def test_a_reload_that_was_killed_refuses_to_tell_half_of_it(sizes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes.set({"a": (1, 5, (0, 0, 0)), "b": (1, 5, (0, 0, 0))})
    server = sizes.server.server
    repo, version = server.repos.find(sizes.uuid)
    instance = server.instances.get(repo, "sz")

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patching:
        patching.setattr("dvid_labelsz.recounting._replace", die)
        with pytest.raises(KeyboardInterrupt):
            next(iter(instance.jobs()["reload"](type("Job", (), {"version": version, "user": ""})())))
    for path in ("top/5/AllSyn", "count/5/PostSyn"):
        assert sizes.get(path).status == 503
    sizes.set({"c": (1, 6, (0, 0, 0))})
    sizes.reload()
    assert sizes.ranked("top/5/PostSyn") == [(5, 2), (6, 1)]


def test_a_reload_without_a_sync_does_nothing(sizes: Any) -> None:
    sizes.set({"a": (1, 5, (0, 0, 0))})
    assert sizes.ranked("top/5/PostSyn") == [(5, 1)]
    sizes.client.post(f"{sizes.path}/sync?replace=true", {"sync": ""}).ok()
    sizes.reload()
    assert sizes.ranked("top/5/PostSyn") == [(5, 1)]


def test_what_came_before_the_sync_is_counted_by_a_reload(sizes: Any) -> None:
    client, uuid = sizes.client, sizes.uuid
    sizes.set({"a": (1, 5, (0, 0, 0))})
    client.new_instance(uuid, "labelsz", "late")
    late = sizes.named("late")
    client.post(f"{late.path}/sync", {"sync": "syn"}).ok()
    assert late.ranked("top/5/PostSyn") == []
    late.reload()
    sizes.set({"b": (1, 5, (0, 0, 0))})
    assert late.ranked("top/5/PostSyn") == [(5, 2)]


def test_both_sides_of_a_merge_count(sizes: Any) -> None:
    client = sizes.client
    sizes.set({"a": (1, 5, (0, 0, 0)), "b": (1, 6, (0, 0, 0))})
    client.commit(sizes.uuid)
    left, right = sizes.at(client.child(sizes.uuid)), sizes.at(client.child(sizes.uuid, "right"))
    left.set({"c": (1, 5, (0, 0, 0))})
    right.set({"d": (2, 5, (0, 0, 0)), "a": (1, 6, (0, 0, 0))})
    for side in (left, right):
        client.commit(side.uuid)
    body = {"mergeType": "conflict-free", "parents": [left.uuid, right.uuid], "note": ""}
    both = sizes.at(client.post(f"/api/repo/{sizes.uuid}/merge", body).ok().json()["child"])
    assert both.ranked("top/9/AllSyn") == [(5, 2), (6, 2)]
    assert both.ranked("top/9/PostSyn") == [(6, 2), (5, 1)]
    assert both.problems() == []


def test_fsck_names_ranks_that_are_wrong(sizes: Any) -> None:
    sizes.set({"a": (1, 5, (0, 0, 0)), "b": (1, 6, (0, 0, 0))})
    assert sizes.ranked("top/1/PostSyn") == [(5, 1)]
    server = sizes.server.server
    repo, version = server.repos.find(sizes.uuid)
    instance = server.instances.get(repo, "sz")
    with instance.view(version) as view:
        ranks = [key for key in list(view.keys()) if key[:1] == b"r"]
    with instance.begin(version) as txn:
        txn.delete(ranks[0])
    assert len(sizes.problems()) == 1
