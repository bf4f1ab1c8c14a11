"""A service account's key, and the tokens that it gets. Neither is ever stored, shown or logged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import msgspec

from dvid_framework.api import BadGateway, BadRequest

__all__ = ["ServiceAccount", "Tokens", "read_service_account"]

_SCOPE = "https://www.googleapis.com/auth/brainmaps"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SECONDS = 3600
_EARLY = 60  # seconds before its end from which on a token is renewed
_MOST_BYTES = 1 << 20


class ServiceAccount(msgspec.Struct, frozen=True):
    """What is used of a key file."""

    client_email: str
    private_key: str
    token_uri: str

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_email})"


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: float = _SECONDS


def read_service_account(path: str, folder: str = "") -> ServiceAccount:
    """Read a key file.

    Args:
        path: where it is on the server.
        folder: where such files must be; anywhere if empty. A relative path then begins there.

    Raises:
        BadRequest: it can't be read or is no key; the message shows nothing of it.
    """
    file = Path(folder, path).resolve()
    if folder and not file.is_relative_to(Path(folder).resolve()):
        raise BadRequest("jwtfile must be in the folder that [plugin.googlevoxels] names as `keys`")
    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise BadRequest("the file named by jwtfile can't be read on the server") from error
    try:
        account = msgspec.json.decode(text, type=ServiceAccount)
        # signing says whether the key is one
        jwt.encode({}, account.private_key, algorithm="RS256")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, jwt.PyJWTError, ValueError, TypeError):
        # without the cause, which may show a part of the key
        raise BadRequest("the file named by jwtfile is no key of a service account, in JSON") from None
    return account


class Tokens:
    """The token of a service account, renewed before it ends.

    Args:
        account: reads the key; called when a token is needed, so that a changed key file counts.
        hosts: the `host:port` that may be asked for tokens.
        fetch: posts a form to a URL and returns the body of the answer.
    """

    def __init__(
        self,
        account: Callable[[], ServiceAccount],
        hosts: frozenset[str],
        fetch: Callable[[str, dict[str, str]], bytes],
    ) -> None:
        self._account = account
        self._hosts = hosts
        self._fetch = fetch
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def get(self) -> str:
        """Return a token that is valid now.

        Raises:
            BadRequest: the key is no key, or names a place for tokens that is not allowed.
            BadGateway: that place gives none.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                self._token, seconds = self._renewed()
                self._until = time.monotonic() + seconds - _EARLY
            return self._token

    def forget(self) -> None:
        """Take a new token next time; the present one is refused."""
        with self._lock:
            self._until = 0.0

    def _renewed(self) -> tuple[str, float]:
        account, now = self._account(), int(time.time())
        address = urlsplit(account.token_uri)
        if address.scheme not in ("http", "https") or address.netloc not in self._hosts:
            raise BadRequest("the key names a token_uri on a host that [plugin.googlevoxels] does not allow")
        claims = {
            "iss": account.client_email,
            "scope": _SCOPE,
            "aud": account.token_uri,
            "iat": now,
            "exp": now + _SECONDS,
        }
        assertion = jwt.encode(claims, account.private_key, algorithm="RS256")
        body = self._fetch(account.token_uri, {"grant_type": _GRANT, "assertion": assertion})
        try:
            answer = msgspec.json.decode(body, type=_TokenAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise BadGateway("the place that gives tokens answers with none") from None
        return answer.access_token, min(max(answer.expires_in, _EARLY + 1.0), 24 * 3600.0)
