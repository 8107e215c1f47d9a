"""The page in headless Chromium: a server whose extra page drives it and sends back what it found."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from speech_lstm.web.server import Handler, PageServer
from support.browser import BROWSER

ONE_FILE = "one.html"
PATIENCE = 300  # seconds: the machine may be busy
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--enable-logging=stderr",
)
SCRIPTS = Path(__file__).parent / "page_scripts"


class ReportingHandler(Handler):
    """Serves the page, and takes the results of a test."""

    server: ReportingServer

    def policy(self, path: str) -> str:
        """The driver has a frame, and a page of one file has a policy of its own."""
        return "" if path in ("driver.html", ONE_FILE) else super().policy(path)

    def do_POST(self) -> None:
        self.server.results = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.reported.set()


class ReportingServer(PageServer):
    """Waits for the results."""

    handler = ReportingHandler
    results: Any = None

    def __init__(self, content: Mapping[str, bytes]) -> None:
        self.reported = threading.Event()
        super().__init__(content)


@contextmanager
def serving(content: Mapping[str, bytes]) -> Iterator[ReportingServer]:
    with ReportingServer(content) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def drive(
    content: Mapping[str, bytes], steps: str, folder: Path, facts: Any = None, microphone: Path | None = None
) -> Any:
    """The results that a script of page_scripts/ leaves in `results`; it runs in a page beside the one under test.

    `facts` are what the script gets as JSON, `microphone` is a WAV file that the browser hears, again and again.
    """
    assert BROWSER is not None
    parts = [(SCRIPTS / name).read_text("utf-8") for name in ("driver.js", steps)]
    script = f"const facts = {json.dumps(facts)};\n{''.join(parts)}\nawait send(results);\n"
    page = b'<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><body>'
    page += b'<script type="module" src="driver.js"></script>'
    files = {**content, "driver.html": page, "driver.js": script.encode()}
    hears = [f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []
    with serving(files) as server:
        command = [BROWSER, *SWITCHES, *hears, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-port=0"]
        log = folder / "browser.log"
        with log.open("wb") as messages:
            browser = subprocess.Popen(
                [*command, f"{server.address}driver.html"], stdout=subprocess.DEVNULL, stderr=messages
            )
            try:
                assert server.reported.wait(PATIENCE), "the page sent nothing"
            finally:
                browser.terminate()
                browser.wait(60)
    assert "failure" not in server.results, server.results["failure"]
    console = [line for line in log.read_text("utf-8", "replace").splitlines() if ":CONSOLE" in line]
    assert not console, "\n".join(console)
    return server.results
