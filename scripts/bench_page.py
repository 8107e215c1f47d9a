"""How fast the page of `speech-lstm web` is in headless Chromium, and onnxruntime-web beside it.

    python scripts/bench_page.py [--onnxruntime-web node_modules/onnxruntime-web/dist] [--rounds 30]

Prints the bytes that are served, the time to the first answer, milliseconds for a second of sound, the frame rate
while a sound plays, and the time from the end of a spoken word to its gates. The microphone of the browser plays the
words of the page from a file. `npm install onnxruntime-web` fetches the other engine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile

from speech_lstm.config import SAMPLE_RATE
from speech_lstm.files import byte_size
from speech_lstm.model.bundled import DEFAULT, bundled_model
from speech_lstm.web.server import Handler, PageServer
from speech_lstm.web.site import WORDS, models_of, site_files

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
BENCH = "bench.html"
OTHER = {"ort.js": "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm"}
PATIENCE = 300  # seconds


class BenchHandler(Handler):
    """Serves the page, and a page that measures it and sends the results."""

    server: BenchServer

    def policy(self, path: str) -> str:
        return "" if path == BENCH else super().policy(path)

    def do_POST(self) -> None:
        self.server.results = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.done.set()


class BenchServer(PageServer):
    handler = BenchHandler

    def __init__(self, content: dict[str, bytes]) -> None:
        self.done, self.results = threading.Event(), {}
        super().__init__(content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnxruntime-web", type=Path, metavar="DIR", help="the folder dist of that package")
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="runs of each engine (%(default)s)")
    arguments = parser.parse_args()
    content = site_files(models_of([]))
    print(f"{len(content)} files, {byte_size(sum(map(len, content.values())))}")
    content |= {BENCH: page(), "bench.js": Path(__file__).with_suffix(".js").read_bytes()}
    if arguments.onnxruntime_web:
        content |= {name: (arguments.onnxruntime_web / file).read_bytes() for name, file in OTHER.items()}
        content["model.onnx"] = bundled_model(".onnx").read_bytes()
    facts = {"rounds": arguments.rounds, "other": bool(arguments.onnxruntime_web), "model": DEFAULT}
    content["facts.json"] = json.dumps(facts).encode()
    with tempfile.TemporaryDirectory() as folder:
        results = measured(content, Path(folder))
    for line in lines(results):
        print(line)
    if arguments.onnxruntime_web:
        size = sum(len(content[name]) for name in (*OTHER, "model.onnx"))
        print(f"onnxruntime-web with the model: {byte_size(size)}")


def page() -> bytes:
    return b'<!DOCTYPE html><meta charset="utf-8"><body><script type="module" src="bench.js"></script>'


def measured(content: dict[str, bytes], folder: Path) -> dict[str, Any]:
    """What the browser measured."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("there is no Chromium: install the package chromium")
    speech = folder / "speech.wav"
    soundfile.write(speech, spoken(content), SAMPLE_RATE)
    with BenchServer(content) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [browser, *SWITCHES, f"--use-file-for-fake-audio-capture={speech}"]
        command += [f"--user-data-dir={folder / 'profile'}", f"{server.address}{BENCH}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not server.done.wait(PATIENCE):
                sys.exit("the browser sent nothing")
        finally:
            process.terminate()
            process.wait()
            server.shutdown()
    if "failure" in server.results:
        sys.exit(server.results["failure"])
    return server.results


def spoken(content: dict[str, bytes]) -> np.ndarray[Any, Any]:
    """The words of the page with a second of silence before each."""
    import io

    pause = np.zeros(SAMPLE_RATE, np.int16)
    waves = [soundfile.read(io.BytesIO(content[f"{word}.wav"]), dtype="int16")[0] for word in WORDS]
    return np.concatenate([part for wave in waves for part in (pause, wave)])


def lines(results: dict[str, Any]) -> list[str]:
    """The results in words."""
    found = results["words"]
    text = [
        f"first answer after {spread(results['first'], 'ms')} (the page opened {len(results['first'])} times)",
        *(f"a second of sound with {name}: {spread(times, 'ms')}" for name, times in results["engines"].items()),
        f"playing: {results['rate']:.0f} frames a second, the longest took {results['longest']:.0f} ms",
        f"from the end of a word to its gates: {spread(found, 'ms')} ({len(found)} words)",
    ]
    if results["other"]:
        text.append(f"onnxruntime-web: first answer after {results['other']['first']:.0f} ms")
        text.append(f"onnxruntime-web: a second of sound {spread(results['other']['times'], 'ms')}")
    return text


def spread(times: list[float], unit: str) -> str:
    """Median, least and most."""
    return f"{median(times):.1f} {unit} ({min(times):.1f} to {max(times):.1f})"


if __name__ == "__main__":
    main()
