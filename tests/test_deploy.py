"""The programs of docs/deploy.md recognise the same as the package, without it."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from conftest import ROOT
from speech_lstm.export.model import recording_model
from speech_lstm.recognition.recognizer import Recognizer, load
from support.browser import BROWSER

PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
VOICE = "7a254b5f_nohash_0.wav"
WEB = "onnxruntime-web@1.30.0"
HEADERS = ("ONNXRUNTIME_INCLUDE", "/usr/include/onnxruntime", "/usr/local/include/onnxruntime")
SPOKEN = ("yes", "stop", "left", "right")


def program(language: str) -> str:
    """The program of a language that the page shows."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return code


@pytest.fixture(scope="module")
def bundled() -> Recognizer:
    return load()


@pytest.fixture(scope="module")
def file(bundled: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("deploy") / "commands8.onnx"
    path.write_bytes(recording_model(bundled.model, int8=True))
    return path


def check(command: list[str | Path], file: Path, **environment: str) -> None:
    """A program prints the same word and probability for a model and a recording as the package."""
    onnx = load(file)
    for word in SPOKEN:
        recording = ROOT / "data" / "demo" / word / VOICE
        done = subprocess.run(
            [*command, file, recording],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environment},
        )
        assert done.returncode == 0, done.stderr
        label, probability = done.stdout.split()
        want = onnx.classify(recording)
        assert label == want.label == word
        assert abs(float(probability) - want.probability) < 1e-4


def test_python(file: Path, tmp_path: Path) -> None:
    script = tmp_path / "hear.py"
    script.write_text(program("python"), encoding="utf-8")
    check([sys.executable, "-P", script], file)


def test_cpp(file: Path, tmp_path: Path) -> None:
    places = [Path(os.environ.get(HEADERS[0], "nowhere")), *map(Path, HEADERS[1:])]
    include = next((place for place in places if (place / "onnxruntime_cxx_api.h").is_file()), None)
    if include is None:
        pytest.skip(f"needs ONNX Runtime's headers: name their folder in {HEADERS[0]}")
    if shutil.which("g++") is None:
        pytest.skip("needs a compiler: install the package g++")
    spec = importlib.util.find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    (library,) = (Path(spec.origin).parent / "capi").glob("libonnxruntime.so.*")
    (tmp_path / "libonnxruntime.so").symlink_to(library)
    (tmp_path / "libonnxruntime.so.1").symlink_to(library)
    source, binary = tmp_path / "hear.cpp", tmp_path / "hear"
    source.write_text(program("cpp"), encoding="utf-8")
    flags = ["-O1", "-std=c++17", "-Wall", "-isystem", include, "-L", tmp_path, "-lonnxruntime"]
    subprocess.run(["g++", source, *flags, "-o", binary], check=True, timeout=120)
    check([binary], file, LD_LIBRARY_PATH=str(tmp_path))


# --- in a browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page and the files that it needs."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm for onnxruntime-web: install the packages nodejs and npm")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(["npm", "pack", "--silent", WEB], cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"npm can't fetch {WEB}: {done.stderr.strip()[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
            part = archive.extractfile(f"package/dist/{name}")
            assert part is not None
            (folder / name).write_bytes(part.read())
    shutil.copy(file, folder)
    # Click on start, and send the detected words to the server.
    script = """<script>
    window.onerror = (message) => fetch("/word/" + encodeURIComponent("! " + message));
    window.onunhandledrejection = ({ reason }) => fetch("/word/" + encodeURIComponent("! " + reason));
    new MutationObserver((changes) => changes.forEach(({ addedNodes: [item] }) => fetch("/word/" + item.textContent)))
      .observe(document.getElementById("heard"), { childList: true });
    setInterval(() => document.getElementById("start").onclick && !window.on && (window.on = true) &&
      document.getElementById("start").click(), 50);
    </script>"""
    (folder / "index.html").write_text(program("html") + script, encoding="utf-8")
    return folder


class Server(http.server.SimpleHTTPRequestHandler):
    words: list[str]

    def do_GET(self) -> None:
        if self.path.startswith("/word/"):
            self.words.append(self.path.removeprefix("/word/"))
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(site: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of the page, and what it says."""
    words: list[str] = []
    handler = type("WordServer", (Server,), {"words": words})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", words
        server.shutdown()


@pytest.mark.skipif(BROWSER is None, reason="needs a browser: install the package chromium")
def test_a_page_hears_the_microphone(served: tuple[str, list[str]], tmp_path: Path) -> None:
    address, words = served
    parts = [soundfile.read(ROOT / "data" / "demo" / word / VOICE, dtype="int16")[0] for word in SPOKEN]
    pause = np.zeros(16_000, np.int16)
    samples = np.concatenate([pause, *(part for word in parts for part in (word, pause))])
    soundfile.write(tmp_path / "speech.wav", samples, 16_000)
    assert BROWSER is not None
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    switches += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    switches += [f"--use-file-for-fake-audio-capture={tmp_path / 'speech.wav'}%noloop"]
    switches += ["--autoplay-policy=no-user-gesture-required", f"--user-data-dir={tmp_path / 'profile'}"]
    browser = subprocess.Popen(
        [BROWSER, *switches, "--remote-debugging-port=0", address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 30
        while len(words) < len(SPOKEN) and time.monotonic() < end and not any(word.startswith("!") for word in words):
            time.sleep(0.1)
    finally:
        browser.terminate()
        browser.wait(20)
    assert words == list(SPOKEN)
