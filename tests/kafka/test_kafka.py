"""Kafka: a broker that is away delays what it is told and loses none; none that was not committed is ever told."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dvid_framework.config import Config, KafkaSettings
from dvid_framework.events import kafka
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.client import Client
from dvid_framework.testing.pytest_plugin import ProcessFactory, ServerFactory
from dvid_framework.testing.running import ServerThread, free_port

if TYPE_CHECKING:
    from broker import Broker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
MUTATIONS = int(os.environ.get("DVID_KAFKA_MUTATIONS", "20000"))
WRITERS = 8
Json = dict[str, Any]


def start(dvid_server: ServerFactory, address: str, data: Path | None = None, **settings: Any) -> ServerThread:
    config = Config(kafka=KafkaSettings(servers=[address], **settings))
    return dvid_server(data, config=config, plugins=Plugins({"tiny": tiny}, discover=False))


def topic_of(client: Client, root: str, name: str, prefix: str = "") -> str:
    data_uuid = client.json(f"/api/node/{root}/{name}/info")["Base"]["DataUUID"]
    return f"{prefix}dvidrepo-{root}-data-{data_uuid}"


def told(broker: Broker, topic: str, count: int) -> list[Json]:
    return [json.loads(message.value()) for message in broker.consume(topic, count)]


def once(messages: list[Json]) -> list[Json]:
    """Leave out what came again."""
    return [json.loads(text) for text in dict.fromkeys(json.dumps(message) for message in messages)]


def wait_until_told(server: ServerThread, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while server.server.kafka.waiting():
        assert time.monotonic() < deadline, f"{server.server.kafka.waiting()} records wait"
        time.sleep(0.05)


class Writing:
    """Eight clients that write to two instances, half of them to each; now and then one is refused."""

    def __init__(self, server: ServerThread, root: str, locked: str, count: int) -> None:
        self.done = 0
        self._lock = threading.Lock()
        self._count = count // WRITERS
        self._root, self._locked = root, locked
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._write, args=(server.new_client(), number)) for number in range(WRITERS)
        ]
        for thread in self._threads:
            thread.start()

    def _write(self, client: Client, number: int) -> None:
        try:
            for turn in range(self._count):
                name = f"data{number % 2}"
                client.post(f"/api/node/{self._root}/{name}/pair/w{number}-{turn}", b"value").ok()
                if turn % 50 == 0:
                    refused = client.post(f"/api/node/{self._locked}/{name}/pair/refused-{turn}", b"value")
                    assert refused.status >= 400
                with self._lock:
                    self.done += 1
        except BaseException as error:
            self._failures.append(error)
            raise

    def wait_for(self, count: int) -> None:
        while self.done < count and not self._failures:
            time.sleep(0.01)
        assert not self._failures

    def finish(self) -> None:
        for thread in self._threads:
            thread.join()
        assert not self._failures


def test_all_arrives_in_order_while_the_broker_goes_and_comes(broker: Broker, dvid_server: ServerFactory) -> None:
    server = start(dvid_server, broker.address)
    client = server.client
    root = client.new_repo()
    for name in ("data0", "data1"):
        client.new_instance(root, "tiny", name)
    client.commit(root)
    child = client.child(root)
    writing = Writing(server, child, root, MUTATIONS)
    if broker.can_stop:
        for share in (4, 2):
            writing.wait_for(MUTATIONS // share)
            broker.stop()
            writing.wait_for(MUTATIONS // share + MUTATIONS // 10)
            assert server.server.kafka.waiting(), "nobody took them"
            broker.start()
    writing.finish()
    wait_until_told(server)
    for name in ("data0", "data1"):
        logged = client.json(f"/api/node/{child}/{name}/mutations")
        messages = told(broker, topic_of(client, root, name), MUTATIONS // 2)
        assert len(logged) == MUTATIONS // 2
        assert once(messages) == logged
        assert len(messages) == len(logged), "as long as the server lives, nothing comes twice"


def test_repo_operations_keys_and_names(broker: Broker, dvid_server: ServerFactory) -> None:
    server = start(dvid_server, broker.address, topic_prefix="lab/", topic_activity="my activity")
    client = server.client
    root = client.new_repo()
    client.new_instance(root, "tiny", "data")
    client.post(f"/api/node/{root}/note", {"note": "first"}).ok()
    client.post(f"/api/node/{root}/log", {"log": ["a line"]}).ok()
    client.post(f"/api/node/{root}/commit", {"note": "done", "log": []}).ok()
    child = client.child(root)
    client.post(f"/api/node/{child}/data/pair/a?u=ann&app=test", b"1").ok()
    client.post(f"/api/node/{child}/data/tags", {"x": "y"}).ok()
    operations = told(broker, f"lab-dvidrepo-{root}-repo-ops", 5)
    assert operations == [
        {"Action": "newinstance", "UUID": root, "Typename": "tiny", "Dataname": "data"},
        {"Action": "nodenote", "UUID": root, "Note": "first"},
        {"Action": "nodelog", "UUID": root, "Log": ["a line"]},
        {"Action": "commit", "UUID": root, "Note": "done", "Log": []},
        {"Action": "newversion", "Parent": root, "Child": child, "Note": ""},
    ]
    (message,) = broker.consume(topic_of(client, root, "data", "lab-"), 1)
    assert json.loads(message.value()) == client.json(f"/api/node/{child}/data/mutations")[0]
    assert abs(int(message.key()) / 1e9 - time.time()) < 60
    requests = told(broker, "my-activity", 8)
    assert {"time", "duration", "status", "user", "client", "method", "uri", "bytes_in", "bytes_out"} < set(requests[0])
    assert [one["user"] for one in requests if one["user"]] == ["ann"]
    info = client.json("/api/server/info")
    assert info["Kafka Servers"] == broker.address
    assert (info["Kafka Activity Topic"], info["Kafka Topic Prefix"]) == ("my-activity", "lab/")


def test_renames_and_deletions_are_told_of_repos_that_are_gone_too(broker: Broker, dvid_server: ServerFactory) -> None:
    server = start(dvid_server, broker.address)
    client = server.client
    root = client.new_repo("mine")
    client.new_instance(root, "tiny", "one")
    data_uuid = client.json(f"/api/node/{root}/one/info")["Base"]["DataUUID"]
    client.commit(root)
    side = client.child(root, "side")
    client.post(f"/api/repo/{root}/rename", {"name": "ours", "confirm": "mine"}).ok()
    client.post(f"/api/repo/{root}/branch/side/rename", {"name": "edge", "confirm": "side"}).ok()
    client.post(f"/api/repo/{root}/instance/one/rename", {"name": "two", "confirm": "one"}).ok()
    assert client.post(f"/api/repo/{root}/instance/two/rename", {"name": "x", "confirm": "one"}).status == 400
    for address, name in (("/instance/two", "two"), ("/branch/edge", "edge"), ("", "ours")):
        client.request("DELETE", f"/api/repo/{root}{address}", {"confirm": name}).ok()
    messages = told(broker, f"dvidrepo-{root}-repo-ops", 9)[3:]
    assert [message["Action"] for message in messages] == [
        "renamerepo", "renamebranch", "renameinstance", "deleteinstance", "deletebranch", "deleterepo"
    ]  # fmt: skip
    repo, branch, instance, instance_gone, branch_gone, repo_gone = messages
    assert (repo["UUID"], repo["Alias"], repo["NewAlias"]) == (root, "mine", "ours")
    assert (branch["Branch"], branch["NewBranch"]) == ("side", "edge")
    assert (instance["Dataname"], instance["NewDataname"], instance["DataUUID"]) == ("one", "two", data_uuid)
    assert (instance_gone["Dataname"], instance_gone["DataUUID"]) == ("two", data_uuid)
    assert (branch_gone["Branch"], branch_gone["Versions"]) == ("edge", [side])
    assert (repo_gone["UUID"], repo_gone["Alias"]) == (root, "ours")


def test_a_long_message_is_kept_and_referred_to(broker: Broker, dvid_server: ServerFactory) -> None:
    server = start(dvid_server, broker.address)
    client = server.client
    root = client.new_repo()
    client.new_instance(root, "tiny", "data")
    instance = server.server.instances.get(*_place(server, root))
    labels = list(range(1_000_000, 1_200_000))
    with instance.begin(server.server.repos.find(root)[1]) as txn:
        txn.emit("merge-complete", Target=1, Labels=labels)
    first, second = told(broker, topic_of(client, root, "data"), 2)
    assert (first["Action"], second["Action"]) == ("merge", "merge-complete")
    assert "Labels" not in first | second
    kept = client.get(f"/api/node/{root}/data/blobstore/{second['DataRef']}").ok().json()
    assert kept["Labels"] == labels


def _place(server: ServerThread, root: str) -> tuple[Any, str]:
    return server.server.repos.find(root)[0], "data"


def test_a_refused_transaction_is_never_told(broker: Broker, dvid_server: ServerFactory) -> None:
    server = start(dvid_server, broker.address)
    client = server.client
    root = client.new_repo()
    client.new_instance(root, "tiny", "data")
    instance = server.server.instances.get(*_place(server, root))
    version = server.server.repos.find(root)[1]

    def give_up() -> None:
        with instance.begin(version) as txn:
            txn.emit("set", Key="given up")
            raise ValueError("given up")

    for key in "ab":
        client.post(f"/api/node/{root}/data/pair/{key}", b"1").ok()
        with pytest.raises(ValueError, match="given up"):
            give_up()
    assert [message["Key"] for message in told(broker, topic_of(client, root, "data"), 2)] == ["a", "b"]


def test_what_was_written_without_a_broker_comes_later(
    monkeypatch: pytest.MonkeyPatch, broker: Broker, dvid_server: ServerFactory, tmp_path: Path
) -> None:
    monkeypatch.setattr(kafka, "_FLUSH_SECONDS", 0.5)
    began = time.monotonic()
    server = start(dvid_server, f"127.0.0.1:{free_port()}", tmp_path / "data")
    assert time.monotonic() - began < 10, "it starts without a broker"
    client = server.client
    root = client.new_repo()
    client.new_instance(root, "tiny", "data")
    for number in range(50):
        client.post(f"/api/node/{root}/data/pair/{number}", b"1").ok()
    assert int(client.json("/api/server/info")["Kafka Records Waiting"]) > 50
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10, "and it stops without one"
    server = start(dvid_server, broker.address, tmp_path / "data")
    messages = told(broker, topic_of(server.client, root, "data"), 50)
    assert [message["Key"] for message in messages] == [str(number) for number in range(50)]


def test_too_much_activity_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch, dvid_server: ServerFactory) -> None:
    monkeypatch.setattr(kafka, "_FLUSH_SECONDS", 0.2)
    monkeypatch.setattr(kafka, "_ACTIVITY", {**kafka._ACTIVITY, "queue.buffering.max.messages": 10})
    server = start(dvid_server, f"127.0.0.1:{free_port()}")
    for _ in range(30):
        server.client.get("/api/server/info").ok()
    assert int(server.client.json("/api/server/info")["Kafka Activity Dropped"]) >= 20


def test_kill_with_records_pending(broker: Broker, dvid_process: ProcessFactory, tmp_path: Path) -> None:
    config = tmp_path / "dvid.toml"
    config.write_text(f'[kafka]\nservers = ["{broker.address}"]\n')
    plugins, environment = ("dvid_framework.testing.tiny",), {"DVID_CONFIG": str(config)}
    if broker.can_stop:
        broker.stop()
    server = dvid_process(tmp_path / "data", plugins, environment=environment)
    client = server.client
    root = client.new_repo()
    client.new_instance(root, "tiny", "data")
    for number in range(500):
        client.post(f"/api/node/{root}/data/pair/{number}", b"1").ok()
    server.kill()
    if broker.can_stop:
        broker.start()
    again = dvid_process(tmp_path / "data", plugins, environment=environment)
    logged = again.client.json(f"/api/node/{root}/data/mutations")
    assert once(told(broker, topic_of(again.client, root, "data"), 500)) == logged
    assert len(logged) == 500
