"""One client with many heavy requests: others are served in between, and what is too much is told to come again."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterable

from dvid_framework.api import Answer, Datatype, FromPath, Instance, InstanceRequest, get, hookimpl, text_answer
from dvid_framework.config import Config, LimitSettings
from dvid_framework.plugins import Plugins
from dvid_framework.testing.pytest_plugin import ServerFactory
from dvid_framework.testing.running import ServerThread

_HEAVY, _LIGHT = 100, 10
_SECONDS = 0.06


@get("/work/{seconds:str}")
async def work(request: InstanceRequest[Instance], seconds: FromPath[str]) -> Answer:
    """Work in a thread for some seconds."""
    await request.run(time.sleep, float(seconds))
    return text_answer("done")


class Heavy(Datatype):
    """A type whose requests take a while."""

    name = "heavy"
    url = "github.com/example/heavy"
    instance = Instance
    routes = (work,)


class _Plugin:
    @staticmethod
    @hookimpl
    def dvid_datatypes() -> Iterable[type[Datatype]]:
        return [Heavy]


def _get(server: ServerThread, source: str, path: str) -> tuple[int, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60, source_address=(source, 0))
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("retry-after")
    finally:
        connection.close()


def test_light_requests_of_others_come_in_between(dvid_server: ServerFactory) -> None:
    limits = LimitSettings(threads=2, waiting_requests=60)
    server = dvid_server(config=Config(limits=limits), plugins=Plugins({"heavy": _Plugin()}, discover=False))
    root = server.client.new_repo()
    server.client.new_instance(root, "heavy", "h")
    address, heavy = f"/api/node/{root}/h/work", list[tuple[int, str | None]]()

    def burden() -> None:
        heavy.append(_get(server, "127.0.0.1", f"{address}/{_SECONDS}"))

    threads = [threading.Thread(target=burden) for _ in range(_HEAVY)]
    for thread in threads:
        thread.start()
    while not heavy:  # those over the bound are refused at once, or the first ones are done
        time.sleep(0.001)
    light = [_get(server, "127.0.0.2", f"{address}/0.001")[0] for _ in range(_LIGHT)]
    done_meanwhile = sum(status == 200 for status, _ in heavy)
    for thread in threads:
        thread.join()
    assert light == [200] * _LIGHT
    assert done_meanwhile < 50, "the light ones waited for nearly all heavy ones"
    counts = Counter(status for status, _ in heavy)
    assert set(counts) == {200, 503}
    assert counts[200] >= 60
    assert all(retry == "1" for status, retry in heavy if status == 503)
    assert _get(server, "127.0.0.1", f"{address}/0")[0] == 200, "places are given back"
