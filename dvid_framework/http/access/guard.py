"""The guard: asked about each request where a configuration restricts who may use the server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dvid_framework.errors import BadRequest
from dvid_framework.http.access.authfile import AuthFileMode
from dvid_framework.http.access.blocklist import Blocklist
from dvid_framework.http.access.caller import ANYONE, Caller, Headers, Identify
from dvid_framework.http.access.cors import Cors
from dvid_framework.http.access.dsg import DsgMode
from dvid_framework.http.access.gateway import Gateway
from dvid_framework.http.access.proxies import Proxies
from dvid_framework.http.access.public import public_versions
from dvid_framework.http.access.tokens import TokenMode, secret_of_environment
from dvid_framework.versions.repo import Repo
from dvid_framework.versions.repos import Repos

if TYPE_CHECKING:
    from dvid_framework.config import Config
    from dvid_framework.http.call import Call

__all__ = ["Guard", "build_guard", "check_readable", "check_writable", "visible_versions"]

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


async def _nobody_is_asked(headers: Headers, cookies: bool) -> Caller:
    del headers, cookies
    return ANYONE


class Guard:
    """Finds out who asks, and refuses what they may not do.

    Args:
        mode: the mode of requests.
        internal: the mode of requests from within, which a trusted proxy marks with `X-DVID-Internal: true`.
        proxies: the trusted proxies.
        public: ids of public versions by id of their repo.
        blocklist: who is not served.
        cors: knows the web pages that may use a cookie.

    Attributes:
        enforces: whether repos are guarded at all.
        waits: whether finding out who asks may wait for somebody else.
    """

    def __init__(
        self,
        mode: Identify,
        internal: Identify,
        proxies: Proxies,
        public: Mapping[int, frozenset[int]],
        blocklist: Blocklist | None = None,
        cors: Cors | None = None,
    ) -> None:
        self._mode = mode
        self._internal = internal
        self._proxies = proxies
        self._public = public
        self._blocklist = blocklist
        self._cors = cors
        self.enforces = mode is not _nobody_is_asked
        self.waits = isinstance(mode, DsgMode) or isinstance(internal, DsgMode)

    def check_blocked(self, call: Call, peer: str) -> None:
        """Refuse users and addresses that are not served.

        Raises:
            Blocked: with the note of the list.
        """
        if self._blocklist is not None:
            self._blocklist.check_user(call.query.get("u", ""))
            self._blocklist.check_address(self._proxies.client(peer, call.raw_headers))

    async def admit(self, call: Call, peer: str) -> None:
        """Find out who asks.

        Raises:
            Blocked: the user whom a token names is not served.
        """
        within = (call.header(b"x-dvid-internal") or "").strip().lower() == "true"
        mode = self._internal if within and self._proxies.trusts(peer) else self._mode
        call.caller = await mode(call.raw_headers, cookies=self._cookie_counts(call))
        if self._blocklist is not None:
            self._blocklist.check_user(call.caller.user)

    def _cookie_counts(self, call: Call) -> bool:
        """Browsers send cookies whatever page makes the request, so a mutation needs a page of ours or a listed one."""
        origin = call.header(b"origin")
        if call.method in _READS or origin is None:
            return True
        host = call.header(b"host")
        return origin.partition("://")[2] == host or (self._cors is not None and self._cors.lists(origin))

    def authorize(self, call: Call) -> None:
        """Refuse what the caller may not do with the repo and version of the path.

        Raises:
            DvidError: of the status that the mode has for it.
        """
        assert call.repo is not None
        assert call.version is not None
        reads = call.method in _READS
        refusal = (call.caller or ANYONE).judge(call.repo.root, not reads)
        if refusal is not None and not (reads and call.version.id in self._public.get(call.repo.id, ())):
            raise refusal

    def visible(self, call: Call, repo: Repo) -> frozenset[int] | None:
        """Return the ids of the versions of a repo that the caller may know of; None for all."""
        if (call.caller or ANYONE).judge(repo.root, False) is None:
            return None
        return self._public.get(repo.id, frozenset())

    # -- what operators change while it runs

    def reload_blocklist(self) -> str:
        """Read the blocklist again, and return a sentence.

        Raises:
            BadRequest: it is wrong; the old one stays.
        """
        if self._blocklist is None:
            return "no blocklist is configured"
        return f"the blocklist has {self._blocklist.reload()} entries"

    def reload_files(self) -> None:
        """Read the files of users, secrets and tokens again.

        Raises:
            BadRequest: one is wrong; the old one stays.
        """
        for mode in (self._mode, self._internal):
            if isinstance(mode, AuthFileMode | TokenMode):
                mode.reload()

    def forget_users(self) -> None:
        """Forget what gateways have said; on the event loop."""
        for mode in (self._mode, self._internal):
            if isinstance(mode, DsgMode):
                mode.gateway.forget()

    def close(self) -> None:
        """Ask no gateway any more."""
        for mode in (self._mode, self._internal):
            if isinstance(mode, DsgMode):
                mode.gateway.close()


def visible_versions(call: Call, repo: Repo) -> frozenset[int] | None:
    """Return the ids of the versions of a repo that a caller may know of; None for all."""
    guard = call.server.guard
    return None if guard is None else guard.visible(call, repo)


def check_readable(call: Call, repo: Repo, versions: set[int]) -> None:
    """Refuse a request that names further versions than the one of its path, unless all are readable.

    Raises:
        DvidError: of the status that the mode has for it.
    """
    guard = call.server.guard
    seen = None if guard is None else guard.visible(call, repo)
    if seen is not None and not seen.issuperset(versions):
        refusal = (call.caller or ANYONE).judge(repo.root, False)
        assert refusal is not None
        raise refusal


def check_writable(call: Call, repo: Repo) -> None:
    """Refuse a request that changes something of a repo that is not named in its path.

    Raises:
        DvidError: of the status that the mode has for it.
    """
    if call.server.guard is not None and (refusal := (call.caller or ANYONE).judge(repo.root, True)) is not None:
        raise refusal


def _token_mode(config: Config) -> TokenMode:
    auth = config.auth
    files = (Path(config.folder, name) if name else None for name in (auth.secret_file, auth.token_file))
    return TokenMode(secret_of_environment(), *files)


def _mode(name: str, config: Config) -> Identify:
    auth = config.auth
    if name == "token":
        return _token_mode(config)
    if name == "authfile":
        if not auth.auth_file:
            raise BadRequest('[auth] enforce = "authfile" needs `auth_file`')
        return AuthFileMode(_token_mode(config), Path(config.folder, auth.auth_file))
    if name == "dsg":
        return DsgMode(Gateway(auth.dsg_address, auth.dsg_cache_ttl), auth.dataset_map)
    return _nobody_is_asked


def build_guard(config: Config, repos: Repos, cors: Cors | None) -> Guard | None:
    """Return the guard that a configuration asks for, or None if it restricts nothing.

    Raises:
        BadRequest: something in it is wrong; the message names the key.
    """
    auth, blocked = config.auth, config.server.block_list_file
    public = public_versions(repos, auth.public_versions)
    if auth.mode == auth.internal_mode == "none" and not blocked:
        return None
    proxies = Proxies(auth.trusted_proxies)
    blocklist = Blocklist(Path(config.folder, blocked)) if blocked else None
    mode = _mode(auth.mode, config)
    internal = mode if auth.internal_mode == auth.mode else _mode(auth.internal_mode, config)
    return Guard(mode, internal, proxies, public, blocklist, cors)
