"""What Kafka is told of a mutation: topics and JSON messages, without any Kafka."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dvid_framework.config import Config, KafkaSettings
from dvid_framework.errors import BadRequest
from dvid_framework.events.kafka import open_kafka
from dvid_framework.events.kafka_messages import (
    MESSAGE_BYTES,
    Topics,
    fit,
    instance_messages,
    key_of,
    repo_messages,
    topic_name,
)
from dvid_framework.instances.wire import wire_entries
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.tiny import Tiny
from dvid_framework.versions.record import Mutation

ROOT, DATA = "a" * 32, "d" * 32
TIME = "2026-11-22T11:41:04.285114654Z"


def test_topics_of_repos_and_instances() -> None:
    topics = Topics("lab-", [f"{DATA}:main", "no suffix"], "dvidactivity-host:8000")
    assert topics.repo_operations(ROOT) == f"lab-dvidrepo-{ROOT}-repo-ops"
    assert topics.instance(ROOT, DATA) == f"lab-dvidrepo-{ROOT}-data-{DATA}-main"
    assert topics.instance(ROOT, "e" * 32) == f"lab-dvidrepo-{ROOT}-data-{'e' * 32}"
    assert topics.activity == "dvidactivity-host-8000"


@pytest.mark.parametrize(
    ("text", "name"),
    [("a.b_c-D9", "a.b_c-D9"), ("my host/x:1", "my-host-x-1"), ("zürich\n", "z-rich-"), ("x" * 300, "x" * 249)],
)
def test_names_of_topics_are_sane(text: str, name: str) -> None:
    assert topic_name(text) == name


@pytest.mark.parametrize(
    ("time", "key"),
    [
        (TIME, "1795347664285114654"),
        ("1970-01-01T00:00:01Z", "1000000000"),
        ("1970-01-01T00:00:00.5Z", "500000000"),
        ("", "0"),
    ],
)
def test_the_key_is_the_time(time: str, key: str) -> None:
    assert key_of(time) == key


def _repo(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    return list(repo_messages(Mutation(repo=1, time=TIME, entries=list(entries), internal=True)))


def test_repo_operations_have_exactly_the_fields_of_their_kind() -> None:
    tag = {"Action": "tag", "Parent": "p", "Child": "c", "Branch": "b", "Tag": "t", "Note": "n"}
    assert _repo({**tag, "Given": "more"}) == [tag]
    commit = {"Action": "commit", "UUID": "u", "Note": "", "Log": ["line"]}
    assert _repo(commit) == [commit]
    new = {"Action": "newinstance", "UUID": "u", "Typename": "keyvalue", "Dataname": "kv"}
    assert _repo(new) == [new]


@pytest.mark.parametrize("action", ["newrepo", "merge", "resolve", "repolog", "repoinfo", "settings", "tags"])
def test_other_repo_operations_are_not_told(action: str) -> None:
    assert _repo({"Action": action, "UUID": "u"}) == []


def test_an_entry_is_what_mutations_shows() -> None:
    mutation = Mutation(instance=1, time=TIME, user="ann", app="x", mutation_id=7, entries=[{"Action": "set"}])
    common = {"Action": "set", "UUID": "u", "Timestamp": TIME, "MutationID": 7}
    entries = wire_entries(mutation, "u", Tiny)
    assert entries == [{**common, "User": "ann", "App": "x"}]
    assert list(instance_messages(mutation, entries)) == entries
    assert wire_entries(mutation, "u", None) == [common], "of a type that is not installed nobody knows"


def test_a_completed_action_is_told_twice_and_at_first_without_sizes() -> None:
    entry = {"Action": "cleave-complete", "OrigLabel": 1, "CleavedSupervoxels": [2], "CleavedSize": 3, "RemainSize": 4}
    first, second = instance_messages(Mutation(instance=1), [entry])
    assert first == {"Action": "cleave", "OrigLabel": 1, "CleavedSupervoxels": [2]}
    assert second == entry


def test_internal_records_are_told_only_where_the_type_says_so() -> None:
    entries = [{"Action": "blocks"}, {"Action": "post-nextlabel", "Start Label": 1}]
    internal = Mutation(instance=1, internal=True)
    assert list(instance_messages(internal, entries)) == []
    assert list(instance_messages(internal, entries, frozenset({"post-nextlabel"}))) == entries[1:]


def test_a_long_message_goes_without_its_large_part() -> None:
    kept: list[bytes] = []

    def keep(data: bytes) -> str:
        kept.append(data)
        return "reference"

    short = {"Action": "merge", "Target": 1, "Labels": [2]}
    assert json.loads(fit(short, keep)) == short
    assert kept == []
    long = {**short, "Labels": list(range(MESSAGE_BYTES // 4)), "UUID": "u"}
    sent = fit(long, keep)
    assert len(sent) <= MESSAGE_BYTES
    assert json.loads(sent) == {"Action": "merge", "Target": 1, "UUID": "u", "DataRef": "reference"}
    assert [json.loads(data) for data in kept] == [long]


def test_a_message_just_at_the_bound_is_sent_whole() -> None:
    fields = {"Action": "set", "Key": ""}
    fields["Key"] = "k" * (MESSAGE_BYTES - len(json.dumps(fields, separators=(",", ":"))))
    assert json.loads(fit(fields, lambda data: "reference")) == fields
    fields["Key"] += "k"
    assert json.loads(fit(fields, lambda data: "reference")) == {"Action": "set", "DataRef": "reference"}


def test_without_the_client_the_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    config = Config(kafka=KafkaSettings(servers=["127.0.0.1:1"]))
    with pytest.raises(BadRequest, match=r"dvid-framework\[kafka\]"):
        open_kafka(config, None, {}, None)
    assert open_kafka(Config(), None, {}, None) is None, "and where none is configured nothing is asked for"


def test_a_server_that_can_not_publish_does_not_start_and_lets_its_folder_go(
    dvid_server: ServerFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    config = Config(kafka=KafkaSettings(servers=["127.0.0.1:1"]))
    with pytest.raises(RuntimeError, match="is not installed"):
        dvid_server(tmp_path / "data", config=config)
    server = dvid_server(tmp_path / "data")
    assert not [name for name in server.client.json("/api/server/info") if name.startswith("Kafka")]
