"""The versioned core against the dictionary model, on each kind of store."""

from __future__ import annotations

import pytest
from hypothesis import Phase

from dvid_framework.errors import DvidError
from dvid_framework.testing.core import embedded_openers, memory_opener, single_row_opener
from dvid_framework.testing.model_machine import OpenerIn, machine_for, run_machine
from dvid_framework.versions import resolve
from dvid_framework.versions.view import View

_STORES: dict[str, OpenerIn] = {
    **embedded_openers(),
    "memory": lambda path: memory_opener(),
    "single_row": lambda path: single_row_opener(),
}


@pytest.mark.slow
@pytest.mark.timeout(24 * 3600)  # the nightly size takes hours
@pytest.mark.parametrize("kind", _STORES)
def test_the_core_reads_as_the_model_on_each_store(kind: str) -> None:
    run_machine(machine_for(_STORES[kind]))


def _no_shadows(*_: object) -> None:
    """Leave ancestors visible beside what replaces them."""


def _newest_of_all(_: View, stored: list[bytes]) -> bytes | None:
    return stored[-1] if stored and stored[-1][-1] else None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "name", "bug"), [(resolve, "_shadow", _no_shadows), (View, "_youngest", _newest_of_all)]
)
def test_the_machine_finds_a_bug_that_is_put_in(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, bug: object
) -> None:
    monkeypatch.setattr(place, name, bug)
    with pytest.raises((AssertionError, DvidError, ExceptionGroup)):
        run_machine(machine_for(_STORES["memory"]), phases=[Phase.generate])
