"""The live view: what `listen` shows in a terminal."""

from __future__ import annotations

import io
import math
import os
import time
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import numpy as np
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.control import Control
from rich.panel import Panel
from rich.segment import Segment
from rich.text import Text

from speech_lstm.audio.inputs import Input
from speech_lstm.config import SILENCE, UNKNOWN, DetectionConfig
from speech_lstm.errors import printable
from speech_lstm.live.command_log import Command, CommandLog
from speech_lstm.live.listening import DetectorLike
from speech_lstm.live.meter import Meter, draw_bar
from speech_lstm.live.spectrogram import TerminalSpectrogram
from speech_lstm.report.tables import quantity

FLASH_SECONDS = 1.0  # of audio in which a new command is shown in reverse
NOTE_SECONDS = 8.0  # of audio for which a note is shown
FRAME_SECONDS = 0.08  # the view is drawn no more often than this
COMMANDS_WIDTH = 42  # characters, of the panel with the commands to the right of the bars
SPLIT_WIDTH = 72  # characters; a narrower terminal shows no bars
SPECTROGRAM_HEIGHTS = {20: 4, 32: 8}  # lines of the spectrogram in a terminal of at least so many

ScreenLines = list[list[Segment]]


class LiveView:
    """The whole screen: the meter and the spectrogram with the words, the probabilities, the commands, a status line.

    `detection` holds the thresholds that are marked and the rate of false accepts that they were chosen for;
    `keeping` is the folder that sound is kept in. Inside a with block the view has a screen of its own; leaving it
    restores the terminal and prints one line that sums up.
    """

    def __init__(
        self,
        source: Input,
        detector: DetectorLike,
        detection: DetectionConfig,
        console: Console | None = None,
        keeping: Path | None = None,
    ) -> None:
        self.log = CommandLog(source.device.name)
        self.meter, self.spectrogram = Meter(), TerminalSpectrogram()
        self._note, self._note_seconds = "", -math.inf  # the last note, and the second of the stream at which it came
        self._source, self._detector, self._detection = source, detector, detection
        self._keeping = keeping
        self._console = console or Console()
        self._last_frame = -math.inf
        self._screen = self._console.screen()

    def __enter__(self) -> Self:
        if isinstance(self._console.file, io.TextIOWrapper):
            # A name may have letters that the terminal's encoding lacks.
            self._console.file.reconfigure(encoding="ascii" if only_ascii() else None, errors="replace")
        self._screen.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._screen.__exit__(kind, error, traceback)
        if self._detector.seconds:
            summary = self.log.summary(self._detector.seconds, self._source.overruns)
            print(summary, file=self._console.file, flush=True)

    def command(self, command: Command) -> None:
        """Nothing more to do: the next frame is drawn from the log."""

    def note(self, text: str) -> None:
        self._note, self._note_seconds = text, self._detector.seconds

    def update(self, block: np.ndarray) -> None:
        if len(block):
            self.meter.update(block)
            self.spectrogram.update(block)
        if time.monotonic() - self._last_frame >= FRAME_SECONDS:
            self.draw()
            self._last_frame = time.monotonic()

    def draw(self) -> None:
        """Draw everything."""
        with self._console:  # in one go
            self._console.control(Control.home())
            self._console.print(self, end="", crop=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = self._lines(console, options)
        for line in lines[:-1]:
            yield from line
            yield Segment.line()
        yield from lines[-1]

    def _lines(self, console: Console, options: ConsoleOptions) -> ScreenLines:
        """Every line of the screen, as wide as it is."""
        width, height, plain = options.max_width, options.height or console.height, options.ascii_only
        options = options.update(no_wrap=True, overflow="crop" if plain else "ellipsis")
        sound = self._sound(console, max(0, width - 4), height, plain)
        kept = f", keeping sound in {printable(self._keeping)}" if self._keeping else ""
        title = Text.assemble("listening to ", (self.log.source, "bold"), kept)
        lines = panel(console, options, sound, width, len(sound) + 2, title, self._message())
        lines += self._middle(console, options, width, max(0, height - len(lines) - 1))
        status = console.render_lines(self._status(width), options.update(width=width, height=1))
        return [*lines[: height - 1], *status]

    def _middle(self, console: Console, options: ConsoleOptions, width: int, height: int) -> ScreenLines:
        """The probabilities, if there is room, and the commands to the right of them."""
        rows, plain = max(0, height - 2), options.ascii_only
        if width < SPLIT_WIDTH:
            return panel(console, options, self._commands(rows), width, height, Text("commands"))
        left = width - COMMANDS_WIDTH
        scores = self._scores(left - 4, rows, plain)
        legend = Text(f"{threshold_mark(plain)} {self._budget()}")
        bars = panel(console, options, scores, left, height, Text("probability"), legend)
        commands = panel(console, options, self._commands(rows), COMMANDS_WIDTH, height, Text("commands"))
        return [[*one, *other] for one, other in zip(bars, commands, strict=True)]

    def _sound(self, console: Console, width: int, height: int, ascii_only: bool) -> list[Text]:
        """The meter and, in a terminal of enough lines, the spectrogram with the words below it."""
        lines = self.meter.rows(width, ascii_only)
        rows = max((rows for least, rows in SPECTROGRAM_HEIGHTS.items() if height >= least), default=0)
        if rows:
            coloured = console.color_system in ("256", "truecolor") and not console.no_color
            lines += self.spectrogram.lines(width, rows, coloured, ascii_only)
            lines.append(self._words(width))
        return lines

    def _words(self, width: int) -> Text:
        """The newest commands, each where it begins in the spectrogram."""
        line = Text(" " * width)
        free = width  # columns to the left of the words so far
        for command in self.log.newest:
            column = self.spectrogram.column(self._detector.seconds - command.prediction.start, width)
            if column < 0:
                break
            word = command.prediction.label[: free - column]
            if word:
                line = Text.assemble(line[:column], (word, "bold green"), line[column + len(word) :])
                free = column - 1
        return line

    def _budget(self) -> str:
        """The rate of false accepts that the thresholds were chosen for, and of what, where it is known."""
        return self._detection.rate or "threshold, not calibrated"

    def _message(self) -> Text:
        """The hint about the sound, or else, for a while, the last note."""
        if hint := self._source.hint:
            return Text(hint, "bold yellow")
        if self._detector.seconds - self._note_seconds < NOTE_SECONDS:
            return Text(self._note, "bold")
        return Text()

    def _scores(self, width: int, rows: int, ascii_only: bool) -> list[Text]:
        """The labels as bars: all of them in their order if there is room, else the likeliest ones."""
        scores = self._detector.scores
        ordered = list(scores.items())
        if len(ordered) > rows:
            ordered = sorted(ordered, key=lambda item: -item[1])[:rows]
        name_width = min(max(map(len, scores), default=0), width // 2)
        return [
            Text.assemble(
                (f"{label[:name_width]:{name_width}} ", style := self._style(label, score)),
                self._bar(label, score, max(1, width - name_width - 6), ascii_only),
                (f" {score:4.0%}", style),
            )
            for label, score in ordered
        ]

    def _style(self, label: str, score: float) -> str:
        return "bold" if score >= self._detection.threshold(label) else "dim"

    def _bar(self, label: str, score: float, room: int, ascii_only: bool) -> Text:
        """A bar; that of a command has its threshold marked."""
        bar = draw_bar(score, room, ascii_only)
        if label in (SILENCE, UNKNOWN):
            return Text(bar, "cyan")
        threshold = self._detection.threshold(label)
        column = min(room - 1, int(threshold * room))
        style = "black on green" if score >= threshold else "bold yellow"
        mark = (threshold_mark(ascii_only), style)
        return Text.assemble((bar[:column], "green"), mark, (bar[column + 1 :], "green"))

    def _commands(self, rows: int) -> list[Text]:
        """The newest commands, the last one on top."""
        lines = [
            Text.assemble(
                f"{command.prediction.start:8.1f} s  ",
                (f"{command.time:%H:%M:%S}", "dim"),
                f" {command.prediction.probability:4.0%}  ",
                (f" {command.prediction.label} ", "bold green reverse" if self._is_new(command) else "bold"),
            )
            for command in islice(self.log.newest, rows)
        ]
        return lines or [Text("none so far", "dim")]

    def _is_new(self, command: Command) -> bool:
        return self._detector.seconds - command.decision_seconds < FLASH_SECONDS

    def _status(self, width: int) -> Text:
        seconds = int(self._detector.seconds)
        clock = f" {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        overruns = self._source.overruns
        line = Text(f"{clock} of audio, {quantity(self.log.counts.total(), 'command')}, ")
        line.append(f"{quantity(overruns, 'block')} lost", "bold red" if overruns else "")
        end = "Ctrl-C ends "
        line.append(" " * max(1, width - line.cell_len - len(end)) + end, "dim")
        return line


def panel(
    console: Console,
    options: ConsoleOptions,
    lines: list[Text],
    width: int,
    height: int,
    title: Text,
    footer: Text | None = None,
) -> ScreenLines:
    """Exactly `height` lines of `width` cells: a box around `lines`, each of which is cut to fit."""
    for edge in filter(None, (title, footer)):
        edge.overflow = options.overflow
    box = Panel(Group(*lines), title=title, title_align="left", subtitle=footer, subtitle_align="left")
    return console.render_lines(box, options.update(width=width, height=height))


def threshold_mark(ascii_only: bool) -> str:
    return "|" if ascii_only else "│"


def fits(file: TextIO | None) -> bool:
    """Whether the live view can be shown on `file`: a terminal, and not a dumb one."""
    return file is not None and file.isatty() and not Console(file=file).is_dumb_terminal


def only_ascii() -> bool:
    """Whether the user's locale is the plain one, C or POSIX, in which Python writes UTF-8 all the same."""
    locale = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), "")
    return locale in ("C", "POSIX")
