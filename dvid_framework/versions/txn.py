"""A transaction: the changes of one request to an instance at a version, written as one unit with their record."""

# ruff: noqa: SLF001 - transactions that are committed together know each other

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from dvid_framework.errors import TooLarge
from dvid_framework.storage import keys
from dvid_framework.storage.batch import Batch
from dvid_framework.storage.blobs import add_blob
from dvid_framework.storage.envelope import NONE, seal_value
from dvid_framework.storage.log import CommitLog, Entry
from dvid_framework.storage.sealing import Buffer, PutKeys, seal_puts
from dvid_framework.versions.ids import now_rfc3339
from dvid_framework.versions.record import Mutation

__all__ = ["MUTATION_BYTES", "Txn", "encode_mutation"]

MUTATION_BYTES = 256 << 20
encode_mutation = msgspec.msgpack.Encoder().encode


class Txn:
    """Collects puts, deletes and log entries; leaving the `with` block writes them as one, an exception none of them.

    Values are put in the codec of the instance's Compression setting unless told otherwise.
    """

    def __init__(
        self,
        log: CommitLog,
        mutation: Mutation,
        *,
        codec: int = NONE,
        durable: bool = True,
        limit: int = MUTATION_BYTES,
        new_mutation_id: Callable[[], int] | None = None,
        on_leave: Callable[[], None] | None = None,
        root: int | None = None,
        lineage: Collection[int] = (),
    ) -> None:
        self._log = log
        self._mutation = mutation
        self._prefix = keys.data_prefix(mutation.instance)
        self._value_tail = keys.tail_of(mutation.version, keys.VALUE)
        self._tombstone_tail = keys.tail_of(mutation.version, keys.TOMBSTONE)
        self._root = mutation.version if root is None else root
        self._shared_tail = keys.tail_of(self._root, keys.VALUE)
        self._changes_all = False
        self._lineage = lineage
        self._codec = codec
        self._durable = durable
        self._limit = limit
        self._new_mutation_id = new_mutation_id
        self._on_leave = on_leave
        self._batch = Batch()
        self._after: list[Callable[[int], None]] = []
        self._committed: int | None = None
        self._before = 0

    @property
    def mutation_id(self) -> int:
        """The mutation id of the repo that this transaction took, taking one at first use."""
        if not self._mutation.mutation_id and self._new_mutation_id is not None:
            self._mutation.mutation_id = self._new_mutation_id()
        return self._mutation.mutation_id

    @property
    def version(self) -> int:
        """The id of the version that is changed."""
        return self._mutation.version

    @property
    def touched(self) -> bool:
        """Whether anything is to be written."""
        return bool(len(self._batch) or self._mutation.entries)

    @property
    def number(self) -> int:
        """The number of the committed mutation; 0 if nothing was written."""
        return self._committed or 0

    @property
    def before(self) -> int:
        """The epoch in which the committed mutation came to its version.

        If it is that of a view of the version, nothing else changed what it sees since: what was read there and what
        was written make its new state, whose epoch is `number`.
        """
        return self._before

    def put(self, type_key: bytes, value: bytes, codec: int | None = None) -> None:
        """Set a type key at this version.

        Raises:
            TooLarge: the transaction is over its limit of stored bytes.
        """
        encoded = self._prefix + keys.encode_type_key(type_key)
        key = encoded + self._value_tail
        self._batch.put(key, seal_value(key, value, self._codec if codec is None else codec))
        self._batch.delete(encoded + self._tombstone_tail)
        self._check_size()

    def put_many(self, type_keys: Sequence[bytes], values: Sequence[Buffer], codec: int | None = None) -> None:
        """Set many type keys at this version, quicker than one by one.

        Args:
            type_keys: each once.
            values: one for each key.
            codec: as in `put`.

        Raises:
            TooLarge: the transaction is over its limit of stored bytes.
        """
        names = PutKeys(self._prefix, self._value_tail, self._tombstone_tail)
        self._batch.add(*seal_puts(names, type_keys, values, self._codec if codec is None else codec))
        self._check_size()

    def put_shared(self, type_key: bytes, value: bytes, codec: int = NONE) -> None:
        """Set a type key for all versions at once, such as a counter: it is kept at the root, which every version sees.

        Never put or delete such a key in any other way than here and by `delete_shared`.

        Raises:
            TooLarge: the transaction is over its limit of stored bytes.
        """
        key = self._prefix + keys.encode_type_key(type_key) + self._shared_tail
        self._batch.put(key, seal_value(key, value, codec))
        self._changes_all = True
        self._check_size()

    def delete_shared(self, type_key: bytes) -> None:
        """Take away a type key that was set for all versions at once, whether or not it is there."""
        self._batch.delete(self._prefix + keys.encode_type_key(type_key) + self._shared_tail)
        self._changes_all = True

    def delete(self, type_key: bytes) -> None:
        """Make a type key absent at this version and below, whether or not there was a value.

        Raises:
            TooLarge: the transaction is over its limit of stored bytes.
        """
        encoded = self._prefix + keys.encode_type_key(type_key)
        self._batch.delete(encoded + self._value_tail)
        self._batch.put(encoded + self._tombstone_tail, b"")
        self._check_size()

    def extend(self, batch: Batch) -> None:
        """Write the operations of a batch of the core's own records in the same unit."""
        self._batch.extend(batch)

    def put_blob(self, data: bytes) -> str:
        """Keep bytes under a name made from them, unversioned; returns the reference for `GET blobstore/REFERENCE`.

        Raises:
            Conflict: other bytes have the same name.
            TooLarge: the transaction is over its limit of stored bytes.
        """
        reference = add_blob(self._log.store, self._batch, data)
        self._check_size()
        return reference

    def _check_size(self) -> None:
        if self._batch.stored_bytes > self._limit:
            raise TooLarge(f"a mutation has at most {self._limit} stored bytes; send it in parts")

    def emit(self, action: str, **fields: Any) -> None:
        """Add an entry to the mutation record; `action` becomes its field `Action`."""
        self._mutation.entries.append({"Action": action, **fields})

    def mark_internal(self) -> None:
        """Keep this mutation out of what `mutations` shows; followers still see it."""
        self._mutation.internal = True

    def after_commit(self, call: Callable[[int], None]) -> None:
        """Have `call` called with the mutation's number once the unit is written: the place to feed caches."""
        self._after.append(call)

    def commit(self) -> int:
        """Write the unit now; returns its number. Leaving the block then does nothing more."""
        return self.commit_behind(())

    def commit_behind(self, earlier: Sequence[Txn]) -> int:
        """Write this unit and those of earlier transactions of the same store as one, each with a record of its own.

        What is visible is what it would be if they had been written in this order. A unit without changes leaves none.

        Args:
            earlier: transactions that are not committed yet, in their order.

        Returns:
            The number of this mutation; 0 if nothing was to be written.

        Raises:
            StorageError: none of them was written.
        """
        if self._committed is not None:
            return self.number
        units = [unit for unit in (*earlier, self) if unit.touched]
        if not units:
            return 0
        batch = units[0]._batch
        for unit in units[1:]:
            batch.extend(unit._batch)
        written = self._log.commit_all(batch, [unit._record() for unit in units])
        for unit, (number, before) in zip(units, written, strict=True):
            unit._committed, unit._before = number, before
        for unit in units:
            for call in unit._after:
                call(unit.number)
        if any(unit._durable for unit in units):
            self._log.make_durable(written[-1][0])
        return self.number

    def _record(self) -> Entry:
        """Return what goes into the log."""
        mutation = self._mutation
        mutation.time = mutation.time or now_rfc3339()
        named = 0 if mutation.internal else mutation.mutation_id
        shared = ((mutation.instance, self._root),) if self._changes_all else ()
        names = ((mutation.instance, mutation.version),)
        return Entry(encode_mutation(mutation), names, named, shared, self._lineage)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            if self._on_leave is not None:
                self._on_leave()
