"""Elements over HTTP, where recorded conversations leave it open."""

from __future__ import annotations

from typing import Any

import pytest

from dvid_framework.testing import Config, LimitSettings
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ServerFactory


def element(place: list[int], kind: str = "Note", tags: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {"Pos": place, "Kind": kind, "Tags": list(tags), "Prop": {}, "Rels": [], **more}


def to(*places: list[int]) -> list[dict[str, Any]]:
    return [{"Rel": "PreSynTo", "To": place} for place in places]


def test_of_two_elements_at_one_place_the_last_counts(synapses: Any) -> None:
    synapses.post("elements", [element([1, 1, 1], tags=("a",)), element([1, 1, 1], "Gap", ("b",))]).ok()
    assert synapses.blocks() == {"0,0,0": [element([1, 1, 1], "Gap", ("b",))]}
    assert synapses.found("tag/a") == []
    assert synapses.places("tag/b") == [[1, 1, 1]]


def test_a_tag_changes_hands_in_one_request(synapses: Any) -> None:
    synapses.post("elements", [element([1, 1, 1], tags=("a",)), element([2, 1, 1])]).ok()
    synapses.post("elements", [element([1, 1, 1]), element([2, 1, 1], tags=("a",))]).ok()
    assert synapses.places("tag/a") == [[2, 1, 1]]


def test_what_is_replaced_shows_empty_lists(synapses: Any) -> None:
    for _ in range(2):
        synapses.post("elements", [{"Pos": [1, 1, 1]}]).ok()
        assert synapses.get("elements/9_9_9/0_0_0").json() == [element([1, 1, 1], "Unknown")]
    synapses.post("blocks", {"0,0,0": [{"Pos": [1, 1, 1], "Tags": None}]}).ok()
    assert synapses.blocks() == {"0,0,0": [element([1, 1, 1], "Unknown")]}


def test_a_move_onto_another_element_replaces_it(synapses: Any) -> None:
    for target in ([5, 1, 1], [500, 1, 1]):
        synapses.post("elements", [element([1, 1, 1], tags=("a",)), element(target, "Gap", ("b",))]).ok()
        synapses.post(f"move/1_1_1/{'_'.join(map(str, target))}").ok()
        assert synapses.found("elements/1000_9_9/0_0_0")[-1] == element(target, tags=("a",))
        assert synapses.found("tag/b") == []
    assert synapses.places("tag/a") == [[5, 1, 1], [500, 1, 1]]


def test_relationships_follow_and_go(synapses: Any) -> None:
    synapses.post(
        "elements",
        [
            element([1, 1, 1], "PreSyn", Rels=to([2, 1, 1], [100, 1, 1], [1, 1, 1])),
            element([2, 1, 1], "PostSyn", Rels=to([1, 1, 1])),
            element([100, 1, 1], "PostSyn", Rels=to([1, 1, 1], [2, 1, 1])),
        ],
    ).ok()
    synapses.post("move/1_1_1/-1_1_1").ok()
    found = {
        tuple(one["Pos"]): [rel["To"] for rel in one["Rels"]] for one in synapses.found("elements/999_9_9/-99_0_0")
    }
    assert found == {
        (-1, 1, 1): [[2, 1, 1], [100, 1, 1], [-1, 1, 1]],
        (2, 1, 1): [[-1, 1, 1]],
        (100, 1, 1): [[-1, 1, 1], [2, 1, 1]],
    }
    synapses.delete("element/-1_1_1").ok()
    found = {
        tuple(one["Pos"]): [rel["To"] for rel in one["Rels"]] for one in synapses.found("elements/999_9_9/-99_0_0")
    }
    assert found == {(2, 1, 1): [], (100, 1, 1): [[2, 1, 1]]}


def test_what_points_from_where_an_element_goes_to_is_left(synapses: Any) -> None:
    ends = element([101, 1, 1], Rels=to([1, 1, 1]))
    synapses.post("elements", [element([1, 1, 1]), element([2, 1, 1], Rels=to([1, 1, 1])), ends]).ok()
    synapses.post("move/1_1_1/100_1_1").ok()
    assert synapses.blocks() == {
        "0,0,0": [element([2, 1, 1], Rels=to([100, 1, 1]))],
        "1,0,0": [element([100, 1, 1]), ends],
    }


def test_a_move_to_where_it_is(synapses: Any) -> None:
    synapses.post("elements", [element([1, 1, 1], tags=("a",))]).ok()
    synapses.post("move/1_1_1/1_1_1").ok()
    assert synapses.places("tag/a") == [[1, 1, 1]]


def test_partners_are_told_of_as_far_as_they_are_known(synapses: Any) -> None:
    rels = to([2, 1, 1], [300, 1, 1], [999, 1, 1])
    synapses.post(
        "elements",
        [
            element([1, 1, 1], tags=("a",), Rels=rels),
            element([2, 1, 1], "Unknown", Prop={"p": "q"}),
            element([300, 1, 1], "Gap", ("b",)),
        ],
    ).ok()
    (found,) = synapses.found("tag/a?relationships=verbose")
    assert found["Rels"] == [
        {"Rel": "PreSynTo", "To": [2, 1, 1], "Prop": {"p": "q"}},
        {"Rel": "PreSynTo", "To": [300, 1, 1], "Kind": "Gap", "Tags": ["b"]},
        {"Rel": "PreSynTo", "To": [999, 1, 1]},
    ]
    assert "Rels" not in synapses.found("tag/a")[0]
    assert "Rels" not in synapses.found("tag/a?relationships=no")[0]


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ("4294967295_1_1/0_0_0", None),
        ("2147483647_9_9/-2147483648_0_0", [[-2147483648, 1, 1]]),
        ("2147483647_9_9/1_0_0", [[1, 1, 1], [2147483647, 1, 1]]),
        ("0_9_9/0_0_0", []),
        ("9_-9_9/0_0_0", []),
        ("1_1_1/2147483647_1_1", [[2147483647, 1, 1]]),
    ],
)
def test_boxes_at_the_ends_of_the_world(synapses: Any, box: str, wanted: list[list[int]] | None) -> None:
    synapses.post("elements", [element([x, 1, 1]) for x in (-(1 << 31), 1, (1 << 31) - 1)]).ok()
    if wanted is None:
        assert synapses.get(f"elements/{box}").status == 400
        return
    assert synapses.places(f"elements/{box}") == wanted
    if not wanted:
        assert synapses.get(f"elements/{box}").body == b"null"
        assert synapses.get(f"blocks/{box}").body == b"{}"


