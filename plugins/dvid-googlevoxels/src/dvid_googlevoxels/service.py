"""The service, over HTTP: time limits, bounded answers, repeated tries, and no other host than the configured one."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from dvid_framework.api import BadGateway, BadRequest
from dvid_googlevoxels.credentials import Tokens, read_service_account

__all__ = ["BrainMaps"]

_BASE = "https://brainmaps.googleapis.com/v1"
_TOKEN_HOSTS = ("oauth2.googleapis.com", "www.googleapis.com", "accounts.google.com")
_TRIES = 4
_FIRST_PAUSE = 0.1
_CONNECTIONS = 16
_TIMES = httpx.Timeout(30.0, connect=5.0)
_MOST_JSON = 16 << 20
_PIECE = 1 << 20
_AGAIN = frozenset({429, 500, 502, 503, 504})


class BrainMaps:
    """One service account's way to the service. Safe to use from several threads.

    Args:
        jwt_file: the key of the service account.
        options: `url` of the service, `token_hosts` that may give tokens beside Google's and the service's own, `keys`
            (the folder of key files), `seconds` for which a request may be tried in all.

    Raises:
        BadRequest: the options are wrong.
    """

    def __init__(self, jwt_file: str, options: Mapping[str, Any]) -> None:
        self._base = str(options.get("url", _BASE)).rstrip("/")
        address = urlsplit(self._base)
        if address.scheme not in ("http", "https") or not address.netloc:
            raise BadRequest("[plugin.googlevoxels] url must be the http or https address of the service")
        self._seconds = float(options.get("seconds", 60.0))
        # redirects would send the token elsewhere; answers come as they are, so that their length is known
        self._client = httpx.Client(
            timeout=_TIMES,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=_CONNECTIONS),
            headers={"Accept-Encoding": "identity"},
        )
        hosts = frozenset({address.netloc, *_TOKEN_HOSTS, *map(str, options.get("token_hosts", ()))})
        folder = str(options.get("keys", ""))
        self._tokens = Tokens(lambda: read_service_account(jwt_file, folder), hosts, self._post_form)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    # -- what is asked

    def volumes(self) -> bytes:
        """Return the list of volumes, as the service gives it."""
        return self._whole("GET", "/volumes", None, _MOST_JSON)

    def volume(self, volume_id: str) -> bytes:
        """Return what the service says of a volume, in JSON."""
        return self._whole("GET", f"/volumes/{quote(volume_id, safe=':')}", None, _MOST_JSON)

    def image(self, volume_id: str, body: bytes, most: int) -> bytes:
        """Return an image of at most so many bytes."""
        return self._whole("POST", f"/volumes/{quote(volume_id, safe=':')}/imagetile:binary", body, most)

    def voxels(self, volume_id: str, body: bytes, most: int) -> bytes:
        """Return a subvolume of at most so many bytes."""
        return self._whole("POST", f"/volumes/{quote(volume_id, safe=':')}/subvolume:binary", body, most)

    def voxel_pieces(self, volume_id: str, body: bytes, expected: int) -> Iterator[bytes]:
        """Yield a subvolume piece by piece; it must have just so many bytes.

        Raises:
            BadGateway: it has not, or the service fails. What was given by then is no whole answer.
        """
        with self._answer("POST", f"/volumes/{quote(volume_id, safe=':')}/subvolume:binary", body) as answer:
            count = 0
            for piece in self._pieces(answer):
                count += len(piece)
                if count > expected:
                    break
                yield piece
            if count != expected:
                raise BadGateway(f"the service answers with other than the {expected} bytes that were asked for")

    # -- how

    def _whole(self, method: str, path: str, body: bytes | None, most: int) -> bytes:
        with self._answer(method, path, body) as answer:
            return self._bounded(answer, most)

    def _bounded(self, answer: httpx.Response, most: int) -> bytes:
        found = bytearray()
        for piece in self._pieces(answer):
            found += piece
            if len(found) > most:
                raise BadGateway(f"the service answers with more than {most} bytes")
        return bytes(found)

    @staticmethod
    def _pieces(answer: httpx.Response) -> Iterator[bytes]:
        try:
            yield from answer.iter_raw(_PIECE)
        except httpx.HTTPError as error:
            raise BadGateway(f"the service's answer breaks off ({type(error).__name__})") from error

    def _post_form(self, url: str, form: dict[str, str]) -> bytes:
        with self._tried("POST", url, {"data": form}, {}) as answer:
            if answer.status_code != 200:
                raise BadRequest(f"the service account gets no token: status {answer.status_code}")
            return self._bounded(answer, _MOST_JSON)

    @contextmanager
    def _answer(self, method: str, path: str, body: bytes | None) -> Iterator[httpx.Response]:
        """Give an answer with status 200; a token that is refused is renewed once."""
        for last in (False, True):
            headers = {"Authorization": f"Bearer {self._tokens.get()}", "Content-Type": "application/json"}
            with self._tried(method, self._base + path, {"content": body}, headers) as answer:
                if answer.status_code == 401 and not last:
                    self._tokens.forget()
                    continue
                if answer.status_code != 200:
                    raise BadRequest(f"the service answers with status {answer.status_code}")
                yield answer
                return

    @contextmanager
    def _tried(
        self, method: str, url: str, content: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        """Give an answer, trying again for a while where the service is away or busy. All requests only read."""
        until, pause = time.monotonic() + self._seconds, _FIRST_PAUSE
        answer: httpx.Response | None = None
        failure: httpx.HTTPError | None = None
        for attempt in range(_TRIES):
            if attempt:
                wait = pause * random.uniform(1.0, 1.5)  # noqa: S311 - spreads tries
                if time.monotonic() + wait > until:
                    break
                time.sleep(wait)
                pause *= 2
            if answer is not None:
                answer.close()
                answer = None
            try:
                request = self._client.build_request(method, url, headers=dict(headers), **content)
                answer = self._client.send(request, stream=True)
            except httpx.HTTPError as error:
                failure = error
                continue
            if answer.status_code not in _AGAIN:
                break
        if answer is None:
            name = type(failure).__name__
            raise BadGateway(f"the service does not answer ({name})") from failure
        try:
            yield answer
        finally:
            answer.close()
