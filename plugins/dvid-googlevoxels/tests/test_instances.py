"""New instances: what is needed, what the service is asked, and what `info` shows of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dvid_framework.testing.running import ServerThread


def test_info_shows_what_the_service_said(proxy: Any) -> None:
    proxy.make().ok()
    extended = proxy.get("info").ok().json()["Extended"]
    assert extended == {
        "VolumeID": "281930192:stanford",
        "MinTileCoord": [0, 0, 0],
        "MaxTileCoord": [1, 1, 1],
        "TileSize": 512,
        "GeomMap": {"XY:0": 0, "XZ:0": 0, "YZ:0": 0, "XYZ:0": 0, "XY:1": 1, "XYZ:1": 2, "XYZ:2": 3},
        "Scales": [
            {"volumeSize": [100, 80, 60], "channelCount": 1, "channelType": "UINT8", "pixelSize": [8, 8, 8]},
            {"volumeSize": [50, 40, 60], "channelCount": 1, "channelType": "UINT8", "pixelSize": [16, 16, 8]},
            {"volumeSize": [50, 40, 30], "channelCount": 1, "channelType": "UINT8", "pixelSize": [16, 16, 16]},
            {"volumeSize": [25, 20, 15], "channelCount": 1, "channelType": "UINT8", "pixelSize": [32, 32, 32]},
        ],
        "HighResIndex": 0,
        "Levels": {
            "0": {"Resolution": [8, 8, 8], "TileSize": [512, 512, 512]},
            "1": {"Resolution": [16, 16, 16], "TileSize": [512, 512, 512]},
            "2": {"Resolution": [32, 32, 32], "TileSize": [512, 512, 512]},
        },
    }


def test_the_finest_geometry_need_not_be_the_first(proxy: Any, fake: Any) -> None:
    fake.describe(
        fake.geometry((20, 20, 5), (32, 8, 40)),
        fake.geometry((80, 40, 5), (8, 4.5, 40)),
        fake.geometry((80, 5, 20), (8, 36, 160)),
    )
    proxy.make(tilesize="10").ok()
    extended = proxy.get("info").ok().json()["Extended"]
    assert extended["HighResIndex"] == 1
    # x is coarser by 4 and y by 1.8; of the third y by 8 and z by 4
    assert extended["GeomMap"] == {"XY:0": 1, "XZ:0": 1, "YZ:0": 1, "XYZ:0": 1, "XY:2": 0, "YZ:3": 2}
    assert extended["MaxTileCoord"] == [2, 2, 1]
    assert extended["Levels"]["3"] == {"Resolution": [64, 36, 320], "TileSize": [10, 10, 10]}


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"volumeid": ""}, "volumeid"),
        ({"jwtfile": ""}, "jwtfile"),
        ({"jwtfile": "missing.json"}, "jwtfile"),
        ({"jwtfile": "text.json"}, "jwtfile"),
        ({"jwtfile": "nokey.json"}, "jwtfile"),
        ({"jwtfile": "../outside.json"}, "folder"),
        ({"jwtfile": "elsewhere.json"}, "token_uri"),
        ({"volumeid": "unknown"}, "status 404"),
        ({"volumeid": "a/b"}, "volumeid"),
        ({"tilesize": "0"}, "tilesize"),
        ({"tilesize": "x"}, "tilesize"),
    ],
)
def test_settings_that_are_refused(proxy: Any, keys: Path, settings: dict[str, str], word: str) -> None:
    good = json.loads((keys / "robot.json").read_text())
    (keys / "text.json").write_text("no JSON")
    (keys / "nokey.json").write_text(json.dumps({**good, "private_key": "PRIVATE PARTS"}))
    (keys / "elsewhere.json").write_text(json.dumps({**good, "token_uri": "http://127.0.0.2:1/token"}))
    (keys.parent / "outside.json").write_text(json.dumps(good))
    refused = proxy.make(**settings)
    assert refused.status == 400, refused.text
    assert word in refused.text
    assert "PRIVATE" not in refused.text
    assert proxy.get("info").status == 400, "nothing was made"


@pytest.mark.parametrize(
    "body",
    [
        [],
        [{"volumeSize": {"x": "1"}}],
        [
            {
                "volumeSize": dict.fromkeys("xyz", "0"),
                "pixelSize": dict.fromkeys("xyz", 8),
                "channelCount": "1",
                "channelType": "UINT8",
            }
        ],
        [
            {
                "volumeSize": dict.fromkeys("xyz", "9"),
                "pixelSize": dict.fromkeys("xyz", 0),
                "channelCount": "1",
                "channelType": "UINT8",
            }
        ],
        [
            {
                "volumeSize": dict.fromkeys("xyz", "9" * 5000),
                "pixelSize": dict.fromkeys("xyz", 8),
                "channelCount": "1",
                "channelType": "UINT8",
            }
        ],
    ],
)
def test_descriptions_that_make_no_sense(proxy: Any, fake: Any, body: Any) -> None:
    fake.describe(*body)
    assert proxy.make().status == 400


def test_instances_survive_a_restart_without_asking_again(proxy: Any, fake: Any) -> None:
    proxy.make(tilesize="16").ok()
    before = proxy.get("info").ok().json()
    server: ServerThread = proxy.server
    server.restart()
    asked = len(fake.asked)
    after = proxy.get("info").ok().json()
    assert after["Extended"] == before["Extended"]
    assert len(fake.asked) == asked
    proxy.get("tile/xy/0/0_0_0").ok()
