"""Archives from a server that may send anything: its whole answer is the input."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import stat
import tarfile
import tempfile
import threading
import zlib
from functools import cached_property
from pathlib import Path
from random import Random

from fuzzing.kind import Fault, Kind
from fuzzing.mutation import INTEGERS, TEXTS, mutate, mutate_json
from speech_lstm.errors import ArchiveError

ESCAPE = "speech-lstm-fuzz-escape"
END_OF_HEAD = b"\r\n\r\n"
NOTE = b"note: "  # before the answer: what an earlier download has left beside its part
NAMES = (f"../{ESCAPE}", f"yes/../../{ESCAPE}", f"{tempfile.gettempdir()}/{ESCAPE}", f"..\\{ESCAPE}", f"C:\\{ESCAPE}")
NAMES += ("yes", ".", "./", "yes/.", "a/" * 3_000 + "x", "x" * 300, "yes/\x1b[31m.wav", "yes/a\nb.wav", "\udcff.wav")
NAMES += (".speech-lstm-archive.json", "_background_noise_", "yes/a.wav/b.wav", *TEXTS[:-1])
KINDS = [tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
KINDS += [tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"L", b"K", b"x", b"g", b"Z"]
BLOCK = 512


def answer(body: bytes, **headers: str) -> bytes:
    """A server's answer."""
    lines = {"Content-Length": str(len(body)), "ETag": '"one"'} | headers
    return "\r\n".join(["HTTP/1.1 200 OK", *(f"{k}: {v}" for k, v in lines.items())]).encode() + END_OF_HEAD + body


def packed_tar(tar: bytes) -> bytes:
    return gzip.compress(tar, 1, mtime=0)


class Archives(Kind):
    """Downloads of archives, unpacked, with a look at what was written where."""

    suffix = ".http"
    modules = ("speech_lstm.corpus.archive",)

    @cached_property
    def corpus(self) -> list[bytes]:
        """Good archives, not yet packed."""
        return [tar_of(layout) for layout in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]

    @cached_property
    def server(self) -> Server:
        from speech_lstm.corpus import transfer

        transfer.WAITS, transfer.SILENCE = (0.0, 0.0, 0.0), 2.0  # instead of seconds
        os.environ["no_proxy"] = "127.0.0.1"
        return Server()

    def case(self, random: Random) -> bytes:
        tar = random.choice(self.corpus)
        kind = random.random()
        if kind < 0.35:
            return answer(packed_tar(with_checksums(mutate(tar, self.corpus, random), random)))
        if kind < 0.65:
            return answer(packed_tar(hostile_tar(random)))
        good = answer(packed_tar(tar))
        if kind < 0.75:
            body = good.split(END_OF_HEAD, 1)[1]
            return answer(mutate(body, [tar], random))
        if kind < 0.85:
            note = {"url": self_address(), "digest": "0" * 64, "validator": '"one"', "total": len(good)}
            text = mutate(repr(mutate_json(note, random)).replace("'", '"').encode(errors="replace"), [good], random)
            return NOTE + text.replace(b"\n", b"") + b"\n" + good
        return odd_head(good, random)

    def bare(self, content: bytes) -> bytes:
        head, _, body = content.partition(END_OF_HEAD)
        try:
            return head + END_OF_HEAD + gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            return content

    def packed(self, bare: bytes) -> bytes:
        head, _, body = bare.partition(END_OF_HEAD)
        return answer(packed_tar(body)) if head.startswith(b"HTTP/1.1 200 OK\r\nContent-Length") else bare

    def run(self, content: bytes, folder: Path) -> None:
        from speech_lstm.corpus.archive import RELEASES, download

        data = folder / "data"
        note, content = split_note(content)
        digest = hashlib.sha256(content.partition(END_OF_HEAD)[2]).hexdigest()
        if note is not None:
            data.mkdir()
            part = data / f"{RELEASES['v0.02'].folder}.tar.gz.part"
            part.write_bytes(b"\x1f\x8b" + bytes(50))
            part.with_name(f"{part.name}.json").write_bytes(note.replace(b"0" * 64, digest.encode()))
        self.server.content = content
        try:
            unpacked = download("v0.02", data, self.server.address, digest, progress=False)
            if not any(path.is_file() for path in unpacked.rglob("*")):
                raise Fault("wrong", "an empty folder")
        except ArchiveError as error:
            if "run the same command again" not in str(error):  # else a part is kept on purpose
                check_nothing_bad(data, digest)
            raise
        finally:
            check_contained(folder, data)


def split_note(content: bytes) -> tuple[bytes | None, bytes]:
    if not content.startswith(NOTE):
        return None, content
    note, _, rest = content.removeprefix(NOTE).partition(b"\n")
    return note, rest


def self_address() -> str:
    return "http://127.0.0.1/speech_commands.tar.gz"


def check_nothing_bad(data: Path, digest: str) -> None:
    """Raise Fault if a refused archive is kept."""
    for part in data.glob("*.part"):
        if hashlib.sha256(part.read_bytes()).hexdigest() == digest:
            raise Fault("wrong", "the refused archive is kept")


