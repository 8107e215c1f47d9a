"""The live view: what `listen` shows in a terminal."""

from __future__ import annotations

import io
import math
import os
import time
from itertools import islice
from types import TracebackType
from typing import Self, TextIO

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import Segment
from rich.text import Text

from speech_lstm.audio.inputs import Input
from speech_lstm.config import SILENCE, UNKNOWN, DetectionConfig
from speech_lstm.live.box import Line, box, fitted
from speech_lstm.live.command_log import Command, Journal
from speech_lstm.live.listening import Hears
from speech_lstm.live.meter import Meter, draw_bar
from speech_lstm.live.spectrogram import Strip
from speech_lstm.report.tables import counted

FLASH_SECONDS = 1.0  # of audio in which a new command is shown in reverse
NOTE_SECONDS = 8.0  # of audio for which a note stands
FRAME_SECONDS = 0.08  # the view is drawn no more often than this
COMMANDS_WIDTH = 42  # characters, of the panel with the commands beside the bars
SPLIT_WIDTH = 72  # characters; a narrower terminal shows no bars
STRIP_HEIGHTS = {20: 4, 32: 8}  # lines of the spectrogram in a terminal of at least so many


class LiveView:
    """The whole screen: the meter and the spectrogram with the words, the probabilities, the commands, a status line.

    `detection` tells the thresholds that are marked and the rate of false accepts that they stand for. Inside a
    with block it has a screen of its own, which is gone afterwards; one line on it then sums up.
    """

    def __init__(
        self, source: Input, detector: Hears, detection: DetectionConfig, console: Console | None = None
    ) -> None:
        self.journal = Journal(source.device.name)
        self.meter, self.strip = Meter(), Strip()
        self.note_text, self.noted = "", -math.inf  # the last note, and the second of the stream in which it came
        self._source, self._detector, self._detection = source, detector, detection
        self._console = console or Console()
        self._drawn = -math.inf
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
            summary = self.journal.summary(self._detector.seconds, self._source.overruns)
            print(summary, file=self._console.file, flush=True)

    def command(self, command: Command) -> None:
        """It is in the journal, from which it is drawn."""

    def note(self, text: str) -> None:
        self.note_text, self.noted = text, self._detector.seconds

    def hear(self, block: np.ndarray) -> None:
        if len(block):
            self.meter.hear(block)
            self.strip.hear(block)
        if time.monotonic() - self._drawn >= FRAME_SECONDS:
            self.draw()
            self._drawn = time.monotonic()

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

    def _lines(self, console: Console, options: ConsoleOptions) -> list[Line]:
        """Every line of the screen, as wide as it is."""
        width, height, plain = options.max_width, options.height or console.height, options.ascii_only
        strip = max((lines for least, lines in STRIP_HEIGHTS.items() if height >= least), default=0)
        sound = self._sound(console, max(0, width - 4), strip, plain)
        title = Text.assemble("listening to ", (self.journal.source, "bold"))
        lines = box(console, sound, width, len(sound) + 2, title, self._message(), plain)
        rows = max(0, height - len(lines) - 1)
        lines += self._middle(console, width, rows, plain)
        return [*lines[: height - 1], fitted(console, self._status(width), width)]

    def _middle(self, console: Console, width: int, height: int, ascii_only: bool) -> list[Line]:
        """The probabilities, if there is room, and the commands beside them."""
        rows = max(0, height - 2)
        if width < SPLIT_WIDTH:
            return box(console, self._commands(rows), width, height, "commands", "", ascii_only)
        left = width - COMMANDS_WIDTH
        mark = "|" if ascii_only else "│"
        scores = self._scores(left - 4, rows, ascii_only)
        bars = box(console, scores, left, height, "probability", f"{mark} {self._budget()}", ascii_only)
        commands = box(console, self._commands(rows), COMMANDS_WIDTH, height, "commands", "", ascii_only)
        return [[*one, *other] for one, other in zip(bars, commands, strict=True)]

    def _sound(self, console: Console, width: int, strip: int, ascii_only: bool) -> list[Text | Line]:
        """The meter and, of so many lines, the spectrogram with the words below it."""
        lines: list[Text | Line] = [*self.meter.rows(width, ascii_only)]
        if strip:
            coloured = console.color_system in ("256", "truecolor") and not console.no_color
            lines += self.strip.lines(width, strip, coloured, ascii_only)
            lines.append(self._words(width))
        return lines

    def _words(self, width: int) -> Text:
        """The newest commands, each where it begins in the spectrogram."""
        line = Text(" " * width)
        free = width
        for command in self.journal.newest:
            place = self.strip.place(self._detector.seconds - command.found.start, width)
            if place < 0:
                break
            word = command.found.label[: free - place]
            if word:
                line = Text.assemble(line[:place], (word, "bold green"), line[place + len(word) :])
                free = place - 1
        return line

    def _budget(self) -> str:
        """How often the thresholds let something else pass, as far as that is known."""
        rate = self._detection.false_accepts_per_hour
        return f"{rate:g} false accepts an hour" if rate else "threshold, not calibrated"

    def _message(self) -> Text:
        """What to do about the sound, or else the last note for a while."""
        if hint := self._source.hint:
            return Text(hint, "bold yellow")
        if self._detector.seconds - self.noted < NOTE_SECONDS:
            return Text(self.note_text, "bold")
        return Text()

    def _scores(self, width: int, rows: int, ascii_only: bool) -> list[Text]:
        """The labels as bars: all of them in their order if there is room, else the leading ones."""
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
        """A bar with the threshold marked: for a command."""
        bar = draw_bar(score, room, ascii_only)
        if label in (SILENCE, UNKNOWN):
            return Text(bar, "cyan")
        threshold = self._detection.threshold(label)
        at = min(room - 1, int(threshold * room))
        style = "black on green" if score >= threshold else "bold yellow"
        mark = ("|" if ascii_only else "│", style)
        return Text.assemble((bar[:at], "green"), mark, (bar[at + 1 :], "green"))

    def _commands(self, rows: int) -> list[Text]:
        """The newest commands, the last one on top."""
        lines = [
            Text.assemble(
                f"{command.found.start:8.1f} s  ",
                (f"{command.said:%H:%M:%S}", "dim"),
                f" {command.found.probability:4.0%}  ",
                (f" {command.found.label} ", "bold green reverse" if self._is_new(command) else "bold"),
            )
            for command in islice(self.journal.newest, rows)
        ]
        return lines or [Text("none so far", "dim")]

    def _is_new(self, command: Command) -> bool:
        return self._detector.seconds - command.certain < FLASH_SECONDS

    def _status(self, width: int) -> Text:
        seconds = int(self._detector.seconds)
        heard = f" {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} heard"
        overruns = self._source.overruns
        line = Text(f"{heard}, {counted(self.journal.counts.total(), 'command')}, ")
        line.append(f"{counted(overruns, 'block')} lost", "bold red" if overruns else "")
        end = "Ctrl-C ends "
        line.append(" " * max(1, width - line.cell_len - len(end)) + end, "dim")
        return line


def fits(file: TextIO) -> bool:
    """Whether the live view can be shown on `file`: a terminal, and not a dumb one."""
    return file.isatty() and not Console(file=file).is_dumb_terminal


def only_ascii() -> bool:
    """Whether the user's locale is the plain one; Python would write UTF-8 all the same."""
    chosen = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), "")
    return chosen in ("C", "POSIX")
