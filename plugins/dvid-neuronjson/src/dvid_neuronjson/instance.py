"""One neuronjson instance: its neurons in memory, and who may write which of them now."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from dvid_framework.api import BadRequest, CorruptValue, Instance, InstanceContext, Txn, VersionRecord, View
from dvid_neuronjson.chunk import Chunk, chunks_of
from dvid_neuronjson.codec import Neuron
from dvid_neuronjson.keys import NEURONS, id_of_key, schema_key
from dvid_neuronjson.schema import Schema, Schemas
from dvid_neuronjson.table import Changes, Table
from dvid_neuronjson.tables import TABLE_BYTES, Step, Tables

__all__ = ["JSON_SCHEMA", "NeuronInstance", "Reading"]

JSON_SCHEMA = "json_schema"
_LOCKS = 64
_TRIES = 200
_PAUSE = 0.0005


class Reading:
    """One state of the neurons of a version; close it after use.

    Attributes:
        view: the state as it is stored.
        table: the same in memory; None where it is not there.
    """

    def __init__(self, view: View, table: Table | None) -> None:
        self.view = view
        self.table = table

    def chunks(self) -> Iterable[Chunk]:
        """Return all neurons, in order of their numbers."""
        return chunks_of(self.view, *NEURONS) if self.table is None else self.table.chunks

    def close(self) -> None:
        """Release the state."""
        self.view.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class NeuronInstance(Instance):
    """The annotations of the neurons of one segmentation."""

    def __init__(self, context: InstanceContext) -> None:
        super().__init__(context)
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        limit = self.instances.options("neuronjson").get("table_bytes", TABLE_BYTES)
        self.tables = self.instances.shared("neuronjson.tables", lambda: Tables(int(limit)))
        self._schemas = self.instances.shared("neuronjson.schemas", Schemas)

    @contextmanager
    def writing(self, numbers: Iterable[int]) -> Iterator[None]:
        """Let nobody else write some neurons: what is read of them within stays true until it is written."""
        with ExitStack() as held:
            for place in sorted({number % _LOCKS for number in numbers}):
                held.enter_context(self._locks[place])
            yield

    def keep_in_step(self, txn: Txn, changes: Changes) -> None:
        """Have the neurons in memory changed once a transaction is written.

        Args:
            txn: the transaction.
            changes: the neurons that it writes, with their plain objects; filled until it is left.
        """
        instance, version = self.record.id, txn.version

        def tell(number: int) -> None:
            final = self.repo.dag[version].locked
            self.tables.tell(instance, Step(txn.before, number, version, final, changes))

        txn.after_commit(tell)

    def reading(self, version: VersionRecord) -> Reading:
        """Return the present state of a version, with its neurons in memory if they fit there."""
        instance = self.record.id
        for _ in range(_TRIES):
            view = self.view(version)
            try:
                if self.tables.is_too_large(instance, view.version):
                    break
                if view.epoch is not None:
                    table = self.tables.find(instance, view.version, view.epoch)
                    if table is None:
                        table = self.tables.read(instance, view.version, view)
                    return Reading(view, table)
            except BaseException:
                view.close()
                raise
            view.close()
            time.sleep(_PAUSE)
        else:
            view = self.view(version)
        return Reading(view, None)

    def glance(self, version: VersionRecord) -> Reading:
        """Return the present state of a version, with its neurons in memory only if they are there already."""
        view = self.view(version)
        try:
            known = None if view.epoch is None else self.tables.find(self.record.id, view.version, view.epoch)
        except BaseException:
            view.close()
            raise
        return Reading(view, known)

    def stored(self, version: VersionRecord) -> Reading:
        """Return the present state of a version as it is stored, for what needs a few neurons alone."""
        return Reading(self.view(version), None)

    def compile_schema(self, body: bytes) -> Schema:
        """Return a compiled JSON schema.

        Raises:
            BadRequest: it can't be compiled.
        """
        return self._schemas.get(body)

    def schema(self, view: View) -> Schema | None:
        """Return the JSON schema that a version has, if any."""
        body = view.get(schema_key(JSON_SCHEMA))
        return None if body is None else self._schemas.get(bytes(body))

    def check(self, version: VersionRecord) -> Iterator[str]:
        """Yield a sentence for each stored neuron that is damaged."""
        with self.view(version) as view:
            for key, value in view.scan(*NEURONS):
                number = id_of_key(key)
                try:
                    fields = Neuron(value).fields()
                except (CorruptValue, BadRequest, ValueError) as error:
                    yield f"neuron {number} can't be read: {error}"
                    continue
                if fields.get("bodyid") != number:
                    yield f"neuron {number} says that it is {fields.get('bodyid')}"
