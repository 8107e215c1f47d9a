"""The server of the page: files from memory, to this machine unless another address is asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from speech_lstm.errors import ConfigError
from speech_lstm.files import reason
from speech_lstm.web.site import BINARY, KINDS

LOCAL = "127.0.0.1"
# What the page may do; the page says the same of itself for other servers.
POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD from the files of the server."""

    server: PageServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
        content = self.server.content.get(path)
        if content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", KINDS.get(PurePosixPath(path).suffix, BINARY))
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", self.policy(path))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def policy(self, path: str) -> str:
        """What a file may do."""
        return POLICY

    def log_message(self, *_: object) -> None:
        """Nothing: a browser that asks is no news."""


class PageServer(ThreadingHTTPServer):
    """Serves the files of a page; use it with `with`."""

    daemon_threads = True
    handler: type[Handler] = Handler

    def __init__(self, content: Mapping[str, bytes], host: str = LOCAL, port: int = 0) -> None:
        """`port` 0 is any that is free. Raises ConfigError if the address cannot be had."""
        self.content = content
        try:
            super().__init__((host, port), self.handler)
        except (OSError, OverflowError) as error:
            why = reason(error) if isinstance(error, OSError) else "no such port"
            raise ConfigError(f"{host}, port {port}: cannot be served ({why}); choose another") from None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that left before it had its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """The address of the page for a browser on this machine."""
        address = str(self.server_address[0])
        host = "localhost" if address in (LOCAL, "0.0.0.0") else address
        return f"http://{host}:{self.server_port}/"
