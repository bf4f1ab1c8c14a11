"""Kafka: the mutation logs and the activity, published.

Records reach the producer from the log and never from a request. So a broker that is away delays them, none is lost,
and none that was not committed is ever told.
"""

from __future__ import annotations

import contextlib
import importlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from dvid_framework.errors import BadRequest, Conflict
from dvid_framework.events.feed import BatchFollower
from dvid_framework.events.kafka_messages import (
    Message,
    Topics,
    fit,
    instance_messages,
    key_of,
    repo_messages,
)
from dvid_framework.instances.datatype import Datatype
from dvid_framework.instances.wire import wire_entries
from dvid_framework.storage.base import Store
from dvid_framework.storage.blobs import put_blob
from dvid_framework.storage.log import CommitLog
from dvid_framework.storage.stores import Stores
from dvid_framework.versions.record import InstanceRecord, Mutation
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos

if TYPE_CHECKING:
    from dvid_framework.config import Config

__all__ = ["Kafka", "Undelivered", "open_kafka"]

_log = structlog.get_logger("dvid.kafka")
_CURSOR = "kafka"
_FLUSH_SECONDS = 5.0
_POLL_SECONDS = 0.1
_COMPLAIN_SECONDS = 60.0
_PRODUCER = {
    "client.id": "dvid",
    "compression.type": "lz4",
    "linger.ms": 5,
    "log_level": 2,  # errors come to the callback
    "message.max.bytes": 1_048_588,  # a broker's own default; our JSON is shorter
    "reconnect.backoff.max.ms": 2000,
    "socket.keepalive.enable": True,
}
_MUTATIONS = {
    "enable.idempotence": True,
    "message.timeout.ms": 0,  # never: what waits here is in the mutation log too
    "queue.buffering.max.kbytes": 64 << 10,
    "queue.buffering.max.messages": 20_000,
}
_ACTIVITY = {
    "message.timeout.ms": 60_000,
    "queue.buffering.max.kbytes": 16 << 10,
    "queue.buffering.max.messages": 10_000,
}


class Undelivered(Exception):
    """The broker did not take a message, or the server stops before it did; it is sent again."""


class _Outlet:
    """A producer, and the thread that polls it: without it nobody would hear of what was delivered."""

    def __init__(self, servers: Sequence[str], options: Mapping[str, Any]) -> None:
        self._client = importlib.import_module("confluent_kafka")
        self.refusals: tuple[type[Exception], ...] = (BufferError, self._client.KafkaException)
        self._complained = -_COMPLAIN_SECONDS
        given = {**_PRODUCER, **options, "bootstrap.servers": ",".join(servers), "error_cb": self._complain}
        try:
            self._producer = self._client.Producer(given)
        except self._client.KafkaException as error:
            raise BadRequest(f"[kafka]: {error}") from error
        self._closing = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="kafka-poll", daemon=True)
        self._poller.start()

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_POLL_SECONDS)

    def _complain(self, error: Any) -> None:
        """Log that brokers do not answer, once a minute."""
        if time.monotonic() - self._complained >= _COMPLAIN_SECONDS:
            self._complained = time.monotonic()
            with contextlib.suppress(OSError, ValueError):  # a log that can't be written must not end the polling
                _log.warning("kafka does not answer", error=str(error))

    def produce(
        self, topic: str, key: str, value: bytes, delivered: Callable[[Any, Any], None], partition: int = -1
    ) -> None:
        """Queue a message; never waits.

        Raises:
            BufferError: the queue is full.
        """
        self._producer.produce(topic, value, key, partition, delivered)

    def close(self, seconds: float = 0.0) -> None:
        """Send what is queued, for some seconds at most, and end; the rest is reported as undelivered."""
        if seconds:
            self._producer.flush(seconds)
        self._producer.purge()
        self._producer.flush(_POLL_SECONDS)
        self._closing.set()
        self._poller.join()


class _Delivery:
    """How many messages of a batch are on their way."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = 0
        self._error = ""

    def add(self) -> None:
        """Count one more."""
        with self._changed:
            self._waiting += 1

    def done(self, error: Any, message: Any) -> None:
        """Receive the report on a message."""
        del message
        with self._changed:
            self._waiting -= 1
            if error is not None:
                self._error = self._error or str(error)
            if error is not None or not self._waiting:
                self._changed.notify_all()

    def check(self) -> None:
        """Raise if one was refused.

        Raises:
            Undelivered: it was.
        """
        if self._error:
            raise Undelivered(self._error)

    def wait(self, seconds: float) -> bool:
        """Wait until all are delivered; False if it takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: self._error or not self._waiting, seconds) and not self._error


class _Publisher:
    """Publishes the mutation log of one store: a batch of records is done when the broker has taken all its messages.

    All messages of a topic go to its first partition, so that they keep their order.
    """

    def __init__(self, kafka: Kafka, log: CommitLog, servers: Sequence[str]) -> None:
        self._kafka = kafka
        self.log = log
        self._servers = servers
        self._outlet = _Outlet(servers, _MUTATIONS)
        self._abandon = threading.Event()
        self.follower = BatchFollower(log, _CURSOR, self._publish, log.synced)

    def _publish(self, mutations: Iterator[Mutation]) -> None:
        delivery = _Delivery()
        try:
            for mutation in mutations:
                for message in self._kafka.messages(mutation):
                    value = fit(message.value, lambda data: _keep(self.log.store, data))
                    self._produce(message, value, delivery)
            while not delivery.wait(_POLL_SECONDS):
                self._check(delivery)
        except BaseException:
            self._renew()
            raise

    def _produce(self, message: Message, value: bytes, delivery: _Delivery) -> None:
        while True:
            self._check(delivery)
            delivery.add()
            try:
                self._outlet.produce(message.topic, message.key, value, delivery.done, partition=0)
            except BufferError:
                delivery.done(None, None)
                self._abandon.wait(_POLL_SECONDS / 10)
            except self._outlet.refusals as error:
                raise Undelivered(str(error)) from error
            else:
                return

    def _check(self, delivery: _Delivery) -> None:
        delivery.check()
        if self._abandon.is_set():
            raise Undelivered("the server stops; what the broker has not taken is sent after the next start")

    def _renew(self) -> None:
        """Begin anew with an empty queue: what waits in it comes again from the log, in order."""
        if self._abandon.is_set():
            return
        self._outlet.close()
        self._outlet = _Outlet(self._servers, _MUTATIONS)

    def close(self, seconds: float) -> None:
        """Publish what is in the log, for some seconds at most."""
        self.follower.wait_for(self.log.written, seconds)
        self._abandon.set()
        self.follower.stop()
        self._outlet.close()


