"""What `listen` shows: a live view in a terminal, plain lines in a pipe or a file."""

from __future__ import annotations

import io
import math
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from speech_lstm.audio.inputs import Input
from speech_lstm.config import SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.recognition.prediction import Prediction

FLOOR_DB = -60.0  # the left end of the meter; a quiet room is about there
HOT_DB = -12.0  # speech whose peaks come near full scale is about to clip
CLIPPED = 0.999  # of full scale
HOLD_SECONDS = 1.5  # a peak stays this long, then falls
FALL_DB = 20.0  # per second
FLASH_SECONDS = 1.0  # of audio in which a new command is shown in reverse
FRAME_SECONDS = 0.08  # the view is drawn no more often than this
REMEMBERED = 200  # commands; more than any terminal has lines
COMMANDS_WIDTH = 42  # characters, of the panel with the commands beside the bars
SPLIT_WIDTH = 72  # characters; a narrower terminal shows no bars
EIGHTHS = " ▏▎▍▌▋▊▉"


class Hears(Protocol):
    """What `listen` needs of a detector."""

    @property
    def scores(self) -> Mapping[str, float]: ...
    @property
    def seconds(self) -> float: ...
    def __call__(self, block: np.ndarray) -> Sequence[Prediction]: ...


def listen(microphone: Input, detector: Hears, console: Console | None = None) -> None:
    """Open `microphone` and show what `detector` finds in it until Ctrl-C or the end of its blocks.

    In a terminal that is the live view; elsewhere one line for each command on the console's file (standard
    output), at once, and what else there is to say on standard error. Either way one line sums up at the end.
    Raises the microphone's MicrophoneError, after that line, where the device refuses or goes away.
    """
    console = console or Console()
    log = Log()
    live = console.file.isatty() and not console.is_dumb_terminal
    try:
        with microphone:
            (_show if live else _print)(microphone, detector, console, log)
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        if detector.seconds:
            summary = log.summary(detector.seconds, microphone.overruns)
            print(summary, file=console.file if live else sys.stderr, flush=True)


class Log:
    """The commands so far: the newest, each with the time of day and of the stream, and how often each was heard."""

    def __init__(self) -> None:
        self.newest: deque[tuple[Prediction, datetime, float]] = deque(maxlen=REMEMBERED)
        self.counts: Counter[str] = Counter()

    def add(self, found: Prediction, seconds: float) -> None:
        """Note a command; `seconds` of audio have been heard up to now."""
        said = datetime.now() - timedelta(seconds=max(0.0, seconds - found.start))
        self.newest.appendleft((found, said, seconds))
        self.counts[found.label] += 1

    def summary(self, seconds: float, overruns: int) -> str:
        """One line for the end."""
        each = ", ".join(f"{label} {count}" for label, count in self.counts.most_common())
        line = f"{seconds:.1f} s heard, {_count(self.counts.total(), 'command')}"
        line += f": {each}" if each else ""
        return line + (f"; {_count(overruns, 'block')} lost" if overruns else "")


def _print(microphone: Input, detector: Hears, console: Console, log: Log) -> None:
    """One line for each command, such as `  12.3 s  yes  0.97`."""
    print(f"listening to {microphone.device.name}; Ctrl-C ends", file=sys.stderr, flush=True)
    lost, hint = 0, ""
    for block in microphone:
        for found in detector(block):
            log.add(found, detector.seconds)
            line = f"{found.start:6.1f} s  {found.label}  {found.probability:.2f}"
            print(line, file=console.file, flush=True)
        if microphone.overruns > lost:
            lost = microphone.overruns
            note = f"{detector.seconds:6.1f} s  {_count(lost, 'block')} lost so far: this machine is too slow"
            print(note, file=sys.stderr, flush=True)
        if microphone.hint != hint:
            hint = microphone.hint
            note = f"{detector.seconds:6.1f} s  {hint or 'the input is fine again'}"
            print(note, file=sys.stderr, flush=True)


def _show(microphone: Input, detector: Hears, console: Console, log: Log) -> None:
    """The live view, on a screen of its own that is gone afterwards."""
    if isinstance(console.file, io.TextIOWrapper):
        console.file.reconfigure(errors="replace")  # a name in letters that the terminal's encoding lacks
    view = LiveView(microphone, detector, log)
    drawn = -math.inf
    with Live(view, console=console, screen=True, auto_refresh=False) as live:
        for block in microphone:
            view.meter.hear(block)
            for found in detector(block):
                log.add(found, detector.seconds)
            if time.monotonic() - drawn >= FRAME_SECONDS:
                live.refresh()
                drawn = time.monotonic()


