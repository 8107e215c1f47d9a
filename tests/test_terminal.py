"""The live view and the plain lines, drawn from a detector that finds what it is told to."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from speech_lstm.audio.devices import InputDevice
from speech_lstm.config import COMMANDS_8, SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.errors import MicrophoneError
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.terminal import LiveView, Log, Meter, draw_bar, listen

LABELS = (*COMMANDS_8, UNKNOWN, SILENCE)
BLOCK = np.zeros(1600, np.float32)


class Blocks:
    """A source of blocks; with `losses` at these blocks, and `end` raised after the last one."""

    def __init__(self, count: int, losses: tuple[int, ...] = (), end: BaseException | None = None) -> None:
        self.device = InputDevice(3, "USB [bold]Mikrofon[/] Gerät", 1, 44_100.0, True)
        self.count, self.losses, self.end = count, losses, end
        self.overruns = 0
        self.entered = 0

    def __enter__(self) -> Self:
        self.entered += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.entered -= 1

    def __iter__(self) -> Iterator[np.ndarray]:
        assert self.entered == 1
        for place in range(self.count):
            self.overruns += self.losses.count(place)
            yield BLOCK
        if self.end is not None:
            raise self.end


class Told:
    """Finds the commands that it was told, by the number of the block."""

    def __init__(self, found: dict[int, str], labels: tuple[str, ...] = LABELS) -> None:
        self.found = found
        self.scores = {label: 1.0 / (len(labels) - place) for place, label in enumerate(labels)}
        self.blocks = 0

    @property
    def seconds(self) -> float:
        return self.blocks * len(BLOCK) / SAMPLE_RATE

    def __call__(self, block: np.ndarray) -> list[Prediction]:
        self.blocks += 1
        if label := self.found.get(self.blocks):
            return [Prediction(label, 0.97, self.seconds - 0.5, self.seconds, self.scores)]
        return []


def screen(
    source: Blocks,
    detector: Told,
    log: Log,
    width: int = 80,
    height: int = 24,
    encoding: str = "utf-8",
    block: np.ndarray = BLOCK,
) -> list[str]:
    """The rows of the live view, as text."""
    file = io.TextIOWrapper(io.BytesIO(), encoding, errors="replace")
    console = Console(file=file, width=width, height=height, force_terminal=True, no_color=True)
    view = LiveView(source, detector, log)
    view.meter.hear(block)
    lines = console.render_lines(view, console.options.update(height=height))
    return ["".join(segment.text for segment in line) for line in lines]


def heard(count: int, blocks: int = 40) -> tuple[Told, Log]:
    detector, log = Told({}), Log()
    detector.blocks = blocks
    for place in range(count):
        start = detector.seconds - (count - place)
        log.add(Prediction(COMMANDS_8[place % 8], 0.875, start, start + 0.5, {}), start + 0.9)
    return detector, log


def test_the_view_at_80_by_24() -> None:
    detector, log = heard(3)
    source = Blocks(0)
    source.overruns = 2
    rows = screen(source, detector, log, block=np.full(1600, 0.1, np.float32))
    assert len(rows) == 24
    assert {cell_len(row) for row in rows} == {80}
    assert "listening to USB [bold]Mikrofon[/] Gerät" in rows[0]
    assert "-20 dBFS  peak -20" in rows[1]
    assert rows[1].count("█") > 20
    assert [row.split()[1] for row in rows[5:15]] == list(LABELS)
    assert "100%" in rows[14]
    assert rows[14].count("█") > rows[13].count("█") > rows[5].count("█")
    assert "3.0 s" in rows[5]
    assert "up" in rows[5]  # the last one on top
    assert "yes" in rows[7]
    assert "87%" in rows[5] or "88%" in rows[5]
    assert rows[23].startswith(" 0:00:04 heard, 3 commands, 2 blocks lost")
    assert rows[23].endswith("Ctrl-C ends ")


def test_more_labels_and_commands_than_rows() -> None:
    labels = tuple(f"word{place}" for place in range(35))
    _, log = heard(60)
    rows = screen(Blocks(0), Told({}, labels), log)
    assert len(rows) == 24
    shown = [row.split()[1] for row in rows[5:22]]
    assert shown == [f"word{34 - place}" for place in range(17)]  # the leading ones


@pytest.mark.parametrize(("width", "height"), [(200, 60), (72, 10), (50, 12), (24, 8), (10, 3), (1, 1)])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_any_size_of_terminal(width: int, height: int, encoding: str) -> None:
    detector, log = heard(5)
    rows = screen(Blocks(0), detector, log, width, height, encoding)
    assert len(rows) == height
    assert {cell_len(row) for row in rows} == {width}


def test_a_terminal_that_knows_only_ascii() -> None:
    detector, log = heard(5)
    rows = screen(Blocks(0), detector, log, encoding="ascii", block=np.full(1600, 1.0, np.float32))
    assert [letter for letter in "".join(rows) if ord(letter) > 127] == ["ä"]  # of the device, "?" when printed
    assert "####" in rows[1]


def test_the_meter() -> None:
    meter = Meter()
    phase = 2 * np.pi * np.arange(1600) / 16
    meter.hear((0.5 * np.sin(phase)).astype(np.float32))
    assert meter.level == pytest.approx(-9.03, abs=0.01)
    assert meter.peak == pytest.approx(-6.02, abs=0.01)
    assert not meter.clipped
    meter.hear(np.clip(2 * np.sin(phase), -1, 1).astype(np.float32))
    assert meter.clipped
    for _ in range(14):
        meter.hear(BLOCK)
    assert meter.level == -np.inf
    assert meter.peak == 0.0  # held
    assert meter.clipped
    for _ in range(6):
        meter.hear(BLOCK)
    assert -14 < meter.peak < -6  # falling
    assert not meter.clipped
    for _ in range(600):
        meter.hear(BLOCK)
    assert "  - dBFS  peak   -" in meter.rows(76, False)[0].plain


@pytest.mark.parametrize(
    ("fraction", "bar"),
    [(0, "    "), (0.5, "██  "), (1, "████"), (0.28, "█▏  "), (7, "████"), (-1, "    ")],
)
def test_a_bar(fraction: float, bar: str) -> None:
    assert draw_bar(fraction, 4) == bar


def test_plain_lines_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    source = Blocks(200, losses=(30, 30, 150), end=KeyboardInterrupt())
    file = io.StringIO()
    listen(source, Told({10: "yes", 123: "no", 190: "yes"}), Console(file=file))
    assert file.getvalue().splitlines() == ["   0.5 s  yes  0.97", "  11.8 s  no  0.97", "  18.5 s  yes  0.97"]
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.splitlines() == [
        "listening to USB [bold]Mikrofon[/] Gerät; Ctrl-C ends",
        "   3.1 s  2 blocks lost so far: this machine is too slow",
        "  15.1 s  3 blocks lost so far: this machine is too slow",
        "20.0 s heard, 3 commands: yes 2, no 1; 3 blocks lost",
    ]
    assert source.entered == 0


def test_a_device_that_goes_away_still_gives_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MicrophoneError, match="gone"):
        listen(Blocks(5, end=MicrophoneError("gone")), Told({}), Console(file=io.StringIO()))
    assert capsys.readouterr().err.splitlines()[-1] == "0.5 s heard, 0 commands"


def test_the_end_of_the_blocks_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    listen(Blocks(5), Told({5: "go"}), Console(file=io.StringIO()))
    assert capsys.readouterr().err.splitlines()[-1] == "0.5 s heard, 1 command: go 1"