def _keep(store: Store, data: bytes) -> str:
    """Keep the JSON of a long message; spaces make it another blob where one with its hash is taken."""
    for spaces in range(8):
        try:
            return put_blob(store, data + b" " * spaces)
        except Conflict:
            continue
    return ""


class Kafka:
    """Publishes the mutation log of every store, and the activity.

    Args:
        servers: `HOST:PORT` of some brokers.
        topics: the names of topics.
        repos: all repos.
        datatypes: the installed types.
        stores: all stores.

    Attributes:
        topics: the names of topics.
        dropped: how many messages on activity were dropped.

    Raises:
        BadRequest: the client is not installed, or a setting is wrong.
    """

    def __init__(
        self,
        servers: Sequence[str],
        topics: Topics,
        repos: Repos,
        datatypes: Mapping[str, type[Datatype]],
        stores: Stores,
    ) -> None:
        self.topics = topics
        self.dropped = 0
        self._servers = list(servers)
        self._repos = repos
        self._datatypes = datatypes
        self._encode = msgspec.json.Encoder(enc_hook=str).encode
        try:
            self._activity = _Outlet(servers, _ACTIVITY)
        except ImportError as error:
            raise BadRequest(
                "[kafka] servers needs the package confluent-kafka, which is not installed: "
                'pip install "dvid-framework[kafka]"'
            ) from error
        self._publishers = [_Publisher(self, stores.log(alias), servers) for alias in stores.aliases()]

    # -- activity

    def activity(self, fields: dict[str, Any]) -> None:
        """Tell of a request, or drop it if too many wait already."""
        try:
            self._activity.produce(self.topics.activity, str(time.time_ns()), self._encode(fields), self._told)
        except self._activity.refusals:
            self.dropped += 1

    def _told(self, error: Any, message: Any) -> None:
        del message
        if error is not None:
            self.dropped += 1

    # -- mutations

    def messages(self, mutation: Mutation) -> Iterator[Message]:
        """Yield the messages of a mutation, also of what was deleted since: none for an internal one."""
        repo, instance = self._find(mutation)
        if repo is None:
            return
        key = key_of(mutation.time)
        if not mutation.instance:
            topic = self.topics.repo_operations(repo.root)
            yield from (Message(topic, key, value) for value in repo_messages(mutation))
        elif instance is not None:
            datatype = self._datatypes.get(instance.type_name)
            announced = frozenset[str]() if datatype is None else datatype.announced
            if mutation.internal and not announced:
                return
            version = repo.former_version(mutation.version)
            entries = wire_entries(mutation, version.uuid if version else "", datatype)
            topic = self.topics.instance(repo.root, instance.data_uuid)
            yield from (Message(topic, key, value) for value in instance_messages(mutation, entries, announced))

    def _find(self, mutation: Mutation) -> tuple[Repo | None, InstanceRecord | None]:
        """Return repo and instance of a mutation, as far as they are there."""
        found = self._look_up(mutation)
        if found[0] is None:
            with self._repos.lock:  # its record may be synced a moment before it is shown
                found = self._look_up(mutation)
        return found

    def _look_up(self, mutation: Mutation) -> tuple[Repo | None, InstanceRecord | None]:
        repo = self._repos.former(mutation.repo)
        return repo, None if repo is None else repo.former_instance(mutation.instance)

    # -- life

    def waiting(self) -> int:
        """Return how many records are not delivered yet."""
        return sum(publisher.log.written - publisher.follower.cursor for publisher in self._publishers)

    def info(self) -> dict[str, str]:
        """Return what `/api/server/info` shows."""
        return {
            "Kafka Servers": ",".join(self._servers),
            "Kafka Activity Topic": self.topics.activity,
            "Kafka Topic Prefix": self.topics.prefix,
            "Kafka Records Waiting": str(self.waiting()),
            "Kafka Activity Dropped": str(self.dropped),
        }

    def close(self) -> None:
        """Publish what there is, for some seconds at most; the rest comes after the next start."""
        deadline = time.monotonic() + _FLUSH_SECONDS
        for publisher in self._publishers:
            publisher.close(max(deadline - time.monotonic(), 0.0))
        self._activity.close(max(deadline - time.monotonic(), 0.1))
        if self.dropped:
            _log.warning("activity was dropped", messages=self.dropped)


def open_kafka(config: Config, repos: Repos, datatypes: Mapping[str, type[Datatype]], stores: Stores) -> Kafka | None:
    """Begin to publish; None where no broker is configured.

    Raises:
        BadRequest: the client is not installed, or a setting is wrong.
    """
    settings = config.kafka
    if not settings.servers:
        return None
    activity = settings.topic_activity or f"dvidactivity-{config.server.host or socket.gethostname()}"
    topics = Topics(settings.topic_prefix, settings.topic_suffixes, activity)
    return Kafka(settings.servers, topics, repos, datatypes, stores)
