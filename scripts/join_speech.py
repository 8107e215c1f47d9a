"""Join pieces of speech to recordings of some minutes, divided into parts to train, to choose and to report by.

    python scripts/join_speech.py pieces --out data/speech --parts train=0.5,thresholds=0.25,figure=0.25

`NAME_part0`, `NAME_part1`, … are consecutive seconds: they are joined without a gap, except where one is missing.
`NAME_p0`, `NAME_p1`, … are of one clip but not consecutive. All pieces of a clip are in one part. Clips follow each
other at a gap of faint noise, as loud as the noise in them; their levels are those of a synthetic stream. Next to
each recording is its truth, a CSV with the clip of each stretch. The same seed and pieces give the same files, and
further pieces do not move a clip to another part.
"""

import argparse
import hashlib
import math
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from background import Background
from voices import fail, new_folder, whole_number, write_recording

from speech_lstm.audio.energy import frame_powers, noise_floor
from speech_lstm.audio.recording import read_recording
from speech_lstm.audio.sources import find_recordings
from speech_lstm.commands.flags import seconds
from speech_lstm.config import SAMPLE_RATE, UNKNOWN
from speech_lstm.errors import RecordingError, SpeechLSTMError
from speech_lstm.files import read_text
from speech_lstm.progress import Bar
from speech_lstm.streams.scenes import SPEECH_DB
from speech_lstm.streams.truth import Event
from speech_lstm.streams.voices import EDGE, fade

MINUTES = 5  # of a recording
NUMBERED = re.compile(r"(?P<clip>.+)_(?P<kind>part|p)(?P<number>\d+)")
ACTIVE = 1e-3  # of the loudest frame's power, 30 dB below: speech, whose mean is the clip's level
FLOOR_PERCENT = 5  # of the frames lie below the noise floor: a second of speech has few pauses
FAINTEST, LOUDEST = 10 ** (-80 / 20), 0.1  # of the noise in a gap: RMS, and the share of the speech's


@dataclass(frozen=True)
class Speech:
    """Speech without a gap, float32 [samples], of the clip `name`; `floor` is the RMS of its noise."""

    name: str
    samples: np.ndarray
    floor: float


@dataclass(frozen=True)
class Clip:
    """The files of one clip; those in one tuple are consecutive."""

    name: str
    runs: tuple[tuple[Path, ...], ...]

    def speech(self, level_db: float) -> Iterator[Speech]:
        """What is said in the clip, at a level in dB of full scale; raises RecordingError."""
        for run in self.runs:
            samples = np.concatenate([read_recording(path) for path in run])
            powers = frame_powers(samples, remainder=True)
            loudness = math.sqrt(powers[powers >= ACTIVE * powers.max()].mean())
            if not loudness:
                raise RecordingError(f"{run[0]}: is silent")
            level = 10 ** (level_db / 20)
            gain = level / loudness
            floor = gain * math.sqrt(noise_floor(powers, FLOOR_PERCENT))
            yield Speech(self.name, samples * np.float32(gain), min(max(floor, FAINTEST), LOUDEST * level))


def find_clips(paths: Iterable[Path], left_out: set[str]) -> list[Clip]:
    """The clips that recordings are pieces of, without those of which a file's name is in `left_out`."""
    pieces: dict[Path, list[tuple[str, int, Path]]] = {}
    for path in paths:
        match = NUMBERED.fullmatch(path.stem)
        clip, kind, number = match.groups() if match else (path.stem, "p", "0")
        pieces.setdefault(path.with_name(clip), []).append((kind, int(number), path))
    return [
        Clip(f"{clip.parent.name}/{clip.name}", consecutive(sorted(files)))
        for clip, files in pieces.items()
        if not any(path.name in left_out for _, _, path in files)
    ]


def consecutive(files: list[tuple[str, int, Path]]) -> tuple[tuple[Path, ...], ...]:
    """The kind, number and path of a clip's pieces as runs that are joined without a gap."""
    runs: list[tuple[Path, ...]] = []
    last = ("", 0)
    for kind, number, path in files:
        if kind == "part" and last == (kind, number - 1):
            runs[-1] += (path,)
        else:
            runs.append((path,))
        last = kind, number
    return tuple(runs)


def part_of(clip: Clip, parts: dict[str, float], seed: int) -> str:
    """The part of a clip, from its name and the seed alone."""
    place = int(hashlib.sha256(f"{seed}/{clip.name}".encode(errors="backslashreplace")).hexdigest()[:8], 16) / 2**32
    bounds = np.cumsum(list(parts.values()))[:-1]
    return list(parts)[int(np.searchsorted(bounds, place, side="right"))]


