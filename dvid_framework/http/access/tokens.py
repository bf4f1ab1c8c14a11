"""The mode `token`: JWTs signed with a secret that the server shares with whoever makes them, and tokens of a file."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from dvid_framework.errors import BadRequest, DvidError, Forbidden
from dvid_framework.http.access.caller import Caller, Headers, bearer, refused
from dvid_framework.http.access.lines import read_json, read_lines
from dvid_framework.http.access.rights import EVERYTHING_BUT_ADMIN, Rights

__all__ = ["SECRET", "Proven", "TokenMode", "caller_of"]

SECRET = "DVID_JWT_SECRET_KEY"  # noqa: S105 - the name of the variable
_ALGORITHMS = ["HS256", "HS384", "HS512"]
_LONGEST_TOKEN = 16 << 10
_SHORT_SECRET = 32
_log = structlog.get_logger("dvid.access")


@dataclass(frozen=True, slots=True)
class Proven:
    """What a token proves.

    Attributes:
        user: whose it is.
        rights: what it allows; None if it says nothing of that.
    """

    user: str
    rights: Rights | None = None


class _KeptToken(msgspec.Struct):
    """An entry of the file of tokens."""

    user: str
    roles: Any = None
    expires: float = float("inf")


def caller_of(user: str, rights: Rights) -> Caller:
    """Return a caller with these rights."""

    def judge(root: str, write: bool) -> DvidError | None:
        if rights.allows(root, write):
            return None
        return Forbidden(f"the user of this token may not {'write' if write else 'read'} this repo")

    return Caller(judge, user, rights.administers)


class TokenMode:
    """Everyone with a valid token may read and write, or what its claim `roles` says.

    Args:
        secret: what JWTs are signed with, if no file has it.
        secret_file: a file with a secret on each line; JWTs signed with any of them are valid.
        token_file: JSON of tokens by their SHA-256.

    Raises:
        BadRequest: there is neither a secret nor a file of tokens, or a file is wrong; the message names the key.
    """

    def __init__(self, secret: str = "", secret_file: Path | None = None, token_file: Path | None = None) -> None:
        if not secret and secret_file is None and token_file is None:
            raise BadRequest(
                f"[auth] enforce needs the secret of its tokens in the environment variable {SECRET}, or in a file: "
                "`secret_file` or `token_file`"
            )
        import jwt  # noqa: PLC0415 - servers that ask for no tokens start without it

        self._errors = jwt
        # The operator chose the secret; a short one is reported once at the start and not with each request.
        self._jwt = jwt.PyJWT(options={"enforce_minimum_key_length": False})
        self._given = secret
        self._secret_file, self._token_file = secret_file, token_file
        self._secrets: list[str] = []
        self._tokens: dict[str, tuple[float, Proven]] = {}
        self.reload()

    def reload(self) -> None:
        """Read the files again; one that is wrong changes nothing.

        Raises:
            BadRequest: it can't be read, or is not what is wanted.
        """
        secrets = [self._given] if self._secret_file is None else read_lines("[auth] secret_file", self._secret_file)
        tokens = {} if self._token_file is None else _read_tokens(self._token_file)
        self._secrets, self._tokens = [secret for secret in secrets if secret], tokens
        if any(len(secret) < _SHORT_SECRET for secret in self._secrets):
            _log.warning("a secret of the tokens is short; 32 bytes or more are safe")

    def prove(self, headers: Headers) -> Proven | Forbidden:
        """Return what a token proves, or what is wrong with it."""
        token = bearer(headers)
        if not token:
            return Forbidden("this needs a token: Authorization: Bearer JWT")
        if len(token) > _LONGEST_TOKEN:
            return Forbidden("the token is not valid")
        kept = self._tokens.get(hashlib.sha256(token.encode()).hexdigest())  # only hashes are compared: no time leaks
        if kept is not None:
            return kept[1] if time.time() < kept[0] else Forbidden("the token is not valid any more: it has expired")
        answer: Proven | Forbidden = Forbidden("the token is not valid")
        for secret in self._secrets:
            try:
                claims = self._jwt.decode(token, secret, algorithms=_ALGORITHMS, options={"verify_aud": False})
            except self._errors.ExpiredSignatureError:
                return Forbidden("the token is not valid any more: it has expired")
            except (self._errors.PyJWTError, ValueError, RecursionError):
                continue
            return _read_claims(claims)
        return answer

    async def __call__(self, headers: Headers, cookies: bool) -> Caller:
        """Return who asks."""
        del cookies
        proven = self.prove(headers)
        if isinstance(proven, Forbidden):
            return refused(proven)
        return caller_of(proven.user, EVERYTHING_BUT_ADMIN if proven.rights is None else proven.rights)


def _read_claims(claims: dict[str, Any]) -> Proven | Forbidden:
    user, roles = claims.get("user"), claims.get("roles")
    if not isinstance(user, str) or not user:
        return Forbidden("the token is not valid: its claim `user` must be a text")
    try:
        return Proven(user, None if roles is None else Rights.parse(roles))
    except ValueError as error:
        return Forbidden(f"the token is not valid: its claim `roles`: {error}")


def _read_tokens(path: Path) -> dict[str, tuple[float, Proven]]:
    what, found = "[auth] token_file", {}
    entries: dict[str, _KeptToken] = read_json(what, path, dict[str, _KeptToken])
    for digest, entry in entries.items():
        if len(digest) != hashlib.sha256().digest_size * 2 or set(digest) - set("0123456789abcdef"):
            raise BadRequest(f"{what}: a key must be the SHA-256 of a token, 64 lower-case hex digits")
        if not entry.user:
            raise BadRequest(f"{what}: an entry lacks its `user`")
        try:
            rights = None if entry.roles is None else Rights.parse(entry.roles)
        except ValueError as error:
            raise BadRequest(f"{what}: the roles of {entry.user!r}: {error}") from error
        found[digest] = (entry.expires, Proven(entry.user, rights))
    return found


def secret_of_environment() -> str:
    """Return the secret that the environment has, or an empty text."""
    return os.environ.get(SECRET, "")