class Meter:
    """The level of what is heard, in dB relative to full scale, and a peak that is held and falls."""

    def __init__(self) -> None:
        self.level = self.peak = -math.inf
        self.clipped = False
        self._peak_age = math.inf  # seconds

    def hear(self, block: np.ndarray) -> None:
        """Take in a block, 1-D float32 at 16 kHz."""
        seconds = len(block) / SAMPLE_RATE
        highest = float(np.abs(block).max(initial=0.0))
        self.level = _decibels(float(np.sqrt(np.mean(np.square(block, dtype=np.float64)))))
        self._peak_age += seconds
        if self._peak_age > HOLD_SECONDS:
            self.peak -= FALL_DB * seconds
            self.clipped = False
        if _decibels(highest) >= self.peak:
            self.peak, self._peak_age = _decibels(highest), 0.0
            self.clipped = highest >= CLIPPED

    def rows(self, width: int, ascii_only: bool) -> list[Text]:
        """The meter and its scale."""
        figures = f" {_figure(self.level)} dBFS  peak {_figure(self.peak)}"
        room = max(8, width - len(figures) - 5)  # the last: " CLIP"
        filled = draw_bar(_position(self.level), room, ascii_only).rstrip()
        bar = Text(filled, "green").append(("-" if ascii_only else "─") * (room - len(filled)), "dim")
        at = min(room - 1, int(_position(self.peak) * room))
        if self.peak > FLOOR_DB:
            mark = Text("|" if ascii_only else "┃", "bold red" if self.peak > HOT_DB else "bold yellow")
            bar = Text.assemble(bar[:at], mark, bar[at + 1 :])
        bar.append(figures)
        bar.append(" CLIP" if self.clipped else "     ", "bold red reverse" if self.clipped else "")
        step = 10 if room >= 36 else 20
        scale = [" "] * (room + 4)
        for decibels in range(int(FLOOR_DB), 1, step):
            for place, letter in enumerate(str(decibels), round(_position(decibels) * (room - 1))):
                scale[place] = letter
        return [bar, Text("".join(scale), "dim")]


class LiveView:
    """The whole screen: the meter, the probabilities, the commands, and one line about the rest."""

    def __init__(self, microphone: Input, detector: Hears, log: Log) -> None:
        self.meter = Meter()
        self._microphone = microphone
        self._detector = detector
        self._log = log

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or console.height
        rows = max(1, height - 7)  # inside the two panels
        meter = self.meter.rows(width - 4, options.ascii_only)
        panels = [Layout(_panel(self._commands(rows), "commands"))]
        if width >= SPLIT_WIDTH:
            left = width - COMMANDS_WIDTH
            scores = self._scores(left - 4, rows, options.ascii_only)
            panels.insert(0, Layout(_panel(scores, "probability"), size=left))
        if hint := self._microphone.hint:
            meter[1] = Text(hint, "bold red")  # in the place of the scale
        layout, middle = Layout(), Layout()
        middle.split_row(*panels)
        layout.split_column(Layout(_panel(meter, self._title()), size=4), middle, Layout(self._status(width), size=1))
        yield layout

    def _title(self) -> Text:
        return Text.assemble("listening to ", (self._microphone.device.name, "bold"))

    def _scores(self, width: int, rows: int, ascii_only: bool) -> list[Text]:
        """The labels as bars: all of them in their order if there is room, else the leading ones."""
        scores = self._detector.scores
        ordered = list(scores.items())
        if len(ordered) > rows:
            ordered = sorted(ordered, key=lambda item: -item[1])[:rows]
        highest = max(scores.values(), default=0.0)
        name_width = min(max(map(len, scores), default=0), width // 2)
        lines = []
        for label, score in ordered:
            style = "bold" if score == highest else "dim"
            bar = draw_bar(score, max(1, width - name_width - 6), ascii_only)
            lines.append(
                Text.assemble(
                    (f"{label[:name_width]:{name_width}} ", style),
                    (bar, "cyan" if label in (SILENCE, UNKNOWN) else "green"),
                    (f" {score:4.0%}", style),
                )
            )
        return lines

    def _commands(self, rows: int) -> list[Text]:
        """The newest commands, the last one on top."""
        lines = [
            Text.assemble(
                f"{found.start:8.1f} s  ",
                (f"{said:%H:%M:%S}", "dim"),
                f" {found.probability:4.0%}  ",
                (f" {found.label} ", "bold green reverse" if self._is_new(when) else "bold"),
            )
            for found, said, when in islice(self._log.newest, rows)
        ]
        return lines or [Text("none so far", "dim")]

    def _is_new(self, when: float) -> bool:
        return self._detector.seconds - when < FLASH_SECONDS

    def _status(self, width: int) -> Text:
        seconds = int(self._detector.seconds)
        heard = f" {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} heard"
        overruns = self._microphone.overruns
        line = Text(f"{heard}, {_count(self._log.counts.total(), 'command')}, ", no_wrap=True, overflow="crop")
        line.append(f"{_count(overruns, 'block')} lost", "bold red" if overruns else "")
        end = "Ctrl-C ends "
        line.append(" " * max(1, width - line.cell_len - len(end)) + end, "dim")
        return line


def draw_bar(fraction: float, width: int, ascii_only: bool = False) -> str:
    """A bar of `width` characters of which `fraction` (cut to 0..1) is filled, in steps of an eighth."""
    fraction = min(1.0, max(0.0, fraction))
    if ascii_only:
        return ("#" * round(fraction * width)).ljust(width)
    full, part = divmod(round(fraction * width * 8), 8)
    return ("█" * full + (EIGHTHS[part] if part else "")).ljust(width)


def _panel(lines: list[Text], title: str | Text) -> Panel:
    content = Text("\n", no_wrap=True, overflow="crop").join(lines)
    return Panel(content, title=title, title_align="left")


def _position(decibels: float) -> float:
    """Where on the meter a level stands, 0 to 1."""
    return min(1.0, max(0.0, 1.0 - decibels / FLOOR_DB))


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


def _figure(decibels: float) -> str:
    """Three characters, as "-23", " -9" or, for nothing at all, "  -"."""
    return f"{round(decibels):3}" if decibels > -99.5 else "  -"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
