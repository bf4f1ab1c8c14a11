"""The way to the service: tokens, tries, limits, hosts, and secrets that stay secret."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from dvid_googlevoxels.service import BrainMaps

from dvid_framework.api import BadGateway, BadRequest


def test_a_token_serves_many_requests_and_is_renewed_when_it_is_refused(proxy: Any, fake: Any) -> None:
    proxy.make(tilesize="8").ok()
    assert fake.tokens_given == 1
    for number in range(3):
        proxy.get(f"tile/xy/0/{number}_0_0").ok()
    assert fake.tokens_given == 2, "one for the making, one for the instance"
    fake.revoked.add("secret-token-2")
    proxy.get("tile/xy/0/0_0_0").ok()
    assert fake.tokens_given == 3
    fake.revoked.update({f"secret-token-{number}" for number in range(10)})
    refused = proxy.get("tile/xy/0/0_0_0")
    assert refused.status == 400
    assert "status 401" in refused.text


def test_a_busy_service_is_tried_again(proxy: Any, fake: Any) -> None:
    proxy.make(tilesize="8").ok()
    fake.failures = [503, 429, 500]
    before = len(fake.bodies())
    proxy.get("tile/xy/0/0_0_0").ok()
    assert len(fake.bodies()) == before + 4
    fake.failures = [503] * 20
    refused = proxy.get("tile/xy/0/0_0_0")
    assert (refused.status, "status 503" in refused.text) == (400, True)
    assert len(fake.failures) >= 15, "it gives up after some tries"
    fake.failures = [403]
    assert "status 403" in proxy.get("tile/xy/0/0_0_0").text, "what is refused is not tried again"
    assert fake.failures == []


def test_no_redirect_is_followed(proxy: Any, fake: Any) -> None:
    proxy.make(tilesize="8").ok()
    fake.redirect = f"{fake.url}/v1/elsewhere"
    refused = proxy.get("tile/xy/0/0_0_0")
    assert refused.status == 400
    assert "status 302" in refused.text
    assert not [path for _, path, _ in fake.asked if "elsewhere" in path]


def test_answers_are_bounded(proxy: Any, fake: Any) -> None:
    proxy.make(tilesize="64").ok()
    fake.longer = 3 << 20
    tile = proxy.get("tile/xy/0/0_0_0")
    assert tile.status == 502
    assert "more than" in tile.text
    assert proxy.get("raw/0_1_2/8_8_8/0_0_0?compression=lz4").status == 502
    fake.longer = 0
    fake.picture = (3000, 3000)
    cut = proxy.get("tile/xy/0/1_1_0")
    assert cut.status == 502, "a picture of another size is not decoded"


def test_a_subvolume_of_the_wrong_length_is_no_answer(proxy: Any, fake: Any) -> None:
    proxy.make().ok()
    fake.longer = 5
    assert proxy.get("raw/0_1_2/8_8_8/0_0_0").status == 502
    fake.longer = -5  # seen only when all the rest is sent
    with proxy.server.new_client() as client, pytest.raises((OSError, HTTPException)):
        client.get(f"/api/node/{proxy.uuid}/em/raw/0_1_2/100_80_60/0_0_0")


def test_a_slow_service_does_not_keep_others_from_being_served(proxy: Any, fake: Any) -> None:
    proxy.make(tilesize="8").ok()
    fake.slow = threading.Event()
    clients = [proxy.server.new_client() for _ in range(12)]
    path = f"/api/node/{proxy.uuid}/em/tile/xy/0/0_0_0"
    waiting = [threading.Thread(target=client.get, args=(path,)) for client in clients]
    for thread in waiting:
        thread.start()
    while len(fake.bodies()) < 8:
        time.sleep(0.01)
    assert proxy.make("other").status == 200, "what needs a thread of the server gets one"
    fake.slow.set()
    for thread in waiting:
        thread.join()


def test_a_service_that_is_away(keys: Path) -> None:
    service = BrainMaps("robot.json", {"url": "http://127.0.0.1:9/v1", "keys": str(keys), "seconds": 0.5})
    with pytest.raises((BadGateway, BadRequest)):
        service.volumes()
    service.close()


@pytest.mark.parametrize("url", ["", "ftp://host/", "file:///etc/passwd", "nonsense"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(BadRequest, match="url"):
        BrainMaps("robot.json", {"url": url})


def test_secrets_are_in_no_log_and_no_info(
    proxy: Any, fake: Any, keys: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy.make(tilesize="8").ok()
    fake.failures = [503]
    proxy.get("tile/xy/0/0_0_0").ok()
    fake.redirect = "http://127.0.0.1:9/"
    refused = proxy.get("tile/xy/0/0_0_0").text
    private = (keys / "robot.json").read_text().split("PRIVATE KEY-----")[1][10:60]
    shown = proxy.get("info").text + proxy.client.get(f"/api/repo/{proxy.uuid}/info").text + refused
    activity = (proxy.server.data / "activity.log").read_text()
    captured = capsys.readouterr()
    for text in (caplog.text, shown, activity, captured.out, captured.err):
        assert "secret-token" not in text
        assert private not in text
        assert "assertion" not in text
    stored = b"".join(path.read_bytes() for path in proxy.server.data.rglob("*") if path.is_file())
    assert private.encode() not in stored


def test_the_command_lists_volumes(fake: Any, keys: Path) -> None:
    command = [sys.executable, "-m", "dvid_googlevoxels", str(keys / "robot.json")]
    environment = {"DVID_BRAINMAPS_URL": f"{fake.url}/v1", "PATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "281930192:stanford" in done.stdout
    fake.failures = [403]
    failed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
