"""Make docs/listen.gif: the live view of `speech-lstm listen` while words of the synthetic corpus are spoken.

usage: python scripts/film_listen.py [MODEL] [--out FILE.gif]

No microphone: the view gets the blocks of a recording, and each of its frames is drawn cell by cell.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from rich.color import ColorTriplet
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import MONOKAI as THEME

import speech_lstm
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.live.view import LiveView
from speech_lstm.recognition.detector import Detector

ROOT = Path(__file__).parents[1]
WORDS = (
    "yes/25128209",
    "left/ee96abb0",
    "happy/005110fa",
    "stop/c8982f12",
    "right/7a254b5f",
    "tree/005110fa",
    "down/25128209",
)
PAUSE_SECONDS = 0.5
BLOCK_SECONDS = 0.1
COLUMNS, ROWS = 80, 22
CELL = (8, 16)  # pixels
FONT_SIZE = 13
START = datetime(2026, 1, 1, 8, 30)  # the film is the same whenever it is made
LAST_MS = 2500  # how long the last frame stays


def sound() -> np.ndarray:
    """The words with pauses, float32 at 16 kHz, in faint noise as a room has it."""
    pieces = [np.zeros(SAMPLE_RATE // 2, np.float32)]
    for word in WORDS:
        pieces += [
            read_recording(ROOT / "data" / "demo" / f"{word}_nohash_0.wav"),
            np.zeros(round(PAUSE_SECONDS * SAMPLE_RATE), np.float32),
        ]
    samples = np.concatenate([*pieces, np.zeros(SAMPLE_RATE, np.float32)])
    return 0.5 * samples + np.random.default_rng(0).normal(0, 2e-4, len(samples)).astype(np.float32)


def screens(model: speech_lstm.Recognizer) -> Iterator[list[list[Segment]]]:
    """The lines of the live view after each block."""
    detector, samples = Detector(model), sound()
    source: Any = SimpleNamespace(device=SimpleNamespace(name="microphone"), overruns=0, hint="")
    console = Console(
        file=io.StringIO(),
        width=COLUMNS,
        height=ROWS,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    view = LiveView(source, detector, model.detection, console)
    step = round(BLOCK_SECONDS * SAMPLE_RATE)
    for at in range(0, len(samples), step):
        block = samples[at : at + step]
        for prediction in detector(block):
            command = view.log.add(prediction, detector.seconds)
            view.log.newest[0] = replace(command, time=START + timedelta(seconds=prediction.start))
        view.update(block)
        yield console.render_lines(view, console.options.update(width=COLUMNS, height=ROWS))


def picture(lines: list[list[Segment]], fonts: Mapping[str, ImageFont.FreeTypeFont]) -> Image.Image:
    """A screen as an image, with the fonts "normal" and "bold"."""
    width, height = CELL
    image = Image.new("RGB", (COLUMNS * width, ROWS * height), THEME.background_color)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        column = 0
        for text, style, _ in line:
            style = style or Style.null()
            font = fonts["bold" if style.bold else "normal"]
            front, back = colours(style)
            for letter in text:
                place = (column * width, row * height)
                draw.rectangle((*place, place[0] + width - 1, place[1] + height - 1), fill=back)
                draw.text(place, letter, font=font, fill=front)
                column += 1
    return image


def colours(style: Style) -> tuple[ColorTriplet, ColorTriplet]:
    """The colours of letters and background."""
    front = style.color.get_truecolor(THEME) if style.color else THEME.foreground_color
    back = style.bgcolor.get_truecolor(THEME, foreground=False) if style.bgcolor else THEME.background_color
    if style.dim:
        front = ColorTriplet(*((a + b) // 2 for a, b in zip(front, back, strict=True)))
    return (back, front) if style.reverse else (front, back)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "listen.gif")
    arguments = parser.parse_args()
    files = {weight: font_manager.findfont(f"DejaVu Sans Mono:{weight}") for weight in ("normal", "bold")}
    fonts = {weight: ImageFont.truetype(file, FONT_SIZE) for weight, file in files.items()}
    frames = [picture(lines, fonts) for lines in screens(speech_lstm.load(arguments.model))]
    palette = Image.fromarray(np.concatenate([np.asarray(frame) for frame in frames[::5]])).quantize(64)
    first, *rest = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    times = [round(1000 * BLOCK_SECONDS)] * len(rest) + [LAST_MS]
    first.save(arguments.out, save_all=True, append_images=rest, duration=times, loop=0, optimize=True)
    print(f"{arguments.out}: {len(frames)} frames, {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
