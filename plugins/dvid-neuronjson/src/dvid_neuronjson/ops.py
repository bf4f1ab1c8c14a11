"""The operations on neurons: posts and deletions, and what reads find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from dvid_framework.api import BadRequest, Conflict, Txn, VersionRecord, View
from dvid_neuronjson.chunk import Chunk, chunks_of, rows_of
from dvid_neuronjson.codec import Neuron, decode_json, encode_neuron
from dvid_neuronjson.conditions import Query
from dvid_neuronjson.instance import JSON_SCHEMA, NeuronInstance, Reading
from dvid_neuronjson.keys import LARGEST, range_of, schema_key, type_key
from dvid_neuronjson.model import Shown
from dvid_neuronjson.update import Change, check_posted, merge

__all__ = [
    "MOST_NEURONS",
    "Found",
    "all_shown",
    "check_count",
    "chosen_bodies",
    "count_fields",
    "delete_neuron",
    "delete_schema",
    "field_times",
    "matching",
    "named",
    "post_neurons",
    "post_schema",
    "present",
    "shown_between",
]

MOST_NEURONS = 1_000_000
"""How many neurons one request may name."""
Begin = Callable[[], Txn]
Found = tuple[int, bytes | memoryview]
"""A neuron's number and what is shown of it."""


# -- writing


def _stored(view: View, number: int, replace: bool) -> dict[str, object]:
    """Return the fields of a neuron as a version has them."""
    try:
        value = view.get(type_key(number))
    except Conflict as error:
        if replace:
            return {}
        raise Conflict(f"merged branches disagree about neuron {number}: post it with replace=true") from error
    return {} if value is None else Neuron(value).fields()


def post_neurons(
    instance: NeuronInstance,
    version: VersionRecord,
    begin: Begin,
    pairs: Sequence[tuple[int, bytes]],
    change: Change,
    action: str = "postneuronjson",
) -> None:
    """Post objects to neurons, all of them or none.

    Args:
        instance: where the neurons are.
        version: at which version.
        begin: begins the mutation.
        pairs: numbers of neurons, each with the JSON of its object.
        change: who posts them, when and how.
        action: what the log calls it.

    Raises:
        BadRequest: one is malformed or does not keep to the JSON schema.
        Conflict: merged branches disagree about one, and it does not replace what they have.
    """
    changes: dict[int, bytes | None] = {}
    merged: dict[int, dict[str, object]] = {}
    with instance.writing([number for number, _ in pairs]), instance.view(version) as view, begin() as txn:
        schema = instance.schema(view)
        instance.keep_in_step(txn, changes)
        for number, body in pairs:
            posted = check_posted(number, decode_json(body, f"neuron {number}"))
            if schema is not None:
                posted = check_posted(number, schema.check(posted, len(body)))
            stored = merged[number] if number in merged else _stored(view, number, change.replace)
            merged[number] = fields = merge(stored, posted, change)
            encoded = encode_neuron(fields)
            txn.put(type_key(number), encoded)
            txn.emit(action, Key=str(number), Bytes=len(body))
            changes[number] = bytes(Neuron(memoryview(encoded)).plain)


def delete_neuron(instance: NeuronInstance, begin: Begin, number: int) -> None:
    """Take a neuron away at a version, whether or not it is there."""
    with instance.writing([number]), begin() as txn:
        instance.keep_in_step(txn, {number: None})
        txn.delete(type_key(number))
        txn.emit("deleteneuronjson", Key=str(number))


def post_schema(instance: NeuronInstance, begin: Begin, name: str, body: bytes) -> None:
    """Set a schema.

    Raises:
        BadRequest: it is the JSON schema, and can't be used as one.
    """
    if name == JSON_SCHEMA:
        instance.compile_schema(body)
    with begin() as txn:
        instance.keep_in_step(txn, {})
        txn.put(schema_key(name), body)
        txn.emit("postschema", Key=name, Bytes=len(body))


def delete_schema(instance: NeuronInstance, begin: Begin, name: str) -> None:
    """Take a schema away at a version, whether or not it is there."""
    with begin() as txn:
        instance.keep_in_step(txn, {})
        txn.delete(schema_key(name))
        txn.emit("deleteschema", Key=name)


# -- reading


