"""Downloads from servers that answer with nonsense: one printable line, nothing lost; see also test_archive.py."""

from __future__ import annotations

import base64
import hashlib
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_lstm.corpus import transfer
from speech_lstm.corpus.archive import MARKER, download
from speech_lstm.errors import ArchiveError
from support.command_line import call
from test_unpack import END, archive, file

FOLDER = "speech_commands_v0.02"
PART = FOLDER + ".tar.gz.part"


class Server(socketserver.ThreadingTCPServer):
    """A server that answers every request with the same bytes."""

    daemon_threads = True
    allow_reuse_address = True
    answer = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[bytes] = []
        self.host = f"127.0.0.1:{self.server_address[1]}"


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        lines = []
        while (line := self.rfile.readline()).strip():
            lines.append(line)
        self.server.requests.append(b"".join(lines))
        self.wfile.write(self.server.answer)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(transfer, "WAITS", ())
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def response(content: bytes, status: bytes = b"200 OK", *fields: bytes) -> bytes:
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(content), b"Connection: close", *fields]
    return b"\r\n".join([*head, b"", content])


def refusal(url: str, data: Path, digest: str = "0" * 64) -> str:
    with pytest.raises(ArchiveError) as caught:
        download("v0.02", data, url, digest, progress=False)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 600
    return message


