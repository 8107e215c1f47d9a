"""The live view, drawn from a detector that finds commands by a script."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.cells import cell_len
from rich.console import Console

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import COMMANDS_8, SAMPLE_RATE, DetectionConfig, FeatureConfig
from speech_lstm.live.command_log import CommandLog
from speech_lstm.live.meter import Meter, draw_bar
from speech_lstm.live.spectrogram import BANDS, COLUMN_MS, HIGH_HZ, LOW_HZ, SHADES, TerminalSpectrogram
from speech_lstm.live.view import LiveView, fits, only_ascii
from speech_lstm.recognition.prediction import Prediction
from support.scripted_detector import BLOCK, LABELS, ScriptedDetector, SilentSource


def screen(
    source: SilentSource,
    detector: ScriptedDetector,
    log: CommandLog,
    width: int = 80,
    height: int = 24,
    encoding: str = "utf-8",
    sound: np.ndarray = BLOCK,
    detection: DetectionConfig = DetectionConfig(),  # noqa: B008
    note: str = "",
    keeping: Path | None = None,
) -> list[str]:
    """The rows of the live view, as text."""
    file = io.TextIOWrapper(io.BytesIO(), encoding, errors="replace")
    console = Console(file=file, width=width, height=height, force_terminal=True, no_color=True)
    view = LiveView(source, detector, detection, console, keeping)
    view.log = log
    view.meter.update(sound)
    view.spectrogram.update(sound)
    if note:
        view.note(note)
    lines = console.render_lines(view, console.options.update(height=height))
    return ["".join(segment.text for segment in line) for line in lines]


def listened(count: int, blocks: int = 40) -> tuple[ScriptedDetector, CommandLog]:
    detector, log = ScriptedDetector({}), CommandLog("a microphone")
    detector.blocks = blocks
    for place in range(count):
        start = detector.seconds - (count - place)
        log.add(Prediction(COMMANDS_8[place % 8], 0.875, start, start + 0.5, {}), start + 0.9)
    return detector, log


def test_the_view_says_that_sound_is_kept() -> None:
    detector, log = listened(1)
    assert "keeping sound in kept" in screen(SilentSource(0), detector, log, keeping=Path("kept"))[0]


def test_the_view_at_80_by_24() -> None:
    detector, log = listened(3)
    source = SilentSource(0)
    source.overruns = 2
    rows = screen(source, detector, log, sound=np.full(1600, 0.1, np.float32))
    assert len(rows) == 24
    assert {cell_len(row) for row in rows} == {80}
    assert "listening to a microphone" in rows[0]
    assert "-20 dBFS  peak -20" in rows[1]
    assert rows[1].count("█") > 20
    assert [row.split()[1] for row in rows[10:20]] == list(LABELS)
    assert "100%" in rows[19]
    assert rows[19].count("█") > rows[18].count("█") > rows[10].count("█")
    assert "3.0 s" in rows[10]
    assert "up" in rows[10]  # the last one on top
    assert "yes" in rows[12]
    assert "87%" in rows[10] or "88%" in rows[10]
    assert rows[23].startswith(" 0:00:04 of audio, 3 commands, 2 blocks lost")
    assert rows[23].endswith("Ctrl-C ends ")


def test_the_threshold_of_each_word_is_marked() -> None:
    detection = DetectionConfig({"yes": 0.25, "no": 0.75}, 0.5)
    rows = screen(SilentSource(0), *listened(0), detection=detection)
    places = {row.split()[1]: row.index("│", 12) for row in rows[10:18]}
    bar = range(12, 31)  # the columns of a bar
    assert (places["yes"] - bar[0]) / len(bar) == pytest.approx(0.25, abs=0.06)
    assert (places["no"] - bar[0]) / len(bar) == pytest.approx(0.75, abs=0.06)
    assert len({places[word] for word in COMMANDS_8[2:]}) == 1  # of the words that have none of their own
    assert all(row[12:31].count("│") == 0 for row in rows[18:20])  # _unknown_ and _silence_ have none
    assert "╰─ │ 0.5 an hour of single words ─" in rows[22]
    assert "╰─ │ threshold, not calibrated ─" in screen(SilentSource(0), *listened(0))[22]


def test_the_words_stand_below_their_place_in_the_spectrogram() -> None:
    detector, log = listened(3)  # one a second, the last of them a second ago
    row = screen(SilentSource(0), detector, log)[7]
    assert row.split() == ["│", "yes", "no", "up", "│"]
    second = round(1000 / COLUMN_MS)
    assert [row.index(word) for word in ("yes", "no", "up")] == [77 - second * ago for ago in (3, 2, 1)]
    long = CommandLog("a microphone")
    for start in (1.0, 1.5, 3.7):
        long.add(Prediction("_a_long_word_of_23_char", 0.9, start, start + 0.5, {}), 4.0)
    row = screen(SilentSource(0), detector, long)[7]
    assert "_a_long_w _a_long_word_of_23_char" in row  # cut where the next one begins
    assert row.endswith(" _a_lon │")


def test_a_hint_is_shown_before_a_note() -> None:
    source = SilentSource(0)
    rows = screen(source, *listened(1), note="yes: lamp failed with exit status 1")
    assert rows[8].startswith("╰─ yes: lamp failed with exit status 1 ─")
    source.hint = "the input is silent " * 10
    row = screen(source, *listened(1), note="yes: lamp failed with exit status 1")[8]
    assert row.startswith("╰─ the input is silent ")
    assert "…" in row
    assert cell_len(row) == 80


def test_more_labels_and_commands_than_rows() -> None:
    labels = tuple(f"word{place}" for place in range(35))
    _, log = listened(60)
    rows = screen(SilentSource(0), ScriptedDetector({}, labels), log)
    assert len(rows) == 24
    drawn = [row.split()[1] for row in rows[10:22]]
    assert drawn == [f"word{34 - place}" for place in range(12)]  # the likeliest ones


@pytest.mark.parametrize(("width", "height"), [(200, 60), (72, 10), (50, 12), (24, 8), (10, 3), (1, 1)])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_any_size_of_terminal(width: int, height: int, encoding: str) -> None:
    detector, log = listened(5)
    rows = screen(SilentSource(0), detector, log, width, height, encoding)
    assert len(rows) == height
    assert {cell_len(row) for row in rows} == {width}


def test_a_terminal_that_knows_only_ascii() -> None:
    rows = screen(SilentSource(0), *listened(5), encoding="ascii", sound=np.full(1600, 1.0, np.float32))
    assert "".join(rows).isascii()
    assert "####" in rows[1]


@pytest.mark.parametrize(
    ("variables", "plain"),
    [
        ({}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, True),
        ({"LC_ALL": "de_DE.UTF-8", "LANG": "C"}, False),
        ({"LC_ALL": "", "LC_CTYPE": "C", "LANG": "de_DE.UTF-8"}, True),
    ],
)
def test_a_locale_that_knows_only_ascii(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], plain: bool
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert only_ascii() == plain


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs POSIX terminals")
def test_it_needs_a_terminal_that_is_not_dumb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    outer, inner = os.openpty()
    with os.fdopen(inner, "w") as terminal, (tmp_path / "file").open("w") as file:
        monkeypatch.setenv("TERM", "xterm-256color")
        assert fits(terminal)
        assert not fits(file)
        monkeypatch.setenv("TERM", "dumb")
        assert not fits(terminal)
    os.close(outer)


def test_the_spectrogram_shows_where_a_tone_lies() -> None:
    """A low tone in a line further down than a high one, in every way to draw; the newest at the right."""
    time = np.arange(SAMPLE_RATE, dtype=np.float32) / SAMPLE_RATE
    tones = [0.3 * np.sin(2 * np.pi * hertz * time) for hertz in (200, 5000)]
    spectrogram = TerminalSpectrogram()
    for place in range(0, 2 * SAMPLE_RATE, 777):  # blocks of any size
        spectrogram.update(np.concatenate(tones).astype(np.float32)[place : place + 777])
    second = round(1000 / COLUMN_MS)
    picture = spectrogram.brightness(2 * second + 3, 8)
    assert picture.shape == (8, 2 * second + 3)
    assert (picture[:, :3] == 0).all()  # before it began
    low, high = picture[:, 4 : 3 + second - 1].mean(1), picture[:, 4 + second :].mean(1)
    assert low.argmax() == 7
    assert high.argmax() <= 1
    assert low.max() > 0.9
    assert high.max() > 0.8
    for coloured, ascii_only in ((True, False), (False, False), (False, True), (True, True)):
        lines = spectrogram.lines(2 * second, 4, coloured, ascii_only)
        assert [line.cell_len for line in lines] == [2 * second] * 4
    rows = [line.plain for line in spectrogram.lines(2 * second, 4, False, False)]
    assert rows[3][second // 2] == SHADES[-1]
    assert rows[0][second // 2] == SHADES[0]


def test_the_spectrogram_is_that_of_the_front_end() -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    spectrogram = TerminalSpectrogram()
    spectrogram.update(noise)
    settings = FeatureConfig("log-mel", COLUMN_MS, COLUMN_MS, BANDS, low_hz=LOW_HZ, high_hz=HIGH_HZ)
    want = FrontEnd(settings)(torch.from_numpy(noise)[None])[0].numpy()
    assert np.stack(spectrogram.columns) == pytest.approx(want, abs=1e-3)


def test_a_silent_room_stays_dark() -> None:
    spectrogram = TerminalSpectrogram()
    spectrogram.update(np.random.default_rng(1).normal(0, 1e-4, SAMPLE_RATE).astype(np.float32))
    assert spectrogram.brightness(20, 4).max() < 0.2


def test_the_meter() -> None:
    meter = Meter()
    phase = 2 * np.pi * np.arange(1600) / 16
    meter.update((0.5 * np.sin(phase)).astype(np.float32))
    assert meter.level == pytest.approx(-9.03, abs=0.01)
    assert meter.peak == pytest.approx(-6.02, abs=0.01)
    assert not meter.clipped
    meter.update(np.clip(2 * np.sin(phase), -1, 1).astype(np.float32))
    assert meter.clipped
    for _ in range(14):
        meter.update(BLOCK)
    assert meter.level == -np.inf
    assert meter.peak == 0.0  # held
    assert meter.clipped
    for _ in range(6):
        meter.update(BLOCK)
    assert -14 < meter.peak < -6  # falling
    assert not meter.clipped
    for _ in range(600):
        meter.update(BLOCK)
    assert "  - dBFS  peak   -" in meter.rows(76, False)[0].plain


@pytest.mark.parametrize(
    ("fraction", "bar"),
    [(0, "    "), (0.5, "██  "), (1, "████"), (0.28, "█▏  "), (7, "████"), (-1, "    ")],
)
def test_a_bar(fraction: float, bar: str) -> None:
    assert draw_bar(fraction, 4) == bar
