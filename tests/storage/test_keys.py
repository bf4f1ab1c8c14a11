"""Keys: round trip, order and bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.storage import keys

_type_keys = st.binary(max_size=8) | st.lists(st.sampled_from([b"\x00", b"\x01", b"\xff", b"a"])).map(b"".join)
_ids = st.integers(0, (1 << 32) - 2)


@given(_type_keys)
def test_a_type_key_comes_back(type_key: bytes) -> None:
    assert keys.decode_type_key(keys.encode_type_key(type_key)) == type_key


@given(_type_keys, _type_keys)
def test_encoded_type_keys_sort_as_the_type_keys(one: bytes, other: bytes) -> None:
    assert (keys.encode_type_key(one) < keys.encode_type_key(other)) == (one < other)


@given(_type_keys, _type_keys)
def test_no_encoded_type_key_is_a_prefix_of_another(one: bytes, other: bytes) -> None:
    if one != other:
        assert not keys.encode_type_key(one).startswith(keys.encode_type_key(other))


@given(_type_keys, _type_keys, _ids, _ids)
def test_whole_data_keys_sort_by_type_key_and_then_by_version(
    one: bytes, other: bytes, first: int, second: int
) -> None:
    def whole(type_key: bytes, version: int) -> bytes:
        return keys.data_prefix(7) + keys.encode_type_key(type_key) + keys.tail_of(version, keys.VALUE)

    assert (whole(one, first) < whole(other, second)) == ((one, first) < (other, second))


@given(_type_keys, _ids, _ids)
def test_the_bounds_of_an_instance_hold_its_keys_and_no_others(type_key: bytes, instance: int, version: int) -> None:
    start, stop = keys.instance_bounds(instance)
    for owner in {max(instance - 1, 0), instance, instance + 1}:
        whole = keys.data_prefix(owner) + keys.encode_type_key(type_key) + keys.tail_of(version, keys.VALUE)
        assert (start <= whole < stop) == (owner == instance)


@given(st.binary(min_size=1, max_size=4), st.binary(max_size=4))
def test_after_prefix_is_behind_all_keys_of_the_prefix(prefix: bytes, rest: bytes) -> None:
    assert prefix + rest < keys.after_prefix(prefix)


@given(st.binary(min_size=1, max_size=4), st.binary(min_size=1, max_size=6))
def test_after_prefix_is_before_all_larger_keys(prefix: bytes, other: bytes) -> None:
    if other > prefix and not other.startswith(prefix) and set(prefix) != {255}:
        assert keys.after_prefix(prefix) <= other


@given(st.integers(0, (1 << 64) - 1), _ids, _ids)
def test_log_keys_carry_their_number(number: int, instance: int, version: int) -> None:
    assert keys.number_of_log_key(keys.log_key(number)) == number
    assert keys.number_of_log_key(keys.log_by_version_key(instance, version, number)) == number
    assert keys.number_of_log_key(keys.log_by_mutation_key(instance, version, number)) == number


def test_the_classes_of_keys_do_not_overlap() -> None:
    classes = [keys.METADATA, keys.DATA, keys.BLOB, keys.LOG, keys.LOG_BY_VERSION, keys.CURSOR]
    classes.append(keys.LOG_BY_MUTATION)
    assert sorted(set(classes)) == classes
