"""A tiny versioned key-value datatype, so that the core is tested without any plugin. Keys are single path segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from dvid_framework.api import (
    Answer,
    Datatype,
    FromPath,
    Instance,
    InstanceRequest,
    Job,
    NotFound,
    Step,
    Work,
    binary,
    delete,
    empty,
    get,
    hookimpl,
    json_answer,
    post,
)

__all__ = ["Tiny", "TinyInstance", "dvid_datatypes"]


class TinyInstance(Instance):
    """A versioned dictionary of bytes."""

    def jobs(self) -> Mapping[str, Work]:
        """Return the work in the background: appending to all pairs."""
        return {"append": self._append}

    def _append(self, job: Job) -> Iterator[Step]:
        """Append a text to the value of each key, once; the cursor is the last key that is done."""
        version, last = job.version, job.cursor
        assert version is not None
        with self.view(version) as view:
            todo = list(view.keys(b"" if last is None else last + b"\x00"))
        done = job.arguments["total"] - len(todo)
        for key in todo:
            done += 1
            with self.begin(version, user=job.user) as txn, self.view(version) as view:
                value = view.get(key)
                txn.put(key, bytes(value or b"") + job.arguments["text"].encode())
                txn.emit("append", Key=_text(key))
                job.keep(txn, Step(key, done, job.arguments["total"]))
            yield Step(key, done, job.arguments["total"])


class TinySettings(msgspec.Struct):
    """Settings of the type.

    Attributes:
        width: any whole number from 1 to 100, shown by `info`.
    """

    width: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 100:
            raise ValueError("width must be 1 to 100")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes | memoryview) -> str:
    return bytes(data).decode("utf-8", "replace")


@get("/pair/{key:str}")
async def get_pair(request: InstanceRequest[TinyInstance], key: FromPath[str]) -> Answer:
    """Return the value of a key; 404 without a body if there is none."""
    value = request.view.get(_bytes(key))
    if value is None:
        raise NotFound("")
    return binary(value)


@post("/pair/{key:str}")
async def set_pair(request: InstanceRequest[TinyInstance], key: FromPath[str]) -> Answer:
    """Set the value of a key to the body."""
    value = await request.read_body()

    def write() -> None:
        with request.begin() as txn:
            txn.put(_bytes(key), value)
            txn.emit("set", Key=_text(_bytes(key)))

    await request.run(write)
    return empty()


@delete("/pair/{key:str}")
async def delete_pair(request: InstanceRequest[TinyInstance], key: FromPath[str]) -> Answer:
    """Remove a key at this version."""

    def write() -> None:
        with request.begin() as txn:
            txn.delete(_bytes(key))
            txn.emit("delete", Key=_text(_bytes(key)))

    await request.run(write)
    return empty()


@get("/pairs")
async def get_pairs(request: InstanceRequest[TinyInstance]) -> Answer:
    """Return all pairs as a JSON object of texts."""
    return json_answer({_text(key): _text(value) for key, value in request.view.scan()})


@post("/pairs")
async def set_pairs(request: InstanceRequest[TinyInstance]) -> Answer:
    """Set several pairs, a JSON object of texts, all or none."""
    pairs: dict[str, str] = await request.read_json(dict[str, str])

    def write() -> None:
        with request.begin() as txn:
            for key, value in pairs.items():
                txn.put(_bytes(key), value.encode())
            txn.emit("set", Keys=len(pairs))

    await request.run(write)
    return empty()


@post("/count", mutates=False)
async def count(request: InstanceRequest[TinyInstance]) -> Answer:
    """Return how many keys of the body, a JSON list, have a value; a POST that only reads."""
    keys: list[str] = await request.read_json(list[str])
    return json_answer({"count": sum(_bytes(key) in request.view for key in keys)})


@post("/append")
async def append(request: InstanceRequest[TinyInstance]) -> Answer:
    """Append the body, a text, to the values of all keys that there are now, by a job; answers `{"job": ID}`."""
    text = (await request.read_body()).decode("utf-8", "replace")

    def start() -> str:
        arguments = {"text": text, "total": len(list(request.view.keys(b"")))}
        return request.instance.start_job("append", arguments, version=request.version, user=request.who).id

    return json_answer({"job": await request.run(start)})


class Tiny(Datatype):
    """A versioned dictionary of bytes, for tests."""

    name = "tiny"
    url = "github.com/example/tiny"
    instance = TinyInstance
    settings = TinySettings
    routes = (get_pair, set_pair, delete_pair, get_pairs, set_pairs, count, append)
    logged = True


@hookimpl
def dvid_datatypes() -> Iterable[type[Datatype]]:
    """Give the type to the core."""
    return [Tiny]
