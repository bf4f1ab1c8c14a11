"""Routes of the server as a whole."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from dvid_framework.errors import BadRequest
from dvid_framework.http.answers import Answer, Bytes, empty, json_answer, text_answer
from dvid_framework.http.auth import need_admin
from dvid_framework.http.call import Call, CoreRequest
from dvid_framework.http.raml import raml_text
from dvid_framework.http.routing import PointRead, get, point_read, post

__all__ = ["ROUTES"]


@point_read("/api/server/info")
def server_info(call: Call) -> Answer:
    """Tell what runs here: version, storage engines, uptime, and plugins that were left out. All values are strings."""
    return json_answer(call.server.info())


@get("/api/server/note")
async def server_note(request: CoreRequest) -> Answer:
    """Return the note of the configuration."""
    return text_answer(request.server.config.server.note)


@get("/api/server/config")
async def server_config(request: CoreRequest) -> Answer:
    """Return the configuration with secrets masked. Needs admin."""
    need_admin(request.call)
    return text_answer(request.server.config.masked())


@get("/api/server/types")
async def types_in_use(request: CoreRequest) -> Answer:
    """Return `{type: url}` of the types that have instances now."""
    used = request.server.instances.type_names_in_use()
    return json_answer({name: kind.url for name, kind in request.server.datatypes.items() if name in used})


@get("/api/server/compiled-types")
async def all_types(request: CoreRequest) -> Answer:
    """Return `{type: url}` of all installed types."""
    return json_answer({name: kind.url for name, kind in request.server.datatypes.items()})


@get("/api/server/plugins")
async def plugins(request: CoreRequest) -> Answer:
    """Return the plugins with their distributions, and why any of them was left out."""
    return json_answer(
        [
            {"name": plugin.name, "distribution": plugin.distribution, "error": plugin.error}
            for plugin in request.server.plugins.loaded
        ]
    )


@get("/api/server/groupcache")
async def groupcache(request: CoreRequest) -> Answer:
    """Return the figures of the distributed cache; there is none here, so all are 0."""
    del request
    names = "Gets CacheHits PeerLoads PeerErrors Loads LoadsDeduped LocalLoads LocalLoadErrs ServerRequests"
    cache = dict.fromkeys(("Bytes", "Items", "Gets", "Hits", "Evictions"), 0)
    return json_answer({**dict.fromkeys(names.split(), 0), "MainCache": cache, "HotCache": cache})


@post("/api/server/settings", mutates=False)
async def settings(request: CoreRequest) -> Answer:
    """Change `throttle` (operations at a time) or `gc`, numbers or strings of numbers. Needs admin.

    Answers one line for each change.
    """
    need_admin(request.call)
    config = {key.lower(): value for key, value in (await request.read_config()).items()}
    changed = {}
    for name in ("gc", "throttle"):
        if name in config:
            try:
                if isinstance(config[name], bool | float):
                    raise TypeError(name)
                changed[name] = int(config[name])
            except (TypeError, ValueError) as error:
                raise BadRequest(f"setting {name!r} must be a whole number") from error
            least = 0 if name == "throttle" else 1  # without a place every throttled operation is refused
            if not least <= changed[name] <= 10_000:
                raise BadRequest(f"setting {name!r} must be {least} to 10000")
    lines = [request.server.change_setting(name, value) for name, value in changed.items()]
    return text_answer("".join(f"{line}\n" for line in lines))


@get("/api/storage")
async def storage(request: CoreRequest) -> Answer:
    """Return the bytes of each instance by store: name, type, data UUID and root UUID. Needs admin."""
    need_admin(request.call)
    return json_answer(await request.run(request.server.storage_summary))


@get("/api/load")
async def load(request: CoreRequest) -> Answer:
    """Return how busy the server is: integers, per second."""
    return json_answer(request.server.activity.load())


@get("/api/heartbeat")
async def heartbeat(request: CoreRequest) -> Answer:
    """Return OK."""
    request.server.activity.ping(request.who)
    return text_answer("OK")


@get("/api/user-latencies")
async def user_latencies(request: CoreRequest, u: FromQuery[str | None] = None) -> Answer:
    """Return the pings of each user, or of the one named by `u`."""
    return json_answer(request.server.activity.latencies(u))


@get("/interface/version")
async def interface_version(request: CoreRequest) -> Answer:
    """Return the version of the interface."""
    del request
    return text_answer("v1\n")


@get("/interface")
async def interface(request: CoreRequest) -> Answer:
    """Return the addresses of the server and of each type as RAML 0.8; OpenAPI pages are at `/schema`."""
    server = request.server
    types = {name: server.routes_of(kind) for name, kind in server.datatypes.items()}
    text = raml_text(server.core_routes(), types)
    headers = [(b"content-type", b"application/raml+yaml"), (b"content-length", str(len(text)).encode())]
    return Bytes(200, headers, text)


@get("/")
async def front_page(request: CoreRequest) -> Answer:
    """Lead to the help pages."""
    del request
    return empty(307, {"Location": "/api/help"})


ROUTES: list[HTTPRouteHandler | PointRead] = [
    server_info,
    server_note,
    server_config,
    types_in_use,
    all_types,
    plugins,
    groupcache,
    settings,
    storage,
    load,
    heartbeat,
    user_latencies,
    interface_version,
    interface,
    front_page,
]
