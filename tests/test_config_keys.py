"""Keys of a configuration that have no effect are named, with the reason or with what was probably meant."""

from __future__ import annotations

import msgspec
import pytest

from dvid_framework.config import Config
from dvid_framework.config_keys import keys_without_effect


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ('[server]\nhttpAdress = "x"\n', "server.httpAdress", "is httpAddress meant"),
        ("[limit]\nthreads = 3\n", "limit", "is limits meant"),
        ('[server]\nrpcAddress = "localhost:8001"\n', "server.rpcAddress", "no RPC port"),
        ('[mutations]\nhttpstore = "kafka:x"\n', "mutations.httpstore", "jsonstore"),
        ("[groupcache]\ngb = 3\n", "groupcache", "cache_bytes"),
        ('[backend.default]\nstore = "a"\nlog = "b"\n', "backend.*.log", "same batches"),
        ("[zzz]\na = 1\n", "zzz", "not known"),
        ('folder = "/"\n', "folder", "not known"),
    ],
)
def test_a_key_without_effect_is_named(text: str, key: str, reason: str) -> None:
    ((found, why),) = keys_without_effect(msgspec.toml.decode(text))
    assert found == key
    assert reason in why


def test_what_has_an_effect_is_not() -> None:
    text = (
        Config().masked() + '[store.a]\nengine = "leveldb"\nanything = 1\n[plugin.b]\nc = 1\n[backend.d]\nstore = "a"\n'
    )
    assert not list(keys_without_effect(msgspec.toml.decode(text)))