HEAD = b"HTTP/1.1 200 OK\r\n"
ODD = {
    "absurd length": (HEAD + b"Content-Length: " + 5000 * b"9" + b"\r\n\r\nabc", "too large"),
    "large length": (HEAD + b"Content-Length: 999999999999999999\r\n\r\nabc", "too large"),
    "negative length": (HEAD + b"Content-Length: -5\r\n\r\nabc", "its SHA-256 is"),
    "length of other digits": (HEAD + b"Content-Length: \xb2\r\n\r\nabc", "its SHA-256 is"),
    "absurd range": (
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes " + 5000 * b"9" + b"-1/" + 5000 * b"9" + b"\r\n\r\nabc",
        "another part",
    ),
    "absurd total": (
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-1/" + 5000 * b"9" + b"\r\nContent-Length: 2\r\n\r\nab",
        "too large",
    ),
    "absurd chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + 5000 * b"f" + b"\r\nabc", "was cut"),
    "damaged chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc", "was cut"),
    "escapes in the reason": (response(b"", b"403 \x1b]0;title\x07\x1b[31mred"), "the server answers 403 \\x1b]0;"),
    "long reason": (response(b"", b"403 " + 9000 * b"x"), "the server answers 403 xxx"),
    "escapes in the status": (b"\x1b[31mHTTP\r\n\r\n", r"\x1b[31m"),
    "status of letters": (b"HTTP/1.1 abc\r\n\r\n", "cannot be reached"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "cannot be reached"),
    "very many headers": (HEAD + 500 * b"a: b\r\n" + b"\r\n", "cannot be reached"),
    "a very long header": (HEAD + b"a: " + 100_000 * b"b" + b"\r\n\r\n", "cannot be reached"),
    "nothing": (b"", "cannot be reached"),
    "cut": (HEAD + b"Content-Length: 10\r\n\r\nabc", "the connection was cut; 3 bytes of 10 bytes are saved"),
    "redirection in a circle": (response(b"", b"302 Found", b"Location: /x"), "redirect"),
    "redirection to a file": (response(b"", b"302 Found", b"Location: file:///etc/passwd"), "302"),
    "redirection to nonsense": (response(b"", b"302 Found", b"Location: http://[\x1b"), "cannot be reached"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_answers(server: Server, tmp_path: Path, kind: str) -> None:
    server.answer, says = ODD[kind]
    assert says in refusal(f"http://{server.host}/x", tmp_path)
    left = {PART, PART + ".json"} if "saved" in says else set()
    assert {path.name for path in tmp_path.iterdir()} == left


def test_escapes_do_not_reach_the_terminal(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    server.answer = response(b"", b"503 \x1b[31mred")
    status, out, err = call(capsys, "download", "--data", tmp_path, "--url", f"http://{server.host}/\x1b[31m\n")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "\x1b" not in err


NOTES = [
    "[" * 100_000,
    "{" * 10,
    '"text"',
    '{"total": "many", "digest": [], "validator": 5, "url": {}}',
    '{"digest": "%s", "total": 1e999}',
    '{"digest": "%s", "total": -1}',
    '{"digest": "%s", "total": ' + 5000 * "9" + "}",
    '{"digest": "%s", "total": {}, "url": "%s", "validator": "a\\r\\nb: c"}',
    '{"digest": "%s", "total": null, "url": "%s", "validator": "\\udcff"}',
]


@pytest.mark.parametrize("note", NOTES, ids=range(len(NOTES)))
def test_damaged_notes(server: Server, tmp_path: Path, note: str) -> None:
    """They are ignored, as if there were none."""
    content = archive(tmp_path, file("yes/a.wav"), END).read_bytes()
    server.answer, url = response(content), f"http://{server.host}/x"
    digest, data = hashlib.sha256(content).hexdigest(), tmp_path / "data"
    data.mkdir()
    (data / PART).write_bytes(content[:10])
    (data / (PART + ".json")).write_text(note.replace("%s", digest, 1).replace("%s", url))
    assert download("v0.02", data, url, digest, progress=False).is_dir()
    assert {path.name for path in data.iterdir()} == {FOLDER}
    assert b"\r\nb: c" not in b"".join(server.requests)


@pytest.mark.parametrize(
    "marker", ["[" * 100_000, '{"sha256": "\\u001b", "files": 1, "bytes": 1}', '{"files": 1e999}']
)
def test_damaged_markers(tmp_path: Path, marker: str) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / MARKER).write_text(marker)
    assert "not from this command" in refusal("http://127.0.0.1:9/", tmp_path)


def test_a_refused_archive_is_not_kept(server: Server, tmp_path: Path) -> None:
    content = archive(tmp_path, file("yes/a.wav") + file("yes/a.wav/b.wav")).read_bytes()
    server.answer, data = response(content), tmp_path / "data"
    message = refusal(f"http://{server.host}/x", data, hashlib.sha256(content).hexdigest())
    assert message.startswith(f"{FOLDER}.tar.gz: rejected: ")
    assert list(data.iterdir()) == []


def test_an_archive_with_a_folder_in_place_of_the_marker(server: Server, tmp_path: Path) -> None:
    content = archive(tmp_path, file(f"{MARKER}/a"), file("yes/a.wav"), END).read_bytes()
    server.answer, data = response(content), tmp_path / "data"
    digest = hashlib.sha256(content).hexdigest()
    for _ in range(2):
        assert download("v0.02", data, f"http://{server.host}/x", digest, progress=False).is_dir()


def test_a_password_is_sent_and_not_stored(server: Server, tmp_path: Path) -> None:
    content = archive(tmp_path, file("yes/a.wav"), END).read_bytes()
    digest, data = hashlib.sha256(content).hexdigest(), tmp_path / "data"
    url = f"http://me:s%40cret@{server.host}/x?token=secret"
    server.answer = response(content)[:-5]
    message = refusal(url, data, digest)
    note = (data / (PART + ".json")).read_text()
    assert f"http://me:***@{server.host}/x?token=***" in message
    assert json.loads(note)["url"] == f"http://me:***@{server.host}/x?token=***"
    server.answer = response(content)
    folder = download("v0.02", data, url, digest, progress=False)
    marker = (folder / MARKER).read_text()
    for text in (message, note, marker):
        assert "cret" not in text
    assert base64.b64encode(b"me:s@cret") in server.requests[-1]
    assert f"Host: {server.host}\r\n".encode() in server.requests[-1]


def test_a_password_is_not_sent_to_another_server(server: Server, tmp_path: Path) -> None:
    with Server() as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        other.answer = response(b"", b"404 Not Found")
        server.answer = response(b"", b"302 Found", f"Location: http://{other.host}/".encode())
        refusal(f"http://me:secret@{server.host}/x", tmp_path)
        other.shutdown()
        thread.join()
    assert b"Authorization: Basic" in server.requests[0]
    assert b"Authorization" not in other.requests[0]
