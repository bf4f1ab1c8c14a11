"""A Kafka broker for tests: a real one where there are Java and Maven, else the mock cluster inside librdkafka."""

from __future__ import annotations

import base64
import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition

HERE = Path(__file__).parent
JARS = Path(os.environ.get("DVID_KAFKA_HOME", Path.home() / ".cache" / "dvid-kafka")) / "libs"
JAVA_OPTIONS = ("-Xmx256m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
START_SECONDS = 60.0


def _lasting_port() -> int:
    """Return a free port that no outgoing connection takes while the broker is stopped: below those for them."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _fetch_jars() -> None:
    """Have Maven bring the broker's jars, once; of several that do it at once the first wins."""
    if JARS.exists():
        return
    fresh = JARS.with_name(f"libs-{os.getpid()}")
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
    done = subprocess.run(
        ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), *goal], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"Maven did not bring the broker: {(done.stdout + done.stderr)[-2000:]}")
    try:
        fresh.rename(JARS)
    except OSError:
        shutil.rmtree(fresh)


class _Readable:
    """A broker whose topics can be read."""

    address: str

    def consume(self, topic: str, count: int, seconds: float = 40.0) -> list[Message]:
        """Return the messages of a topic, in order for each partition: at least `count`, and what comes just after."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": uuid.uuid4().hex, "log_level": 0})
        found: list[Message] = []
        deadline = time.monotonic() + seconds
        while not (partitions := consumer.list_topics(topic, timeout=5).topics[topic].partitions):
            assert time.monotonic() < deadline, f"there is no topic {topic}"
            time.sleep(0.1)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        while time.monotonic() < deadline:
            more = consumer.consume(10_000, 0.5)
            found += [message for message in more if message.error() is None]
            if not more and len(found) >= count:
                break
        consumer.close()
        return found


class RealBroker(_Readable):
    """A broker in a process of its own, which can be stopped and started again."""

    can_stop = True

    def __init__(self, folder: Path) -> None:
        _fetch_jars()
        port = _lasting_port()
        self.address = f"127.0.0.1:{port}"
        self._settings = folder / "server.properties"
        text = (HERE / "server.properties").read_text()
        values = {"port": port, "controller": _lasting_port(), "data": folder / "kafka-data"}
        self._settings.write_text(text.format(**values))
        self._output = folder / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        subprocess.run(
            self._java("kafka.tools.StorageTool", "format", "-t", cluster, "--standalone", "-c"),
            check=True,
            capture_output=True,
        )

    def _java(self, *arguments: str) -> list[str]:
        options = [*JAVA_OPTIONS, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        return ["java", *options, "-cp", f"{JARS}/*", *arguments, str(self._settings)]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(self._java("kafka.Kafka"), stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        asking = Producer({"bootstrap.servers": self.address, "log_level": 0})
        while True:
            try:
                asking.list_topics(timeout=1)
            except KafkaException as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError(f"no broker: {self._output.read_text()[-3000:]}") from error
            else:
                return

    def stop(self) -> None:
        """Stop it; what it has taken stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    close = stop


class MockBroker(_Readable):
    """The mock cluster of librdkafka: it speaks the protocol, and forgets everything when it ends."""

    can_stop = False

    def __init__(self) -> None:
        self._cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
        (broker,) = self._cluster.list_topics(timeout=10).brokers.values()
        self.address = f"{broker.host}:{broker.port}"

    def start(self) -> None:
        """It runs."""

    stop = close = start


Broker = RealBroker | MockBroker
