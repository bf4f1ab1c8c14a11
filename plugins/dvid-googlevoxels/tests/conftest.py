"""A local fake of the service over real sockets, a service account for it, and a server with this plugin alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from PIL import Image

from dvid_framework.testing import Config
from dvid_framework.testing.client import Client, Reply
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

VOLUME = "281930192:stanford"


def voxels(kind: str, size: tuple[int, int, int]) -> np.ndarray:
    """The fake's volume, (z, y, x)."""
    dtype = {"UINT8": "u1", "FLOAT": "<f4", "UINT64": "<u8"}.get(kind, "<u2")
    return np.random.default_rng(7).integers(0, 250, size[::-1]).astype(dtype)


def geometry(size: tuple[int, int, int], pixel: tuple[float, float, float], kind: str = "UINT8") -> dict[str, Any]:
    return {
        "volumeSize": {axis: str(side) for axis, side in zip("xyz", size, strict=True)},
        "channelCount": "1",
        "channelType": kind,
        "pixelSize": dict(zip("xyz", pixel, strict=True)),
    }


@dataclass
class Fake:
    """What the service knows and was asked, and how it misbehaves."""

    key: rsa.RSAPrivateKey
    volumes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    tokens_given: int = 0
    revoked: set[str] = field(default_factory=set)
    failures: list[int] = field(default_factory=list)
    longer: int = 0
    slow: threading.Event | None = None
    picture: tuple[int, int] | None = None
    redirect: str = ""
    url: str = ""

    @property
    def geometries(self) -> list[dict[str, Any]]:
        """What it says of its volume."""
        return self.volumes[VOLUME]

    def describe(self, *described: dict[str, Any]) -> None:
        """Have other resolutions."""
        self.volumes[VOLUME] = list(described)

    @staticmethod
    def geometry(size: tuple[int, int, int], pixel: tuple[float, float, float], kind: str = "UINT8") -> dict[str, Any]:
        """One resolution as the service describes it."""
        return geometry(size, pixel, kind)

    def voxels(self, index: int = 0) -> np.ndarray:
        """The voxels (z, y, x) of a resolution."""
        described = self.geometries[index]
        x, y, z = (int(described["volumeSize"][axis]) for axis in "xyz")
        return voxels(described["channelType"], (x, y, z))

    def bodies(self) -> list[bytes]:
        """The bodies of the posts of voxels and images."""
        return [body for _, path, body in self.asked if path.endswith(":binary")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def fake(self) -> Fake:
        found: Fake = self.server.fake  # type: ignore[attr-defined]
        return found

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refused(self) -> bool:
        fake = self.fake
        if fake.failures:
            self._send(fake.failures.pop(0), b"try again")
            return True
        if fake.redirect:
            self._send(302, b"", Location=fake.redirect)
            return True
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token.startswith("secret-token-") or token in fake.revoked:
            self._send(401, b"who are you")
            return True
        return False

    def do_GET(self) -> None:
        self.fake.asked.append(("GET", self.path, b""))
        if self._refused():
            return
        if self.path == "/v1/volumes":
            self._send(200, json.dumps({"volumeId": sorted(self.fake.volumes)}).encode())
            return
        found = self.fake.volumes.get(self.path.removeprefix("/v1/volumes/"))
        if found is None:
            self._send(404, b"no such volume")
        else:
            self._send(200, json.dumps({"geometry": found}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.fake.asked.append(("POST", self.path, body))
        if self.path == "/token":
            self._token(body)
        elif self.fake.slow is not None:
            self.fake.slow.wait(20)
            self._send(404, b"")
        elif not self._refused():
            self._volume(json.loads(body))

    def _token(self, body: bytes) -> None:
        form = parse_qs(body.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        claims = jwt.decode(
            form["assertion"][0], self.fake.key.public_key(), ["RS256"], audience=self.fake.url + "/token"
        )
        assert claims["iss"] == "robot@example.org"
        assert claims["scope"] == "https://www.googleapis.com/auth/brainmaps"
        self.fake.tokens_given += 1
        answer = {"access_token": f"secret-token-{self.fake.tokens_given}", "token_type": "Bearer", "expires_in": 3600}
        self._send(200, json.dumps(answer).encode())

    def _volume(self, asked_for: dict[str, Any]) -> None:
        name, _, action = self.path.removeprefix("/v1/volumes/").partition("/")
        asked = asked_for["imageSpec"]["geometry"] if action == "imagetile:binary" else asked_for["geometry"]
        described = self.fake.volumes[name][asked["scale"]]
        whole = tuple(int(described["volumeSize"][axis]) for axis in "xyz")
        (x, y, z), (w, h, d) = ([int(n) for n in asked[key].split(",")] for key in ("corner", "size"))
        if min(x, y, z) < 0:
            self._send(400, b"outside")
            return
        box = voxels(described["channelType"], whole)[z : z + d, y : y + h, x : x + w]
        if action == "subvolume:binary" and asked_for["subvolumeFormat"] == "RAW":
            body = box.tobytes()
            self._send(200, body[: len(body) + self.fake.longer] + bytes(max(self.fake.longer, 0)))
            return
        options = asked_for["imageSpec"]["imageOptions"] if action == "imagetile:binary" else asked_for["imageOptions"]
        flat = box.reshape(d * h, w) if d > 1 and h > 1 and w > 1 else box.squeeze(axis=box.shape.index(1))
        if self.fake.picture is not None:
            flat = np.zeros(self.fake.picture, np.uint8)
        made = BytesIO()
        Image.fromarray(flat.astype(np.uint8)).save(made, options["imageFormat"])
        self._send(200, made.getvalue() + bytes(self.fake.longer))


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def fake(key: rsa.RSAPrivateKey) -> Iterator[Fake]:
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    listener.daemon_threads = True
    found = Fake(key, url=f"http://127.0.0.1:{listener.server_address[1]}")
    listener.fake = found  # type: ignore[attr-defined]
    found.volumes[VOLUME] = [
        geometry((100, 80, 60), (8, 8, 8)),
        geometry((50, 40, 60), (16, 16, 8)),
        geometry((50, 40, 30), (16, 16, 16)),
        geometry((25, 20, 15), (32, 32, 32)),
    ]
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
    thread.start()
    yield found
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.fixture
def keys(tmp_path: Path, fake: Fake) -> Path:
    """The folder of key files; `robot.json` is one."""
    folder = tmp_path / "keys"
    folder.mkdir()
    private = fake.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {
        "type": "service_account",
        "client_email": "robot@example.org",
        "private_key": private,
        "token_uri": f"{fake.url}/token",
    }
    (folder / "robot.json").write_text(json.dumps(account))
    return folder


@dataclass
class Proxy:
    """An instance at a version."""

    server: ServerThread
    uuid: str

    @property
    def client(self) -> Client:
        return self.server.client

    def make(self, name: str = "em", **settings: str) -> Reply:
        body = {"typename": "googlevoxels", "dataname": name, "volumeid": VOLUME, "jwtfile": "robot.json", **settings}
        return self.client.post(f"/api/repo/{self.uuid}/instance", {k: v for k, v in body.items() if v != ""})

    def get(self, rest: str, name: str = "em") -> Reply:
        return self.client.get(f"/api/node/{self.uuid}/{name}/{rest}")


@pytest.fixture
def proxy(dvid_server: ServerFactory, fake: Fake, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    monkeypatch.setenv("DVID_LOAD_PLUGINS", "googlevoxels")
    options = {"url": f"{fake.url}/v1", "keys": str(keys), "seconds": 3.0}
    server = dvid_server(config=Config(plugin={"googlevoxels": options}))
    return Proxy(server, server.client.new_repo())
