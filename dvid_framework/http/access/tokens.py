"""The mode `token`: JWTs that are signed with a secret which the server shares with whoever makes them."""

from __future__ import annotations

from dvid_framework.errors import BadRequest, Forbidden
from dvid_framework.http.access.caller import Caller, Headers, bearer, refused

__all__ = ["SECRET", "TokenMode"]

SECRET = "DVID_JWT_SECRET_KEY"  # noqa: S105 - the name of the variable
_ALGORITHMS = ["HS256", "HS384", "HS512"]
_LONGEST_TOKEN = 16 << 10


class TokenMode:
    """Everyone with a valid token may read and write.

    Args:
        secret: what the tokens are signed with.

    Raises:
        BadRequest: there is no secret.
    """

    def __init__(self, secret: str) -> None:
        if not secret:
            raise BadRequest(f"[auth] enforce needs the secret of its tokens in the environment variable {SECRET}")
        import jwt  # noqa: PLC0415 - servers that ask for no tokens start without it

        self._errors = jwt
        self._secret = secret
        # The operator chose the secret; a short one is reported once at the start and not with each request.
        self._jwt = jwt.PyJWT(options={"enforce_minimum_key_length": False})

    def user_of(self, headers: Headers) -> str | Forbidden:
        """Return the user whom a token names, or what is wrong with it."""
        token = bearer(headers)
        if not token:
            return Forbidden("this needs a token: Authorization: Bearer JWT")
        if len(token) > _LONGEST_TOKEN:
            return Forbidden("the token is not valid")
        try:
            claims = self._jwt.decode(token, self._secret, algorithms=_ALGORITHMS, options={"verify_aud": False})
        except self._errors.ExpiredSignatureError:
            return Forbidden("the token is not valid any more: it has expired")
        except (self._errors.PyJWTError, ValueError, RecursionError):
            return Forbidden("the token is not valid")
        user = claims.get("user")
        if not isinstance(user, str) or not user:
            return Forbidden("the token is not valid: its claim `user` must be a text")
        return user

    async def __call__(self, headers: Headers, cookies: bool) -> Caller:
        """Return who asks."""
        del cookies
        user = self.user_of(headers)
        return refused(user) if isinstance(user, Forbidden) else Caller(lambda _root, _write: None, user)
