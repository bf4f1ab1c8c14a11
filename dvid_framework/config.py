"""The configuration: a TOML file with the sections of the original, all with defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from dvid_framework.config_text import masked_toml
from dvid_framework.errors import BadRequest
from dvid_framework.instances.cache import CACHE_BYTES
from dvid_framework.storage.engines import StoreConfig
from dvid_framework.storage.stores import DEFAULT
from dvid_framework.versions.mutation_ids import FIRST_MUTATION_ID
from dvid_framework.versions.txn import MUTATION_BYTES

__all__ = [
    "AuthSettings",
    "BackendChoice",
    "Config",
    "KafkaSettings",
    "LimitSettings",
    "LoggingSettings",
    "MutationSettings",
    "Sections",
    "ServerSettings",
    "load_config",
]

_MODES = frozenset({"", "none", "token", "authfile", "dsg"})
_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[^:]*):(?P<port>\d{1,5})")


_WIRE_NAMES = {
    "allow_labelmap_split": "allowLabelmapSplit",
    "allow_timing": "allowTiming",
    "block_list_file": "blockListFile",
    "cors_domains": "corsDomains",
    "http_address": "httpAddress",
    "interactive_operations": "interactiveOpsBeforeBlock",
    "pid_file": "pidFile",
    "shutdown_delay": "shutdownDelay",
    "start_webhook": "startWebhook",
    "web_client": "webClient",
    "web_default_file": "webDefaultFile",
    "web_redirect_path": "webRedirectPath",
}


class ServerSettings(msgspec.Struct, rename=_WIRE_NAMES):
    """Section `[server]`.

    Attributes:
        host: the name that `info` shows.
        http_address: `HOST:PORT` to listen on.
        note: any text about the server.
        cors_domains: origins that web pages may come from, or `*`.
        rwmode: `readonly`, `fullwrite` (committed versions accept writes) or empty.
        min_mutation_id_start: the first mutation id of a repo.
        block_list_file: users and addresses that are not served.
        allow_labelmap_split: let bodies of labelmaps be split by voxels; supervoxels always can be.
        allow_timing: let web pages measure requests below instances.
        allow_public: listen elsewhere than on loopback without an admin token or `[auth]`.
        admin_token_file: a file with an admin token on each line, read again by `reload-auth`.
        web_client: folder of the pages that are served where nothing else is.
        web_redirect_path: where a page that is not there leads to.
        web_default_file: what is shown in its place, without `webRedirectPath`.
        start_webhook: a URL that is told of each start by a POST, and must answer 200; else the server does not start.
        shutdown_delay: seconds between the last answer and the closing of the stores.
        pid_file: a file that holds the id of the process while it serves.
        interactive_operations: jobs rest after so many interactive requests in two minutes; 0: never.
    """

    host: str = ""
    http_address: str = "127.0.0.1:8000"
    note: str = ""
    cors_domains: list[str] = []
    rwmode: str = ""
    min_mutation_id_start: int = FIRST_MUTATION_ID
    block_list_file: str = ""
    allow_labelmap_split: bool = False
    allow_timing: bool = False
    allow_public: bool = False
    admin_token_file: str = ""
    web_client: str = ""
    web_redirect_path: str = ""
    web_default_file: str = ""
    start_webhook: str = ""
    shutdown_delay: float = 0.0
    pid_file: str = ""
    interactive_operations: int = 0


class AuthSettings(msgspec.Struct):
    """Section `[auth]`: who may use repos.

    Attributes:
        enforce: `none`, `token`, `authfile` or `dsg`; see `mode`.
        enforce_internal: the mode of requests with `X-DVID-Internal: true` from trusted proxies; as `enforce` if empty.
        no_enforce: without `enforce`: none, whatever else is set.
        proxy_address: a service that makes tokens; without `enforce` it means `token`.
        trusted_proxies: addresses and networks (CIDR) whose `Forwarded` headers count; loopback alone if empty.
        auth_file: JSON of users and what each may do.
        secret_file: secrets of JWTs, one on each line; any of them counts. In place of the environment's.
        token_file: JSON of tokens that are no JWTs, by their SHA-256.
        dsg_address: URL of the DatasetGateway.
        dsg_cache_ttl: seconds for which its answers are kept.
        dataset_map: the gateway's dataset of a repo, by root UUID.
        public_versions: UUIDs of committed versions that everyone may read, with all their ancestors.
    """

    enforce: str = ""
    enforce_internal: str = ""
    no_enforce: bool = False
    proxy_address: str = ""
    trusted_proxies: list[str] = []
    auth_file: str = ""
    secret_file: str = ""
    token_file: str = ""
    dsg_address: str = ""
    dsg_cache_ttl: float = 300.0
    dataset_map: dict[str, str] = {}
    public_versions: list[str] = []

    @property
    def mode(self) -> str:
        """The mode that the keys together mean."""
        if self.enforce:
            return self.enforce
        return "token" if self.proxy_address and not self.no_enforce else "none"

    @property
    def internal_mode(self) -> str:
        """The mode of requests from within."""
        return self.enforce_internal or self.mode


class LimitSettings(msgspec.Struct):
    """Section `[limits]`: bounds on what requests can ask for.

    Attributes:
        body_bytes: the longest body of a request.
        memory_bytes: bytes that the bodies of all requests together may hold.
        mutation_bytes: stored bytes of one mutation.
        cache_bytes: bytes of decoded blocks that are kept in memory.
        threads: threads for work on voxels; beside others one client has one for each processor at most, at least 2.
        throttled_operations: how many `throttle=on` operations may run at a time.
        job_threads: how many jobs run at a time.
        jobs: how many jobs may be waiting or running.
        follower_threads: how many instances that follow others are at work at a time.
        follow_seconds: how long a read of one, or a commit, waits until it has caught up.
        keep_alive_seconds: how long an idle connection is kept.
        head_bytes: how long request line and headers may be together.
        head_seconds: how long they may take to come.
        stall_seconds: over how long bodies and answers are watched: they must move by `slowest_bytes` a second.
        slowest_bytes: bytes a second; who sends or reads more slowly is cut off.
        request_seconds: how long a request may last in all.
        connections: how many there may be, as far as the open files of the process allow; further ones get 503.
        waiting_requests: how many requests of one client may run or wait for a thread; further ones get 503.
        waiting_in_all: and how many of all clients together.
    """

    body_bytes: int = 2 << 30
    memory_bytes: int = 4 << 30
    mutation_bytes: int = MUTATION_BYTES
    cache_bytes: int = CACHE_BYTES
    threads: int = 8
    throttled_operations: int = 1
    job_threads: int = 2
    jobs: int = 1000
    follower_threads: int = 4
    follow_seconds: float = 10.0
    keep_alive_seconds: int = 60
    head_bytes: int = 128 << 10
    head_seconds: float = 30.0
    stall_seconds: float = 60.0
    slowest_bytes: int = 1024
    request_seconds: float = 3600.0
    connections: int = 4096
    waiting_requests: int = 96
    waiting_in_all: int = 1024


class LoggingSettings(msgspec.Struct):
    """Section `[logging]`.

    Attributes:
        logfile: file of the activity log; `activity.log` in the data folder by default.
        max_log_size: megabytes at which it is rotated.
        max_log_age: days after which what was set aside is removed; 0: only when the next one takes its place.
    """

    logfile: str = ""
    max_log_size: int = 100
    max_log_age: int = 0


class MutationSettings(msgspec.Struct):
    """Section `[mutations]`.

    Attributes:
        jsonstore: folder of the files of mutation records; none are written if it is empty.
    """

    jsonstore: str = ""


class KafkaSettings(
    msgspec.Struct,
    rename={"topic_activity": "topicActivity", "topic_prefix": "topicPrefix", "topic_suffixes": "topicSuffixes"},
):
    """Section `[kafka]`.

    Attributes:
        servers: `HOST:PORT` of some brokers; without any nothing is published.
        topic_activity: topic of the activity; `dvidactivity-HOST` by default.
        topic_prefix: what the topics of repos and instances begin with.
        topic_suffixes: `DATA-UUID:SUFFIX` for instances whose topics end with something.
    """

    servers: list[str] = []
    topic_activity: str = ""
    topic_prefix: str = ""
    topic_suffixes: list[str] = []


class BackendChoice(msgspec.Struct):
    """An entry of `[backend.SPEC]`: the alias of the store; the mutation log lives in the same one."""

    store: str
    log: str = ""


class Sections(msgspec.Struct):
    """The sections of a file. Those that are not known, and their keys, are ignored, as in the original."""

    server: ServerSettings = msgspec.field(default_factory=ServerSettings)
    auth: AuthSettings = msgspec.field(default_factory=AuthSettings)
    limits: LimitSettings = msgspec.field(default_factory=LimitSettings)
    logging: LoggingSettings = msgspec.field(default_factory=LoggingSettings)
    mutations: MutationSettings = msgspec.field(default_factory=MutationSettings)
    kafka: KafkaSettings = msgspec.field(default_factory=KafkaSettings)
    store: dict[str, dict[str, Any]] = {}
    backend: dict[str, BackendChoice] = {}
    plugin: dict[str, dict[str, Any]] = {}


class Config(Sections):
    """The whole configuration.

    Attributes:
        document: the file as TOML reads it, unknown keys included; empty without one.
        folder: that of the file, from which relative paths count.
    """

    document: dict[str, Any] = {}
    folder: str = "."

    def masked(self) -> str:
        """Return the text of the configuration file with its secrets masked; without a file, the defaults as one."""
        return masked_toml(self.document) if self.document else self._defaults()

    def _defaults(self) -> str:
        lines = ["# There is no configuration file: these are the defaults."]
        for name, settings in (("server", self.server), ("limits", self.limits), ("logging", self.logging)):
            lines.append(f"\n[{name}]")
            # what JSON writes of texts, numbers, truth values and lists of them is TOML too
            lines += [
                f"{key} = {msgspec.json.encode(value).decode()}" for key, value in msgspec.to_builtins(settings).items()
            ]
        return "\n".join(lines) + "\n"

    def stores(self, data: Path) -> dict[str, StoreConfig]:
        """Return the stores to open, without an engine where the default one is meant; one where none is described."""
        if not self.store:
            return {DEFAULT: StoreConfig("", data / DEFAULT)}
        found = {}
        for alias, entry in self.store.items():
            options = dict(entry)
            engine = str(options.pop("engine", ""))
            path = Path(self.folder, str(options.pop("path", data / alias)))
            kind = "" if engine in ("badger", "basholeveldb") else engine
            found[alias] = StoreConfig(kind, path, options, Path(self.folder))
        return found

    def choices(self) -> dict[str, str]:
        """Return the store's alias by data UUID, `name:UUID`, tag, type name, `default` or `metadata`."""
        return {spec: choice.store for spec, choice in self.backend.items()}

    def address(self) -> tuple[str, int]:
        """Return host and port to listen on.

        Raises:
            BadRequest: `httpAddress` is no HOST:PORT.
        """
        match = _ADDRESS.fullmatch(self.server.http_address)
        if match is None or int(match["port"]) > 65535:
            raise BadRequest(f"[server] httpAddress must be HOST:PORT, and not {self.server.http_address!r}")
        host = match["host"].strip("[]") or "127.0.0.1"
        return "127.0.0.1" if host == "localhost" else host, int(match["port"])


def load_config(path: Path | None) -> Config:
    """Read a TOML file; without one everything has its default. Relative paths count from the file's folder.

    Raises:
        BadRequest: it can't be read; the message names the key.
    """
    if path is None:
        return Config()
    try:
        document: dict[str, Any] = msgspec.toml.decode(path.read_text())
        sections = msgspec.convert(document, Sections)
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"the configuration {path} can't be read: {error}") from error
    except msgspec.MsgspecError as error:
        raise BadRequest(f"the configuration {path} is wrong: {error}") from error
    config = Config(**msgspec.structs.asdict(sections), document=document, folder=str(path.parent))
    if config.server.rwmode not in ("", "readonly", "fullwrite"):
        raise BadRequest(f"[server] rwmode must be readonly or fullwrite, and not {config.server.rwmode!r}")
    for key in ("enforce", "enforce_internal"):
        if (mode := getattr(config.auth, key)) not in _MODES:
            raise BadRequest(f"[auth] {key} must be none, token, authfile or dsg, and not {mode!r}")
    return config
