"""Archives are read by the standard library."""

from __future__ import annotations

import io
import tarfile

from dvid_keyvalue.archive import encode_tar
from hypothesis import given
from hypothesis import strategies as st


def archive(pairs: list[tuple[bytes, bytes | None]]) -> bytes:
    return b"".join(encode_tar((key, None if value is None else memoryview(value)) for key, value in pairs))


def read(data: bytes) -> list[tuple[bytes, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = [(member, tar.extractfile(member)) for member in tar]
        return [
            (member.name.encode("utf-8", "surrogateescape"), file.read() if file else b"") for member, file in members
        ]


def test_headers_have_no_owner_and_no_time() -> None:
    data = archive([(b"mesh.ngmesh", b"12345")])
    assert len(data) == 4 * 512
    header = data[:512]
    assert header[:12] == b"mesh.ngmesh\x00"
    assert header[100:156] == b"0000755\x000000000\x000000000\x0000000000005\x0000000000000\x00" + header[148:156]
    assert header[156:345] == b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00"[:16]
    assert data[512:] == b"12345" + bytes(507 + 1024)


def test_no_pairs_are_an_empty_archive() -> None:
    assert archive([]) == bytes(1024)


# A slash at the end of a name, which tarfile cuts off, and NUL, which ends a name for it, are left out.
names = st.binary(min_size=1, max_size=400).filter(lambda name: b"\x00" not in name and not name.endswith(b"/"))
any_names = st.text(st.characters(codec="ascii", exclude_characters="\x00/"), min_size=1, max_size=250).map(str.encode)


@given(st.lists(st.tuples(names | any_names, st.none() | st.binary(max_size=1500)), max_size=5))
def test_what_is_written_is_read(pairs: list[tuple[bytes, bytes | None]]) -> None:
    assert read(archive(pairs)) == [(key, value or b"") for key, value in pairs]


def test_values_of_whole_blocks_have_no_padding() -> None:
    for size in (0, 1, 511, 512, 513, 1024):
        assert read(archive([(b"a", bytes(size)), (b"b", b"end")])) == [(b"a", bytes(size)), (b"b", b"end")]
