"""JSON schemas: what they do, and what hostile ones can't do."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from dvid_neuronjson.schema import Schema
from dvid_neuronjson.schema_work import work_of

from dvid_framework.api import BadRequest, NotInstalled


def schema(document: Any) -> Schema:
    return Schema(json.dumps(document).encode())


def check(document: Any, neuron: dict[str, Any]) -> dict[str, Any]:
    return schema(document).check(neuron, len(json.dumps(neuron)))


DRAFTS = (
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
)


@pytest.mark.parametrize("draft", DRAFTS)
def test_drafts(draft: str) -> None:
    document = {"$schema": draft, "properties": {"n": {"type": "integer"}, "s": {"$ref": "#/definitions/s"}}}
    document["definitions"] = {"s": {"type": "string", "pattern": "^[a-z]+$"}}
    assert check(document, {"n": 1, "s": "abc"}) == {"n": 1, "s": "abc"}
    for bad in ({"n": 1.5}, {"s": "ABC"}, {"s": 5}):
        with pytest.raises(BadRequest):
            check(document, bad)


def test_drafts_are_told_apart() -> None:
    exclusive = {"properties": {"n": {"maximum": 5, "exclusiveMaximum": True}}}
    check({"$schema": DRAFTS[0], **exclusive}, {"n": 4})
    with pytest.raises(BadRequest):
        check({"$schema": DRAFTS[0], **exclusive}, {"n": 5})
    with pytest.raises(BadRequest):
        schema({"$schema": DRAFTS[4], **exclusive})


def test_texts_become_the_integers_that_are_wanted() -> None:
    document = {"properties": {"n": {"type": "integer"}, "m": {"type": ["integer", "null"]}, "s": {"type": "string"}}}
    assert check(document, {"n": "12", "m": "-7", "s": "12"}) == {"n": 12, "m": -7, "s": "12"}
    for bad in ({"n": "x"}, {"n": "1.5"}, {"n": ""}, {"n": " 1"}, {"n": "9" * 30}):
        with pytest.raises(BadRequest):
            check(document, bad)
    nested = {"properties": {"list": {"items": {"type": "integer"}}}}
    with pytest.raises(BadRequest):
        check(nested, {"list": ["1"]})


@pytest.mark.parametrize(
    "document",
    [
        5,
        [],
        "x",
        {"type": "nope"},
        {"properties": 5},
        {"pattern": "("},
        {"pattern": "(?=x)"},
        {"pattern": "(a{1,1000}){1,1000}"},
        {"patternProperties": {"(": True}},
        {"$ref": "#/nope"},
        {"$schema": "http://example.org/mine"},
        {"$ref": "other.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
        {"$dynamicAnchor": "x", "allOf": [{"$dynamicRef": "#x"}]},
    ],
    ids=str,
)
def test_what_can_not_be_used_is_refused(document: Any) -> None:
    with pytest.raises(BadRequest):
        schema(document)


def test_without_its_library_a_schema_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    with pytest.raises(NotInstalled, match="pip install"):
        schema({"type": "object"})


def multiplying(steps: int, keyword: str) -> dict[str, Any]:
    defs: dict[str, Any] = {
        f"d{step}": {keyword: [{"$ref": f"#/$defs/d{step + 1}"}, {"$ref": f"#/$defs/d{step + 1}"}]}
        for step in range(steps)
    }
    return {"$defs": {**defs, f"d{steps}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def unevaluated(steps: int) -> dict[str, Any]:
    found: dict[str, Any] = {"properties": {"a": True}}
    for _ in range(steps):
        found = {"allOf": [found], "unevaluatedProperties": False}
    return found


TWICE_A_LEVEL = {"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}
NAMED = {"$id": "http://example.org/s", "items": {"anyOf": [{"$ref": "s"}, {"$ref": "http://example.org/s#"}]}}
CHAIN = {"$defs": {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}]} for at in range(500)}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    "document",
    [
        multiplying(30, "allOf"),
        multiplying(30, "anyOf"),
        multiplying(30, "oneOf"),
        unevaluated(30),
        TWICE_A_LEVEL,
        NAMED,
        CHAIN,
    ],
    ids=["all", "any", "one", "unevaluated", "nested", "named", "chain"],
)
def test_rules_that_multiply_are_refused_at_once(document: Any) -> None:
    began = time.process_time()
    with pytest.raises(BadRequest):
        schema(document)
    assert time.process_time() - began < 20


def test_rules_that_recur_once_a_level_are_fine() -> None:
    tree = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
    check(tree, {"children": [{"children": [{}]}]})
    with pytest.raises(BadRequest):
        check(tree, {"children": [{"children": [5]}]})
    deep: Any = {}
    for _ in range(40):
        deep = {"children": [deep]}
    with pytest.raises(BadRequest, match="nested"):
        check(tree, deep)


def test_regular_expressions_take_linear_time() -> None:
    document = {"properties": {"a": {"pattern": "^(a+)+$"}, "b": {"pattern": "(x+x+)+y"}}}
    with pytest.raises(BadRequest):
        check(document, {"a": "a" * 100_000 + "b"})
    with pytest.raises(BadRequest):
        check(document, {"b": "x" * 100_000})


def test_work_is_counted() -> None:
    assert work_of(True) == 1
    one = work_of({"properties": {"a": {"type": "integer"}}})
    assert one < work_of({"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}) < 20
    assert work_of({"enum": list(range(1000))}) > 1000


def test_nothing_is_fetched() -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{listening.server_port}/schema.json"
        for document in (
            {"$ref": url},
            {"$schema": url},
            {"$id": url, "$ref": "other.json"},
            {"properties": {"a": {"$ref": url + "#/x"}}},
            {"$defs": {"unused": {"$ref": url}}},
        ):
            with pytest.raises(BadRequest):
                schema(document)
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
    assert asked == []


def test_the_schema_of_a_version_checks_what_is_posted(neurons) -> None:
    neurons.put(1, {"s": 5}).ok()
    neurons.post("json_schema", {"properties": {"n": {"type": "integer"}, "s": {"type": "string"}}}).ok()
    neurons.put(2, {"n": "12"}).ok()
    assert neurons.json("key/2") == {"bodyid": 2, "n": 12}
    refused = neurons.put(3, {"n": "x"})
    assert refused.status == 400
    assert "'n'" in refused.text
    assert neurons.post("json_schema", b'{"type": "nope"}').status == 400
    assert neurons.put(3, {"s": 5}).status == 400, "the former schema stays"
    assert neurons.json("key/1") == {"bodyid": 1, "s": 5}
    neurons.client.commit(neurons.uuid)
    child = neurons.at(neurons.client.child(neurons.uuid))
    assert child.put(3, {"s": 5}).status == 400
    child.delete("json_schema").ok()
    child.put(3, {"s": 5}).ok()
    assert neurons.get("json_schema").status == 200
    assert child.get("json_schema").status == 404
