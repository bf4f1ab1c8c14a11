"""Publishing through a client that refuses: what the broker did not take comes again, in order; nothing is left out."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dvid_framework.config import Config, KafkaSettings
from dvid_framework.events import feed, kafka
from dvid_framework.plugins import Plugins
from dvid_framework.testing import tiny
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread


class Refused(Exception):
    """The client's own error."""


class Broker:
    """What all producers send to.

    Attributes:
        taken: the messages that it took.
        refuse: tells of an error for the message of a number, counted from 0, at its delivery.
        full: tells whether the queue is full for an attempt of a number.
        raising: likewise, whether the client refuses at once.
        made: how many producers there were.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.refuse: Callable[[int], bool] = lambda number: False
        self.full: Callable[[int], bool] = lambda number: False
        self.raising: Callable[[int], bool] = lambda number: False
        self.made = self.delivered = self.attempts = 0

    def producer(self, options: dict[str, Any]) -> Producer:
        assert "bootstrap.servers" in options
        self.made += 1
        return Producer(self)


class Producer:
    """A client's producer: reports on messages when it is polled."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._queue: deque[tuple[str, bytes, Callable[[Any, Any], None]]] = deque()
        self._lock = threading.Lock()

    def produce(
        self, topic: str, value: bytes, key: str, partition: int, delivered: Callable[[Any, Any], None]
    ) -> None:
        assert key.isdigit()
        if topic != "requests":
            assert partition == 0
            self._broker.attempts += 1
            if self._broker.full(self._broker.attempts):
                raise BufferError
            if self._broker.raising(self._broker.attempts):
                raise Refused("fatal")
        self._queue.append((topic, value, delivered))

    def poll(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.001))
        with self._lock:
            while self._queue:
                topic, value, delivered = self._queue.popleft()
                broker = self._broker
                refused = topic != "requests" and broker.refuse(broker.delivered)
                broker.delivered += topic != "requests"
                if not refused:
                    broker.taken.append((topic, json.loads(value)))
                delivered("refused" if refused else None, None)

    def flush(self, seconds: float) -> None:
        self.poll(seconds)

    def purge(self) -> None:
        with self._lock:
            while self._queue:
                self._queue.popleft()[2]("purged", None)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    made = Broker()
    client = SimpleNamespace(Producer=made.producer, KafkaException=Refused)
    monkeypatch.setitem(sys.modules, "confluent_kafka", client)
    monkeypatch.setattr(feed, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(kafka, "_FLUSH_SECONDS", 2.0)
    return made


def start(dvid_server: ServerFactory, data: Path | None = None) -> ServerThread:
    settings = KafkaSettings(servers=["broker:9092"], topic_activity="requests")
    return dvid_server(data, config=Config(kafka=settings), plugins=Plugins({"tiny": tiny}, discover=False))


def write(server: ServerThread, count: int) -> list[str]:
    root = server.client.new_repo()
    server.client.new_instance(root, "tiny", "data")
    for number in range(count):
        server.client.post(f"/api/node/{root}/data/pair/{number}", b"1").ok()
    return [str(number) for number in range(count)]


def keys(broker: Broker) -> list[str]:
    """Return the keys in the order in which they came first."""
    return list(dict.fromkeys(message["Key"] for topic, message in broker.taken if "-data-" in topic))


def test_refused_messages_come_again(broker: Broker, dvid_server: ServerFactory) -> None:
    broker.refuse = lambda number: number in range(10, 14)
    server = start(dvid_server)
    written = write(server, 40)
    server.stop()
    assert sorted(keys(broker), key=int) == written
    assert broker.made > 2, "after a refusal a new producer begins with an empty queue"


def test_what_is_refused_again_and_again_has_no_others_repeated_with_it(
    broker: Broker, dvid_server: ServerFactory, tmp_path: Path
) -> None:
    server = dvid_server(tmp_path / "data", plugins=Plugins({"tiny": tiny}, discover=False))
    write(server, 3)
    server.stop()
    server = start(dvid_server, tmp_path / "data")
    broker.refuse = lambda number: number < 30
    written = write(server, 20)
    server.stop()
    assert keys(broker) == written
    assert len(broker.taken) < 60, "each came once or twice"


@pytest.mark.parametrize("kind", ["full", "raising"])
def test_a_full_queue_and_a_client_that_gives_up_delay_alone(
    broker: Broker, dvid_server: ServerFactory, kind: str
) -> None:
    setattr(broker, kind, lambda number: number % 3 == 0)
    server = start(dvid_server)
    written = write(server, 40)
    server.stop()
    assert keys(broker) == written


def test_what_was_refused_until_the_stop_comes_after_the_next_start(
    broker: Broker, dvid_server: ServerFactory, tmp_path: Path
) -> None:
    broker.refuse = lambda number: True
    server = start(dvid_server, tmp_path / "data")
    written = write(server, 5)
    server.stop()
    assert keys(broker) == []
    broker.refuse = lambda number: False
    start(dvid_server, tmp_path / "data").stop()
    assert keys(broker) == written


def test_requests_are_told(broker: Broker, dvid_server: ServerFactory) -> None:
    server = start(dvid_server)
    server.client.get("/api/server/info?u=ann&admintoken=hidden").ok()
    server.stop()
    (told,) = [message for topic, message in broker.taken if topic == "requests"]
    assert (told["user"], told["uri"], told["status"]) == ("ann", "/api/server/info?u=ann", 200)