def join(speech: list[Speech], gap: int, noise: Background, rng: np.random.Generator) -> np.ndarray:
    """Speech with `gap` samples of noise before, between and after: float32 [samples]. The edges are cross-faded."""
    recording = np.zeros(gap + sum(len(part.samples) + gap for part in speech), np.float32)
    floors = [part.floor for part in (speech[0], *speech, speech[-1])]
    begin = 0
    for i in range(len(speech) + 1):
        first, end = max(0, begin - EDGE), min(begin + gap + EDGE, len(recording))
        level = np.geomspace(floors[i], floors[i + 1], end - first, dtype=np.float32)
        recording[first:end] += fade(level * noise(end - first, rng))
        begin += gap
        if i < len(speech):
            stop = begin + len(speech[i].samples)
            recording[begin:stop] += fade(speech[i].samples)
            begin = stop
    return np.clip(recording, -1, 1)


def truth_of(speech: list[Speech], gap: int) -> list[Event]:
    """Where the speech of each clip lies in what `join` returns."""
    events, begin = [], gap
    for part in speech:
        end = begin + len(part.samples)
        events.append(Event(UNKNOWN, begin / SAMPLE_RATE, end / SAMPLE_RATE, file=part.name))
        begin = end + gap
    return events


def recordings(clips: list[Clip], rng: np.random.Generator) -> Iterator[list[Speech]]:
    """The speech of the clips in random order, in lists of about MINUTES each; a damaged clip is skipped."""
    speech: list[Speech] = []
    for i in Bar(rng.permutation(len(clips)), unit="clip"):
        try:
            speech += list(clips[i].speech(rng.uniform(*SPEECH_DB)))
        except RecordingError as error:
            print(f"skipped: {error}", file=sys.stderr)
        if sum(len(part.samples) for part in speech) >= MINUTES * 60 * SAMPLE_RATE:
            yield speech
            speech = []
    if speech:
        yield speech


def write_part(folder: Path, clips: list[Clip], gap: int, noise: Background, seed: list[int]) -> float:
    """Write the recordings of a part; returns their seconds."""
    rng, samples = np.random.default_rng(seed), 0
    for number, speech in enumerate(recordings(clips, rng)):
        recording = join(speech, gap, noise, rng)
        write_recording(folder / f"{number:03d}.wav", recording, truth_of(speech, gap))
        samples += len(recording)
    return samples / SAMPLE_RATE


def shares(text: str) -> dict[str, float]:
    """`text`, such as train=0.8,test=0.2, as parts and their shares."""
    try:
        parts = {name: float(share) for name, share in (item.split("=") for item in text.split(","))}
    except ValueError:
        parts = {}
    if (
        not all(re.fullmatch(r"\w+", name) for name in parts)
        or not all(share > 0 for share in parts.values())
        or not math.isclose(sum(parts.values()), 1, abs_tol=1e-6)
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list such as train=0.8,test=0.2, with a sum of 1")
    return parts


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("pieces", type=Path, nargs="+", help="recordings, or folders of them")
    parser.add_argument("--out", type=new_folder, required=True, help="folder to fill, with one for each part")
    parser.add_argument("--parts", type=shares, default={"speech": 1.0}, help="their shares (speech=1)")
    parser.add_argument("--gap", type=seconds, default=0.1, help="between clips, in seconds (%(default)s)")
    parser.add_argument("--noise", type=Path, nargs="+", default=[], help="recordings of it (generated noise)")
    parser.add_argument("--leave-out", type=Path, help="file names of pieces, one a line, whose clips are not used")
    parser.add_argument("--seed", type=whole_number, default=1)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Join all pieces; returns 0 if there was anything to join."""
    options = parse(arguments)
    try:
        left_out = set(read_text(options.leave_out).splitlines()) if options.leave_out else set()
        clips = find_clips([Path(path) for path in find_recordings(options.pieces)], left_out)
        noise = Background(options.noise, options.seed)
    except SpeechLSTMError as error:
        return fail(error)
    gap, total = round(options.gap * SAMPLE_RATE), 0.0
    for number, part in enumerate(options.parts):
        own = [clip for clip in clips if part_of(clip, options.parts, options.seed) == part]
        length = write_part(options.out / part, own, gap, noise, [options.seed, number])
        print(f"{part}: {len(own)} clips, {length / 60:.1f} min in {options.out / part}")
        total += length
    return 0 if total else fail("no clip is left")


if __name__ == "__main__":
    sys.exit(main())
