"""Downloads from a real server on this machine that cuts, refuses, lies and sends hostile archives."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from speech_lstm import progress
from speech_lstm.corpus import transfer
from speech_lstm.corpus.archive import MARKER, RELEASES, download
from speech_lstm.corpus.transfer import Transfer
from speech_lstm.errors import ArchiveError

FOLDER = "speech_commands_v0.02"
PART = FOLDER + ".tar.gz.part"
Content = dict[str, bytes]


def words() -> Content:
    """A corpus like the official one: random, so that packing does not shrink it."""
    files = {f"./{word}/{n:08x}_nohash_0.wav": os.urandom(20_000) for word in ("yes", "no") for n in range(20)}
    return {**files, "./testing_list.txt": b"yes/00000000_nohash_0.wav\n", "./LICENSE": b"CC BY 4.0\n"}


def packed(content: Content, *special: tarfile.TarInfo) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in special:
            tar.addfile(member)
    return file.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files_of(folder: Path) -> Content:
    return {f"./{p.relative_to(folder)}": p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@dataclass
class Server:
    """What the server on this machine does, and the requests that it got."""

    content: bytes = b""
    ranges: bool = True
    etag: str | None = '"one"'
    length: bool = True  # tells Content-Length
    cuts: list[int] = field(default_factory=list)  # each: bytes sent before a connection is cut, in turn
    statuses: list[int] = field(default_factory=list)  # each: an error answered, in turn
    wrong_range: bool = False
    pace: float = 0.0  # seconds between pieces
    requests: list[dict[str, str]] = field(default_factory=list)
    address: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(dict(handler.headers))
        if self.statuses:
            handler.send_error(self.statuses.pop(0))
            return
        start = self.start(handler.headers.get("Range"), handler.headers.get("If-Range"))
        if start and start >= len(self.content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        self.head(handler, start)
        body = self.content[start:]
        cut = self.cuts.pop(0) if self.cuts else None
        try:
            for place in range(0, len(body if cut is None else body[:cut]), 50_000):
                handler.wfile.write(body[:cut][place : place + 50_000])
                time.sleep(self.pace)
        except OSError:  # the other side is gone
            pass
        handler.close_connection = True

    def start(self, byte_range: str | None, condition: str | None) -> int:
        if byte_range is None or not self.ranges or (condition is not None and condition != self.etag):
            return 0
        return int(byte_range.removeprefix("bytes=").removesuffix("-"))

    def head(self, handler: BaseHTTPRequestHandler, start: int) -> None:
        handler.send_response(206 if start else 200)
        if start:
            first = 0 if self.wrong_range else start
            total = len(self.content)
            handler.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        if self.etag:
            handler.send_header("ETag", self.etag)
        if self.length:
            handler.send_header("Content-Length", str(len(self.content) - start))
        handler.end_headers()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(transfer, "WAITS", (0.01, 0.02, 0.03))  # instead of seconds
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.address = f"http://127.0.0.1:{http.server_address[1]}/speech_commands.tar.gz"
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def fetch(server: Server, tmp_path: Path) -> Callable[..., Path]:
    """Download what the server has into tmp_path, as a release of that digest."""

    def run(sha256: str | None = None, progress: bool = False, url: str | None = None) -> Path:
        expected = sha256 or digest(server.content)
        return download("v0.02", tmp_path, url or server.address, expected, progress)

    return run


def refusal(action: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    with pytest.raises(ArchiveError) as caught:
        action(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Good servers


@pytest.mark.parametrize("length", [True, False])
def test_download(server: Server, fetch: Callable[..., Path], tmp_path: Path, length: bool) -> None:
    content = words()
    server.content, server.length = packed(content), length
    folder = fetch()
    assert folder == tmp_path / FOLDER
    files = files_of(folder)
    assert files.pop(f"./{MARKER}")
    assert files == content
    assert left_in(tmp_path) == {FOLDER}


def test_second_run_asks_the_server_nothing(
    server: Server, fetch: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    server.content = packed(words())
    folder = fetch()
    server.requests.clear()
    (folder / ".cache").write_bytes(b"x")  # others may add to it
    assert fetch(progress=True) == folder
    assert server.requests == []
    assert capsys.readouterr().err == f"{folder} is already complete\n"


def test_progress_is_shown(
    server: Server,
    fetch: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "DELAY", 0.0)
    monkeypatch.setattr(progress, "PERIOD", 0.0)
    server.content = packed(words())
    folder = fetch(progress=True)
    output = capsys.readouterr()
    assert output.out == ""
    for stage in ("Downloading", "Verifying", "Unpacking"):
        assert f"{stage}: 100 %" in output.err
    assert f"{folder} is complete" in output.err


# Cut connections


def test_cut_connection_goes_on(
    server: Server, fetch: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    content = words()
    server.content = packed(content)
    half = len(server.content) // 2
    server.cuts = [half, 10_000]
    folder = fetch(progress=True)
    assert files_of(folder).items() >= content.items()
    assert [request.get("Range") for request in server.requests] == [
        None,
        f"bytes={half}-",
        f"bytes={half + 10_000}-",
    ]
    assert server.requests[1]["If-Range"] == '"one"'
    assert "the connection was cut; trying again in 0.01 s" in capsys.readouterr().err


def test_gives_up_and_goes_on_in_the_next_run(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    server.content = packed(words())
    server.cuts = [300_000, 0, 0, 0]
    message = refusal(fetch)
    assert message.startswith(server.address)
    assert "0.30 MB of " in message
    assert left_in(tmp_path) == {PART, PART + ".json"}
    server.requests.clear()
    fetch()
    assert [request.get("Range") for request in server.requests] == ["bytes=300000-"]
    assert left_in(tmp_path) == {FOLDER}


def test_file_changed_between_the_runs(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    """If-Range makes a server with a new file send all of it."""
    content = words()
    good = packed(content)
    server.content, server.cuts, server.etag = os.urandom(len(good)), [100_000, 0, 0, 0], '"old"'
    refusal(fetch, digest(good))
    server.content, server.etag = good, '"new"'
    assert files_of(fetch()).items() >= content.items()


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_no_strong_validator(server: Server, fetch: Callable[..., Path], etag: str | None) -> None:
    server.content, server.etag, server.cuts = packed(words()), etag, [200_000]
    fetch()
    assert "If-Range" not in server.requests[1]


def test_server_without_ranges_starts_anew(server: Server, fetch: Callable[..., Path]) -> None:
    content = words()
    server.content, server.ranges, server.cuts = packed(content), False, [300_000, 200_000]
    assert files_of(fetch()).items() >= content.items()
    assert len(server.requests) == 3


def test_server_without_ranges_that_always_cuts(server: Server, fetch: Callable[..., Path]) -> None:
    server.content, server.ranges, server.cuts = packed(words()), False, [300_000] * 100
    assert "the connection was cut" in refusal(fetch)
    assert len(server.requests) < 10


def test_server_that_sends_another_part(server: Server, fetch: Callable[..., Path]) -> None:
    content = words()
    server.content, server.wrong_range, server.cuts = packed(content), True, [300_000]
    assert files_of(fetch()).items() >= content.items()


def test_another_digest_does_not_go_on(server: Server, fetch: Callable[..., Path]) -> None:
    server.content, server.cuts = packed(words()), [300_000, 0, 0, 0]
    refusal(fetch)
    server.content = packed(words())
    server.requests.clear()
    fetch()
    assert "Range" not in server.requests[0]


def test_mirror_goes_on_where_the_first_address_stopped(server: Server, fetch: Callable[..., Path]) -> None:
    server.content, server.cuts = packed(words()), [300_000, 0, 0, 0]
    refusal(fetch)
    server.etag = '"another of the mirror"'
    server.requests.clear()
    fetch(url=server.address + "?mirror")
    assert server.requests[0]["Range"] == "bytes=300000-"


def test_busy_server(server: Server, fetch: Callable[..., Path]) -> None:
    server.content, server.statuses = packed(words()), [503, 429]
    assert fetch().is_dir()


# Refusals


def test_not_found(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    server.content, server.statuses = b"x", [404]
    message = refusal(fetch)
    assert message.startswith(server.address)
    assert "404 Not Found" in message
    assert left_in(tmp_path) == set()
    assert len(server.requests) == 1


def test_forbidden(server: Server, fetch: Callable[..., Path]) -> None:
    server.content, server.statuses = b"x", [403]
    assert "403 Forbidden" in refusal(fetch)


def test_wrong_file(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    server.content = packed(words())
    message = refusal(fetch, "0" * 64)
    assert f"its SHA-256 is {digest(server.content)}, not {'0' * 64}; it was deleted" in message
    assert left_in(tmp_path) == set()


def test_file_of_another_length_is_not_fetched(server: Server, tmp_path: Path) -> None:
    """Without an own digest the release's holds, wherever the file comes from; so does its length."""
    server.content = packed(words())
    message = refusal(download, "v0.02", tmp_path, server.address, progress=False)
    assert f"{len(server.content)} bytes, not 2428923189" in message
    assert left_in(tmp_path) == set()
    assert "its SHA-256 is" in refusal(download, "v0.01", tmp_path, server.address, progress=False)