def test_wide_boxes_and_narrow_ones_answer_alike(synapses: Any) -> None:
    places = [[x * 64, y * 64, z * 64] for x in range(-2, 3) for y in range(0, 60, 3) for z in range(0, 60, 7)]
    synapses.post("elements", [element(place) for place in places]).ok()
    wanted = sorted(place for place in places if place[0] == 0)
    assert synapses.places("elements/1_4000_4000/0_0_0") == wanted  # more than 256 rows of blocks
    assert len(synapses.get("blocks/1_4000_4000/0_0_0").json()) == len(wanted)


def test_long_answers_come_in_pieces_and_whole(synapses: Any) -> None:
    elements = [
        element([x, y, 0], tags=("all",), Prop={"text": "x" * 300}) for x in range(0, 6400, 64) for y in range(99)
    ]
    synapses.post("elements", elements).ok()
    whole = sorted(elements, key=lambda one: one["Pos"])
    assert sorted(synapses.get("elements/6400_100_1/0_0_0").json(), key=lambda one: one["Pos"]) == whole
    listed = synapses.get("tag/all").json()
    assert len(listed) == len(elements)
    related = synapses.get("tag/all?relationships=true").json()
    assert sorted(related, key=lambda one: one["Pos"]) == whole


def test_tags_of_any_letters(synapses: Any) -> None:
    tags = ("a b", "\u00e9\u4e2d", "a\u0000b", "a", "x" * 1024)
    synapses.post("elements", [element([n, 1, 1], tags=(tag,)) for n, tag in enumerate(tags)]).ok()
    for path, number in (("a%20b", 0), ("%C3%A9%E4%B8%AD", 1), ("a%00b", 2), ("a", 3), ("x" * 1024, 4)):
        assert synapses.places(f"tag/{path}") == [[number, 1, 1]]


def test_null_is_nothing(synapses: Any) -> None:
    synapses.post("elements", [{"Pos": [1, 1, 1], "Prop": {"a": None, "b": "c"}}]).ok()
    for path in ("elements", "blocks", "labels"):
        synapses.post(path, "null").ok()
    assert synapses.blocks() == {"0,0,0": [element([1, 1, 1], "Unknown", Prop={"a": "", "b": "c"})]}


def test_a_short_body_of_many_elements_is_refused_before_it_fills_the_memory(
    dvid_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "annotation")
    server = dvid_server(config=Config(limits=LimitSettings(memory_bytes=8 << 20)))
    client = server.client
    uuid = client.new_repo()
    client.new_instance(uuid, "annotation", "syn")
    full = b",".join([b"{}"] * 50_000)  # 150 kB, which would be 30 MB in memory
    for path, body in (
        ("elements", b"[%s]" % full),
        ("blocks", b'{"0,0,0":[%s]}' % full),
        ("labels", b'{"5":"[%s]"}' % full),
    ):
        assert client.post(f"/api/node/{uuid}/syn/{path}", body).status == 413
    client.post(f"/api/node/{uuid}/syn/elements", [element([1, 1, 1])]).ok()
    assert server.server.budget.held == 0


def test_parts_of_a_bad_request_leave_nothing(synapses: Any) -> None:
    synapses.post("elements", [element([1, 1, 1], tags=("a",))]).ok()
    before = synapses.blocks()
    for path, body in (
        ("elements", [element([2, 1, 1]), {"Kind": "Bad"}]),
        ("blocks", {"0,0,0": [], "1,1": []}),
        ("blocks", {"0,0,99999999999": []}),
        ("labels", {"3": "[]", "x": "[]"}),
        ("labels", {"3": "junk"}),
    ):
        reply = synapses.post(path, body)
        assert reply.status == 400
        assert len(reply.text) > 20
    assert synapses.blocks() == before


def test_an_unversioned_instance(synapses: Any) -> None:
    client: Client = synapses.client
    client.new_instance(synapses.uuid, "annotation", "plain", versioned="false")
    plain = synapses.named("plain")
    plain.post("elements", [element([1, 1, 1], tags=("a",))]).ok()
    client.commit(synapses.uuid)
    child = plain.at(client.child(synapses.uuid))
    child.post("elements", [element([2, 1, 1], tags=("a",))]).ok()
    assert plain.places("tag/a") == [[1, 1, 1], [2, 1, 1]]


def test_what_lies_in_a_wrong_block_is_cut_to_the_box(synapses: Any) -> None:
    synapses.post("blocks", {"0,0,0": [element([1, 1, 1]), element([70, 1, 1])], "5,5,5": []}).ok()
    assert synapses.places("elements/64_64_64/0_0_0") == [[1, 1, 1]]
    assert synapses.places("elements/128_64_64/0_0_0") == [[1, 1, 1], [70, 1, 1]]
    assert synapses.get("elements/64_64_64/64_0_0").body == b"null"
    assert synapses.get("elements/64_64_64/320_320_320").body == b"null"
