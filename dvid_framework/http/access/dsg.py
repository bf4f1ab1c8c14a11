"""The mode `dsg`: a DatasetGateway says who asks, and for which of its datasets they have which permissions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from dvid_framework.errors import AccessDenied, DvidError, Unauthorized
from dvid_framework.http.access.caller import Caller, Headers, bearer, refused
from dvid_framework.http.access.gateway import Gateway, GatewayUser

__all__ = ["DsgMode"]

_COOKIE = "dsg_token"
_WRITERS = frozenset({"admin", "manage", "edit"})
_READERS = _WRITERS | {"view"}
_TOKEN = re.compile(r"[!-~]{1,8192}")


def _cookie(headers: Headers) -> str:
    for name, value in headers:
        if name == b"cookie":
            try:
                morsel = SimpleCookie(value.decode("latin-1")).get(_COOKIE)
            except CookieError:
                continue
            if morsel is not None:
                return morsel.value
    return ""


class DsgMode:
    """Users of a DatasetGateway. Its administrators are administrators here.

    Args:
        gateway: the gateway's client.
        datasets: name of the gateway's dataset by a repo's root UUID.
    """

    def __init__(self, gateway: Gateway, datasets: Mapping[str, str]) -> None:
        self.gateway = gateway
        self._datasets = datasets

    async def __call__(self, headers: Headers, cookies: bool) -> Caller:
        """Return who asks, by a bearer token or else by the cookie."""
        token = bearer(headers) or (_cookie(headers) if cookies else "")
        if not token:
            return refused(Unauthorized("this needs a token: Authorization: Bearer, or the cookie dsg_token"))
        if not _TOKEN.fullmatch(token):
            return refused(Unauthorized("this is no token"))
        try:
            user = await self.gateway.user_of(token)
        except DvidError as error:
            return refused(error)
        return Caller(lambda root, write: self._judge(user, root, write), user.email, lambda _root: user.admin)

    def _judge(self, user: GatewayUser, root: str, write: bool) -> DvidError | None:
        if user.admin:
            return None
        dataset = self._datasets.get(root)
        if dataset is None:
            return AccessDenied("this repo is no dataset of the DatasetGateway: only its administrators may use it")
        if dataset in user.datasets_admin:
            return None
        if not (_WRITERS if write else _READERS).isdisjoint(user.permissions_v2.get(dataset, ())):
            return None
        return AccessDenied(f"you may not {'write' if write else 'read'} the dataset {dataset!r}")
