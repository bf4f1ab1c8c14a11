"""Archives that are read: what the standard library writes, and nothing that is hostile."""

from __future__ import annotations

import io
import os
import random
import tarfile

import pytest
from dvid_tarsupervoxels.archive import BLOCK, END, archived_bytes, header, padding, read_files
from dvid_tarsupervoxels.keys import parse_name
from hypothesis import given
from hypothesis import strategies as st

from dvid_framework.api import BadRequest

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=150).filter(
    lambda name: "\x00" not in name
)


def tar_of(files: dict[str, bytes], archive_format: int = tarfile.USTAR_FORMAT, **fields: object) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=archive_format) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            for field, value in fields.items():
                setattr(entry, field, value)
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def read(archive: bytes) -> dict[str, bytes]:
    return {name: bytes(data) for name, data in read_files(memoryview(archive))}


@pytest.mark.parametrize("archive_format", FORMATS)
@given(st.dictionaries(NAMES, st.binary(max_size=1500), max_size=4))
def test_what_the_standard_library_writes_is_read(archive_format: int, files: dict[str, bytes]) -> None:
    try:
        archive = tar_of(files, archive_format)
    except ValueError:
        return  # the name does not fit into that format
    assert read(archive) == files


def test_times_and_owners_do_not_matter() -> None:
    archive = tar_of({"5.dat": b"x"}, tarfile.PAX_FORMAT, mtime=1.5, uname="ann" * 20, uid=1 << 40)
    assert read(archive) == {"5.dat": b"x"}


def test_what_is_written_is_read_by_the_standard_library() -> None:
    data = b"x" * 700
    archive = header("18446744073709551615.drc", len(data)) + data + bytes(padding(len(data))) + END
    assert len(archive) == archived_bytes(len(data)) + len(END)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        (member,) = tar
        assert (member.name, member.size, member.mode, member.mtime) == ("18446744073709551615.drc", 700, 0o755, 0)
        assert tar.extractfile(member).read() == data


def test_nothing_is_an_archive_of_nothing() -> None:
    assert read(b"") == read(END) == read(tar_of({})) == read(bytes(BLOCK)) == {}


GOOD = tar_of({"5.dat": b"x" * 600, "6.dat": b"y"})


def resummed(head: bytearray) -> bytes:
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\x00 " % sum(head)
    return bytes(head)


def changed(at: int, value: bytes) -> bytes:
    head = bytearray(GOOD[:BLOCK])
    head[at : at + len(value)] = value
    return resummed(head) + GOOD[BLOCK:]


HOSTILE = {
    "text": b"junk",
    "long text": b"junk" * 500,
    "a checksum": GOOD[:150] + b"9" + GOOD[151:],
    "cut in a header": GOOD[:300],
    "cut in a file": GOOD[:700],
    "cut in the second header": GOOD[:1600],
    "a bad second header": GOOD[:1536] + b"z" * 512 + GOOD[2048:],
    "a huge size": changed(124, b"77777777777\x00"),
    "a huge binary size": changed(124, b"\x80" + b"\xff" * 11),
    "a negative size": changed(124, b"\xff" * 12),
    "letters as a size": changed(124, b"0000zz00000\x00"),
    "a directory": tar_of({"5.dat": b""}, type=tarfile.DIRTYPE),
    "a link": tar_of({"5.dat": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a hard link": tar_of({"5.dat": b""}, type=tarfile.LNKTYPE, linkname="6.dat"),
    "a device": tar_of({"5.dat": b""}, type=tarfile.CHRTYPE),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(600),
    "a PAX size": tar_of({"5.dat": b"x"}, tarfile.PAX_FORMAT, pax_headers={"size": "99999999999"}),
    "a sparse file": tar_of({"5.dat": b"x"}, tarfile.PAX_FORMAT, pax_headers={"GNU.sparse.major": "1"}),
    "a header of nothing": tar_of({"a" * 200: b""}, tarfile.PAX_FORMAT)[:1024] + END,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        read(HOSTILE[name])


BAD_NAMES = (
    "8.txt|8.dat.gz|8.DAT|a.dat|8|dir/8.dat|/8.dat|../8.dat|0.dat|-1.dat|.dat|8.dat/||8. dat|+8.dat|8.dat\x00|².dat|"
    "18446744073709551616.dat"
)


@pytest.mark.parametrize("name", BAD_NAMES.split("|"))
def test_names_that_are_no_supervoxels(name: str) -> None:
    with pytest.raises(BadRequest):
        parse_name(name, "dat")
    assert parse_name("0008.dat", "dat") == 8


@pytest.mark.fuzz
def test_mutated_archives_are_read_or_refused() -> None:
    rng = random.Random(4)
    seeds = [
        tar_of({f"{number}.dat": bytes([number]) * number * 100 for number in range(1, 5)}, one) for one in FORMATS
    ]
    for _ in range(int(os.environ.get("DVID_FUZZ_COUNT", "10000"))):
        archive = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(archive))
            archive[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        if rng.random() < 0.5 and len(archive) > BLOCK:
            at = rng.randrange(0, len(archive) - BLOCK, BLOCK)
            archive[at : at + BLOCK] = resummed(bytearray(archive[at : at + BLOCK]))
        try:
            total = sum(len(data) for data in read(bytes(archive)).values())
        except BadRequest:
            continue
        assert total <= len(archive)
