"""Archives from strangers: each is refused in one line, in bounded time and memory, and nothing of it stays."""

from __future__ import annotations

import errno
import gzip
import io
import os
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_lstm.corpus import unpack as unpacking
from speech_lstm.corpus.tar_members import LONGEST_HEADER, LONGEST_NAME, MOST_HEADERS, UnusableArchive
from speech_lstm.corpus.unpack import unpack
from speech_lstm.errors import ArchiveError

BLOCK = 512
END = bytes(2 * BLOCK)


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, **fields: str) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    for field, value in fields.items():
        setattr(member, field, value)
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def file(name: str, content: bytes = b"sound") -> bytes:
    return header(name, size=len(content)) + padded(content)


def long_name(name: bytes, kind: bytes = tarfile.GNUTYPE_LONGNAME) -> bytes:
    return header("././@LongLink", kind, len(name)) + padded(name)


def pax(*records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    content = b"".join(records)
    return header("pax", kind, len(content)) + padded(content)


def record(keyword: bytes, value: bytes) -> bytes:
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def archive(folder: Path, *parts: bytes) -> Path:
    path = folder / "a.tar.gz.part"
    path.write_bytes(gzip.compress(b"".join(parts), 1))
    return path


def refusal(path: Path) -> str:
    folder = path.parent / "new"
    with pytest.raises(UnusableArchive) as caught:
        unpack(path, folder, progress=False)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 400
    assert message.startswith("a.tar.gz: ")
    assert not folder.exists()
    return message


HOSTILE = {
    "deep path": (pax(record(b"path", b"a/" * 3000 + b"b")) + file("x"), "too long"),
    "deep long name": (long_name(b"a/" * 3000 + b"b") + file("x"), "too long"),
    "many long names": (5000 * long_name(b"a") + file("x"), f"more than {MOST_HEADERS} headers"),
    "many pax headers": (5000 * pax(record(b"path", b"a")) + file("x"), f"more than {MOST_HEADERS} headers"),
    "many global headers": (
        5000 * pax(record(b"comment", b"a"), kind=tarfile.XGLTYPE) + file("x"),
        f"more than {MOST_HEADERS} headers",
    ),
    "huge long name": (long_name(bytes(50 << 20)) + file("x"), "too long"),
    "huge long link": (long_name(bytes(50 << 20), tarfile.GNUTYPE_LONGLINK) + file("x"), "too long"),
    "huge pax header": (pax(record(b"path", bytes(LONGEST_HEADER))) + file("x"), "too long"),
    "long part of a name": (file("a/" + 255 * "b") + long_name(300 * b"b") + file("x"), "file name too long"),
    "the folder itself": (file("."), "is a directory"),
    "no name": (file(""), "is a directory"),
    "a NUL in a name": (pax(record(b"path", b"a\0b")) + file("x"), "null"),
    "a file in place of a folder": (file("a") + file("a/b"), "a"),
    "a folder in place of a file": (file("a/b") + file("a"), "is a directory"),
    "outside by pax": (pax(record(b"path", b"../a")) + file("x"), "outside the folder"),
    "outside by long name": (long_name(b"../a\0") + file("x"), "outside the folder"),
    "escapes": (file("../\x1b]0;title\x07\n"), r"\x1b"),
    "sparse": (header("x", tarfile.GNUTYPE_SPARSE, 1 << 40), "special file"),
    "sparse by pax": (
        pax(record(b"GNU.sparse.major", b"1"), record(b"GNU.sparse.minor", b"0")) + file("x"),
        "a sparse one",
    ),
    "absurd size by pax": (pax(record(b"size", 5000 * b"9")) + file("x"), "a length in it"),
    "large size by pax": (pax(record(b"size", b"9" * 17)) + file("x"), "unpacks to more than"),
    "negative size": (header("x", size=-1), "negative length"),
    "damaged pax header": (pax(b"99999 path=a\n") + file("x"), "a header in it is damaged"),
    "damaged header": (file("x") + bytes([7]) * BLOCK, "it is damaged"),
    "cut header": (file("x") + header("y")[:100], "it is damaged"),
    "cut file": (header("x", size=1000) + b"abc", "its end is missing"),
    "cut name": (long_name(bytes(600))[:700], "its end is missing"),
    "nothing": (b"", "no file"),
    "folders only": (header("a/", tarfile.DIRTYPE) + END, "no file"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives(tmp_path: Path, kind: str) -> None:
    content, says = HOSTILE[kind]
    assert says in refusal(archive(tmp_path, content)).lower()
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar.gz.part"}


def test_memory_is_bounded(tmp_path: Path) -> None:
    path = archive(tmp_path, long_name(bytes(50 << 20)), file("x"))
    tracemalloc.start()
    refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 << 20


@pytest.mark.parametrize("content", [b"", b"x"], ids=["empty", "tiny"])
def test_very_many_members_without_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(unpacking, "TINY_ALLOWED", 20)
    members = b"".join(file(f"a/{number}.wav", content) for number in range(30))
    assert "too many empty ones" in refusal(archive(tmp_path, members))


def test_names_of_all_formats(tmp_path: Path) -> None:
    """Long names, and names that are not ASCII or not UTF-8, as tarfile writes them."""
    names = ["yes/" + 200 * "a", "nö/字.wav", "left/\udcff.wav", "up/" + 90 * "b" + "/" + 60 * "c", "./go/x.wav"]
    for style in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        written = io.BytesIO()
        expected = {}
        with tarfile.open(fileobj=written, mode="w", format=style, pax_headers={"comment": "x"}) as tar:
            for number, name in enumerate(names):
                member = tarfile.TarInfo(name)
                content = bytes([number]) * 1000 * number
                member.size, member.mtime = len(content), 1.5
                try:
                    tar.addfile(member, io.BytesIO(content))
                except ValueError:  # too long for the old format
                    continue
                expected[os.path.normpath(name)] = content
        unpack(archive(tmp_path, written.getvalue()), tmp_path / "new", progress=False)
        files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
        assert {str(path.relative_to(tmp_path / "new")): path.read_bytes() for path in files} == expected
        assert len(expected) >= 4


def test_the_longest_name(tmp_path: Path) -> None:
    name = "/".join(["a" * 199] * 2) + "b"
    assert len(name) == LONGEST_NAME
    unpack(archive(tmp_path, long_name(name.encode()), file("x"), END), tmp_path / "new", progress=False)
    assert (tmp_path / "new" / name).read_bytes() == b"sound"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EIO])
def test_a_fault_of_the_disk_is_not_one_of_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def write(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(unpacking, "_write", write)
    with pytest.raises(ArchiveError, match="cannot be written") as caught:
        unpack(archive(tmp_path, file("x")), tmp_path / "new", progress=False)
    assert not isinstance(caught.value, UnusableArchive)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def members(stream: object) -> Iterator[object]:
        raise error
        yield

    monkeypatch.setattr(unpacking, "tar_members", members)
    with pytest.raises(error):
        unpack(archive(tmp_path, file("x")), tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()


def test_folders_that_an_older_version_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders in folders, thousands deep, are too much for shutil."""

    def rmtree(*_: object, **__: object) -> None:
        raise RecursionError

    (tmp_path / "new").mkdir()
    monkeypatch.setattr("shutil.rmtree", rmtree)
    with pytest.raises(ArchiveError, match="cannot be removed; delete it"):
        unpack(archive(tmp_path, file("x")), tmp_path / "new", progress=False)
