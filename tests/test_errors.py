"""The tree of errors."""

from __future__ import annotations

import pytest

from dvid_framework.errors import BadRequest, NotFound, refusing


def test_what_libraries_refuse_becomes_a_bad_request_with_their_sentence() -> None:
    with pytest.raises(BadRequest, match="three numbers") as refused, refusing(ValueError, KeyError):
        raise ValueError("a place has three numbers")
    assert isinstance(refused.value.__cause__, ValueError)


@pytest.mark.parametrize("error", [TypeError("a fault of ours"), NotFound("not there")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, refusing(ValueError):
        raise error
    assert raised.value is error