def test_server_that_is_not_there(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is final: it is not tried again after a pause."""
    pauses: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", pauses.append)
    assert "127.0.0.1:9" in refusal(download, "v0.02", tmp_path, "http://127.0.0.1:9/x.tar.gz", progress=False)
    assert not pauses


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "x.tar.gz", "", "http://", "http://["])
def test_not_an_address(tmp_path: Path, url: str) -> None:
    refusal(download, "v0.02", tmp_path, url, progress=False)
    assert left_in(tmp_path) == set()


def test_unknown_version_and_digest(tmp_path: Path) -> None:
    assert "v0.02, v0.01, test-v0.02" in refusal(download, "v0.03", tmp_path)
    assert "'abc'" in refusal(download, "v0.02", tmp_path, sha256="abc")


def special(name: str, kind: bytes, link: str = "", size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, size
    return member


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (special("../escape.wav", tarfile.REGTYPE), "outside the folder"),
        (special("yes/../../escape.wav", tarfile.REGTYPE), "outside the folder"),
        (special("/tmp/escape.wav", tarfile.REGTYPE), "outside the folder"),
        (special("..\\escape.wav", tarfile.REGTYPE), "outside the folder"),
        (special("C:\\escape.wav", tarfile.REGTYPE), "outside the folder"),
        (special("../escape", tarfile.DIRTYPE), "outside the folder"),
        (special("link", tarfile.SYMTYPE, "/etc"), "is a link"),
        (special("link", tarfile.SYMTYPE, "yes"), "is a link"),
        (special("link", tarfile.LNKTYPE, "LICENSE"), "is a link"),
        (special("disk", tarfile.BLKTYPE), "is a device"),
        (special("terminal", tarfile.CHRTYPE), "is a device"),
        (special("pipe", tarfile.FIFOTYPE), "is a device"),
        (special("bomb.wav", tarfile.REGTYPE, size=1 << 45), "unpacks to more than"),
    ],
)
def test_hostile_archive(
    server: Server, fetch: Callable[..., Path], tmp_path: Path, member: tarfile.TarInfo, reason: str
) -> None:
    server.content = packed({"LICENSE": b"free\n"}, member)
    data = tmp_path / "data"
    message = refusal(download, "v0.02", data, server.address, digest(server.content), progress=False)
    assert reason in message
    assert ".part" not in message
    assert left_in(data) == set()
    assert left_in(tmp_path) == {"data"}


def test_bomb_of_zeros(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    server.content = packed({f"{n}.wav": bytes(40 << 20) for n in range(2)})
    assert "unpacks to more than 67.1 MB" in refusal(fetch)
    assert left_in(tmp_path) == set()


@pytest.mark.parametrize(
    "content",
    [b"not an archive\n" * 99, b"", b"\x1f\x8b" + bytes(200), packed({})],
    ids=["text", "empty", "cut", "no members"],
)
def test_not_an_archive(server: Server, fetch: Callable[..., Path], tmp_path: Path, content: bytes) -> None:
    server.content = content
    message = refusal(fetch)
    assert "tar.gz" in message or "holds no file" in message
    assert left_in(tmp_path) == set()


def test_cut_archive_with_the_right_digest(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    server.content = packed(words())[:-100_000]
    assert "tar.gz" in refusal(fetch)
    assert left_in(tmp_path) == set()


# What exists already


def test_cut_unpacking_is_done_again(
    server: Server, fetch: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = words()
    server.content = packed(content)
    half = tmp_path / f"{FOLDER}.unpacking" / "yes"
    half.mkdir(parents=True)
    (half / "left_over.wav").write_bytes(b"half")
    folder = fetch(progress=True)
    assert "interrupted unpacking" in capsys.readouterr().err
    assert {**files_of(folder), f"./{MARKER}": b""} == {**content, f"./{MARKER}": b""}
    assert left_in(tmp_path) == {FOLDER}


def test_killed_while_unpacking(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    """A process is killed in the middle of the work; the next run needs nothing but the disk."""
    content = {f"./yes/{n:08x}_nohash_0.wav": os.urandom(2_000) for n in range(2_000)}
    server.content = packed(content)
    process = start_download(server, tmp_path)
    unfinished = tmp_path / f"{FOLDER}.unpacking"
    wait_for(lambda: len(list(unfinished.glob("yes/*"))) > 100, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert left_in(tmp_path) >= {f"{FOLDER}.unpacking", PART}
    assert FOLDER not in left_in(tmp_path)
    server.requests.clear()
    assert files_of(fetch()).items() >= content.items()
    assert server.requests == []
    assert left_in(tmp_path) == {FOLDER}


def start_download(server: Server, data: Path, before: str = "") -> subprocess.Popen[str]:
    code = f"""
import sys
{before}
from speech_lstm.corpus import transfer
from speech_lstm.corpus.archive import download
from speech_lstm.errors import ArchiveError
try:
    download("v0.02", {str(data)!r}, {server.address!r}, {digest(server.content)!r}, progress=False)
except ArchiveError as error:
    print(error)
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < end
        time.sleep(0.005)


def test_two_at_once(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    server.content, server.pace = packed(words()), 0.1
    process = start_download(server, tmp_path)
    wait_for((tmp_path / PART).exists, process)
    assert "another download of this archive is running" in refusal(fetch)
    assert process.wait(30) == 0
    assert process.communicate()[0] == ""
    assert left_in(tmp_path) == {FOLDER}


def test_damaged_copy_is_noticed(server: Server, fetch: Callable[..., Path]) -> None:
    server.content = packed(words())
    folder = fetch()
    next(folder.glob("yes/*")).unlink()
    assert "41 of 42 files" in refusal(fetch)


def test_folder_of_another_origin_is_left_alone(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    server.content = packed(words())
    (tmp_path / FOLDER).mkdir()
    fetch()  # an empty one is in nobody's way
    assert "holds another archive" in refusal(fetch, "0" * 64)
    (tmp_path / FOLDER / MARKER).write_text("{}")
    assert "not from this command" in refusal(fetch)
    assert len(server.requests) == 1


# Disks


def test_too_little_room(server: Server, tmp_path: Path) -> None:
    server.content = packed(words())
    message = refusal(Transfer(server.address, tmp_path / PART, "0" * 64, room=1e12, progress=False).run)
    assert "disk space" in message
    assert left_in(tmp_path) == set()


LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"


def test_disk_that_takes_no_more_of_the_archive(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("resource")
    server.content = packed(words())
    message = start_download(server, tmp_path, LIMIT.format(300_000)).communicate(timeout=30)[0].strip()
    assert "\n" not in message
    assert f"{PART}: cannot be written" in message
    assert (tmp_path / PART).stat().st_size == 300_000
    fetch()
    assert left_in(tmp_path) == {FOLDER}


def test_disk_that_takes_no_more_of_the_files(server: Server, fetch: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("resource")
    server.content = packed({"big.wav": bytes(1_000_000)})
    message = start_download(server, tmp_path, LIMIT.format(500_000)).communicate(timeout=30)[0].strip()
    assert f"{FOLDER}.unpacking: cannot be written" in message
    assert left_in(tmp_path) == {PART, PART + ".json"}  # what was fetched need not be fetched again


def test_data_is_a_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    assert str(tmp_path / "data") in refusal(download, "v0.02", tmp_path / "data", server.address, progress=False)


def test_releases_are_told_apart() -> None:
    assert {len(release.sha256) for release in RELEASES.values()} == {64}
    for of in ("sha256", "url", "folder"):
        assert len({getattr(release, of) for release in RELEASES.values()}) == 3