def _shown(chunk: Chunk, chosen: int, shown: Shown, view: View) -> Iterator[Found]:
    """Yield what is shown of some neurons of a chunk, in order."""
    numbers = chunk.numbers
    if shown.plain:
        for row in rows_of(chosen):
            yield numbers[row], chunk.plain(row)
    elif shown.within_plain:
        rows = list(rows_of(chosen))
        whole = chosen == chunk.everyone
        objects = chunk.body if whole else b",".join(chunk.plain(row) for row in rows)
        yield from zip((numbers[row] for row in rows), shown.encode_plain(objects), strict=True)
    elif chosen == chunk.everyone:
        for number, neuron in chunk.neurons(view):
            yield number, shown.encode(neuron)
    else:
        yield from _named(view, [numbers[row] for row in rows_of(chosen)], shown)


def _named(view: View, numbers: Sequence[int], shown: Shown) -> Iterator[Found]:
    for number, value in zip(numbers, view.get_each([type_key(one) for one in numbers]), strict=True):
        if value is not None:
            yield number, shown.encode(Neuron(value))


def all_shown(reading: Reading, shown: Shown) -> Iterator[bytes | memoryview]:
    """Yield the JSON objects of all neurons, those of a chunk with commas between them.

    Neurons of which nothing but their number would be seen are left out.
    """
    for chunk in reading.chunks():
        if shown.plain and not chunk.bare:
            yield chunk.body
            continue
        found = _shown(chunk, chunk.everyone, shown, reading.view)
        if joined := b",".join(one for number, one in found if shown.reveals(number, one)):
            yield joined


def shown_between(view: View, first: int, last: int, shown: Shown) -> Iterator[Found]:
    """Yield the neurons from first to last, both included, in order."""
    if first > last:
        return
    for chunk in chunks_of(view, *range_of(first, last)):
        yield from _shown(chunk, chunk.everyone, shown, view)


def check_count(numbers: Sequence[int]) -> None:
    """Check how many neurons a request names.

    Raises:
        BadRequest: too many.
    """
    if len(numbers) > MOST_NEURONS:
        raise BadRequest(f"at most {MOST_NEURONS} neurons can be asked for at once")


def present(view: View, numbers: Sequence[int], shown: Shown | None) -> Iterator[Found]:
    """Yield those of several neurons that are there, in the order asked for; `shown` is None for nothing of them."""
    for number, value in named(view, numbers, shown or Shown()):
        if value is not None:
            yield number, value if shown else b""


def named(view: View, numbers: Sequence[int], shown: Shown) -> Iterator[tuple[int, bytes | memoryview | None]]:
    """Yield several neurons in the order asked for; None for one that is not there."""
    for number, value in zip(numbers, view.get_each([type_key(one) for one in numbers]), strict=True):
        yield number, None if value is None else shown.encode(Neuron(value))


def chosen_bodies(queries: Sequence[Query]) -> list[int] | None:
    """Return the neurons that queries name by their numbers alone, in order; None if they ask anything else.

    Queries without any condition name none, unless there are others beside them.
    """
    if not any(queries):
        return []
    found: list[int] = []
    for query in queries:
        if len(query) != 1 or query[0].field != "bodyid" or query[0].listed is None:
            return None
        found += [number for number in query[0].listed if 0 <= number <= LARGEST]
    return found


def matching(reading: Reading, queries: Sequence[Query], shown: Shown | None) -> Iterator[Found]:
    """Yield the neurons for which one of several queries holds, in order.

    Args:
        reading: where they are.
        queries: the queries.
        shown: what is shown of them; None for nothing.
    """
    for chunk in reading.chunks():
        chosen = chunk.matching(queries, reading.view)
        if shown is None:
            yield from ((chunk.numbers[row], b"") for row in rows_of(chosen))
        elif chosen:
            yield from _shown(chunk, chosen, shown, reading.view)


def count_fields(reading: Reading) -> Counter[str]:
    """Return how many neurons have each field, users and times included."""
    found = Counter[str]()
    for chunk in reading.chunks():
        found.update(chunk.counts(reading.view))
    return found


def field_times(reading: Reading) -> dict[str, str]:
    """Return the time at which each field was set last."""
    found: dict[str, str] = {}
    for chunk in reading.chunks():
        for field, time in chunk.times(reading.view).items():
            if time > found.get(field, ""):
                found[field] = time
    return found