def check_contained(folder: Path, data: Path) -> None:
    """Raise Fault for anything outside the folder, any link or device in it, and what an unpacking left."""
    for place in (folder, folder.parent, Path(tempfile.gettempdir())):
        if any(path.name.endswith(ESCAPE) for path in place.iterdir()):
            raise Fault("wrong", "a file outside the folder")
    if {path.name for path in folder.iterdir()} - {"data"}:
        raise Fault("wrong", "something beside the folder")
    for root, folders, files in os.walk(data):
        for name in (*folders, *files):
            mode = Path(root, name).lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or mode & (stat.S_ISUID | stat.S_ISGID):
                raise Fault("wrong", "a link, a device or a setuid file in the folder")
    for path in data.iterdir() if data.is_dir() else ():
        if path.name.endswith((".unpacking", ".lock")):
            raise Fault("wrong", f"{path.suffix} is left")


class Server:
    """Sends `content` to whoever connects, and closes."""

    def __init__(self) -> None:
        self.content = b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}/speech_commands.tar.gz"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            with connection:
                try:
                    connection.settimeout(5)
                    while END_OF_HEAD not in connection.recv(1 << 16):
                        pass
                    connection.sendall(self.content)
                except OSError:  # the other side is gone
                    pass


def tar_of(layout: int) -> bytes:
    """A small corpus in one of tar's three formats."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=layout) as tar:
        for number, word in enumerate(("yes", "no")):
            tar.addfile(member(f"./{word}", tarfile.DIRTYPE))
            tar.addfile(member(f"./{word}/{number:08x}_nohash_0.wav", size=700), io.BytesIO(bytes([number]) * 700))
        tar.addfile(member(f"./{'long/' * 30}name.txt", size=3), io.BytesIO(b"yes"))
    return file.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode = kind, size, link, 0o6755
    return info


def hostile_tar(random: Random) -> bytes:
    """Members of odd names, kinds and sizes, after some good ones."""
    file = io.BytesIO()
    layout = random.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=file, mode="w", format=layout, errors="surrogateescape") as tar:
        tar.addfile(member("./yes/1.wav", size=5), io.BytesIO(b"12345"))
        for _ in range(random.choice((1, 1, 2, 5))):
            size = random.choice((0, 0, 5, 600, *INTEGERS[:-2]))
            name, link = random.choice(NAMES), random.choice(("", "/etc", "../..", "yes/1.wav", *NAMES[:3]))
            info = member(name, random.choice(KINDS) if random.random() < 0.5 else tarfile.REGTYPE, size, link)
            if layout == tarfile.PAX_FORMAT and random.random() < 0.5:
                key = random.choice(
                    ("path", "linkpath", "size", "GNU.sparse.map", "GNU.sparse.realsize", "hdrcharset")
                )
                info.pax_headers = {key: random.choice((*NAMES[:8], "-1", "9" * 30, "1,2,3"))}
            try:
                tar.addfile(info)
            except ValueError:  # a name that this format does not hold
                continue
            if random.random() < 0.5:
                file.write(bytes(-(-min(size, 1 << 16) // BLOCK) * BLOCK))
    content = file.getvalue()
    if random.random() < 0.05:  # names of names of names
        long_name = member("././@LongLink", tarfile.GNUTYPE_LONGNAME, 2).tobuf(tarfile.GNU_FORMAT)
        content = (long_name + b"x\0".ljust(BLOCK, b"\0")) * random.choice((2, 300, 5_000)) + content
    if random.random() < 0.05:
        content += bytes(random.choice((1 << 20, 80 << 20)))
    return content


def with_checksums(tar: bytes, random: Random) -> bytes:
    """The tar with its headers' checksums made right, in most cases."""
    if random.random() < 0.2:
        return tar
    data = bytearray(tar)
    for at in range(0, len(data) - BLOCK + 1, BLOCK):
        header = data[at : at + BLOCK]
        if header[257:262] == b"ustar":
            header[148:156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(header)
    return bytes(data)


def odd_head(good: bytes, random: Random) -> bytes:
    """The answer with another status or other headers, or with any bytes of its head changed."""
    head, body = good.split(END_OF_HEAD, 1)
    if random.random() < 0.4:
        return mutate(head, [head], random) + END_OF_HEAD + body
    value = random.choice((*(str(number) for number in INTEGERS), *TEXTS)).encode(errors="replace")
    status = random.choice(
        (b"200 OK", b"206 Partial", b"301 Moved", b"302 x", b"403 \x1b[31mno", b"404 x\x07", b"416 x")
    )
    status = random.choice((status, b"500 x", b"503 x", b"999 x", b"1", value))
    lines = [b"HTTP/1.1 " + status]
    for name in (
        b"Content-Length",
        b"Content-Range",
        b"ETag",
        b"Location",
        b"Transfer-Encoding",
        b"Content-Encoding",
    ):
        if random.random() < 0.4:
            whole = b"bytes 0-%d/%s" % (len(body) - 1, value)
            lines.append(name + b": " + random.choice((value, whole, b"chunked", b"/again", str(len(body)).encode())))
    return b"\r\n".join(lines) + END_OF_HEAD + body
