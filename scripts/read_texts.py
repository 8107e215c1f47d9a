"""Read texts aloud with text-to-speech programs: hours of continuous speech without commands.

    python scripts/read_texts.py README.md docs --hours 1 --out data/read

A scene is a few sentences by one speaker, in a room or none, in noise. Sentences with a command, a word that sounds
like one or a digit are left out. The recordings have some minutes each; next to each is its truth, a CSV with the
voice and the sentence of each stretch. It needs espeak-ng and uses flite and festival if they are installed. The same
texts, seed and programs give the same files.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from background import Background
from join_speech import MINUTES
from voices import (
    ENGINE_SHARE,
    RATE,
    SpeechError,
    colour,
    draw_speakers,
    fail,
    find_engines,
    new_folder,
    pronunciations,
    speak,
    trim,
    whole_number,
    word_list,
    write_recording,
)

from speech_lstm.audio.energy import rms
from speech_lstm.commands.flags import positive
from speech_lstm.config import UNKNOWN
from speech_lstm.errors import SpeechLSTMError
from speech_lstm.files import InputError, read_text
from speech_lstm.progress import Bar
from speech_lstm.streams.scenes import SPEECH_DB
from speech_lstm.streams.truth import Event

# The last four are homophones that espeak-ng pronounces otherwise in some accents.
LEFT_OUT = "yes,no,up,down,left,right,stop,go,on,off,six,seven,nine,know,write,rite,wright"
SCENE = 6  # sentences
LENGTH = (4, 30)  # words of a sentence
PAUSE_SECONDS = (0.15, 0.8)  # between sentences
EDGE = RATE * 4 // 10  # samples before the first sentence and after the last, which its echo fills
SNR_DB = (5.0, 40.0)

MARKUP = re.compile(r"^ *```.*?^ *```|^[ \t]*[-*%>|#]+", re.MULTILINE | re.DOTALL)  # code, and signs before a line
END = re.compile(r"(?<=[.!?])\s+|\n[ \t]*\n")  # of a sentence or a paragraph
SENTENCE = re.compile(r"[A-Z][a-z]*[A-Za-z' ,;:-]+[.!?]")

Scene = tuple[np.ndarray, list[Event]]


def read_texts(paths: Iterable[Path]) -> Iterator[str]:
    """The text of each file, and of those in folders that are text; raises InputError for a file that is not."""
    for path in paths:
        if not path.is_dir():
            yield read_text(path)
            continue
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            try:
                yield read_text(file)
            except InputError as error:
                print(f"skipped: {error}", file=sys.stderr)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text without code, each in one line, of letters and the usual punctuation."""
    for part in END.split(MARKUP.sub("\n\n", text)):
        sentence = " ".join(part.split())
        if SENTENCE.fullmatch(sentence) and LENGTH[0] <= len(words_of(sentence)) <= LENGTH[1]:
            yield sentence


def words_of(sentence: str) -> list[str]:
    return re.findall("[a-z]+", sentence.lower())


def without(sentences: Iterable[str], left_out: list[str]) -> list[str]:
    """The different sentences that have none of these words, nor one that is pronounced like one."""
    different = list(dict.fromkeys(sentences))
    vocabulary = sorted({word for sentence in different for word in words_of(sentence)})
    sounds = set(sum(pronunciations(left_out), ()))
    alike = {word for word, spoken in zip(vocabulary, pronunciations(vocabulary), strict=True) if sounds & {*spoken}}
    forbidden = alike.union(left_out)
    return [sentence for sentence in different if forbidden.isdisjoint(words_of(sentence))]


def scene(sentences: list[str], engines: dict[str, tuple[str, ...]], noise: Background, seed: list[int]) -> Scene:
    """The sentences by a speaker in noise, float32 [samples], and where each is; raises SpeechError."""
    rng = np.random.default_rng(seed)
    (speaker,) = draw_speakers(1, engines, rng)
    snr = round(rng.uniform(*SNR_DB), 2)
    parts, events, length = [np.zeros(EDGE, np.float32)], [], EDGE
    for sentence in sentences:
        spoken = trim(speak(sentence, speaker))
        times = length / RATE, (length + len(spoken)) / RATE
        events.append(Event(UNKNOWN, *times, snr, f"{speaker.engine} {speaker.voice}: {sentence}"))
        parts += [spoken, np.zeros(round(rng.uniform(*PAUSE_SECONDS) * RATE), np.float32)]
        length += len(parts[-2]) + len(parts[-1])
    speech = colour(np.concatenate([*parts, np.zeros(EDGE, np.float32)]), speaker, rng)
    level = 10 ** (rng.uniform(*SPEECH_DB) / 20)
    background = noise(len(speech), rng) * 10 ** (-snr / 20)
    return np.clip(level * (speech / rms(speech) + background), -1, 1).astype(np.float32), events


def scenes(sentences: list[str], options: argparse.Namespace, engines: dict[str, tuple[str, ...]]) -> Iterator[Scene]:
    """Scenes without end: neighbouring sentences, in random order, until all are read; then they are read again."""
    noise, rng = Background(options.noise, options.seed), np.random.default_rng(options.seed)
    number = 0
    while True:
        for first in rng.permutation(range(0, len(sentences), SCENE)):
            number += 1
            try:
                yield scene(sentences[first : first + SCENE], engines, noise, [options.seed, number])
            except SpeechError as error:
                print(f"skipped: {error}", file=sys.stderr)


def recordings(scenes: Iterator[Scene], hours: float) -> Iterator[Scene]:
    """The scenes in recordings of about MINUTES each, until there are so many hours."""
    total, most = 0, MINUTES * 60 * RATE
    with Bar(desc="reading", total=round(3600 * hours), unit="s") as bar:
        while total < 3600 * hours * RATE:
            waves, events, length = [], [], 0
            while length < min(most, 3600 * hours * RATE - total):
                wave, own = next(scenes)
                start = length / RATE
                events += [Event(e.word, start + e.start, start + (e.end or 0), e.snr_db, e.file) for e in own]
                waves.append(wave)
                length += len(wave)
                bar.update(min((total + length) // RATE, bar.total) - bar.n)  # the last sentence ends later
            total += length
            yield np.concatenate(waves), events


def voices_of(engines: dict[str, tuple[str, ...]], share: tuple[int, int]) -> dict[str, tuple[str, ...]]:
    """The voices of one of several shares, which have none in common; raises SpeechError if there is none."""
    part, parts = share
    kept = {}
    for engine, voices in engines.items():
        variants = sorted({voice.split("+")[-1] for voice in voices})[part - 1 :: parts]
        kept[engine] = tuple(voice for voice in voices if voice.split("+")[-1] in variants)
    if not any(kept.values()):
        raise SpeechError(f"there are no voices for {parts} shares; name fewer")
    return {engine: voices for engine, voices in kept.items() if voices}


def share(text: str) -> tuple[int, int]:
    """`text`, such as 1/3, as a share of the voices."""
    match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
    if not match or int(match[1]) > int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 1/3")
    return int(match[1]), int(match[2])


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("texts", type=Path, nargs="+", metavar="TEXT", help="files of UTF-8 text, or folders of them")
    parser.add_argument("--hours", type=positive, required=True, help="length of all recordings together")
    parser.add_argument("--out", type=new_folder, required=True, help="folder to fill")
    parser.add_argument(
        "--leave-out-words",
        type=word_list,
        default=word_list(LEFT_OUT),
        metavar="A,B,…",
        help="sentences with these words, or homophones of them, are not read (%(default)s)",
    )
    parser.add_argument(
        "--voices", type=share, default=(1, 1), metavar="I/N", help="only the I-th of N equal shares of all voices"
    )
    parser.add_argument("--noise", type=Path, nargs="+", default=[], help="recordings of it (generated noise)")
    parser.add_argument("--seed", type=whole_number, default=1)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Read the texts aloud."""
    options = parse(arguments)
    try:
        engines = find_engines()
        for missing in sorted({*ENGINE_SHARE} - {*engines}):
            print(f"{missing} is missing: its voices are not used (apt install {missing})", file=sys.stderr)
        engines = voices_of(engines, options.voices)
        known = [sentence for text in read_texts(options.texts) for sentence in sentences(text)]
        usable = without(known, options.leave_out_words) if known else []
        if not usable:
            return fail("no sentence is left; name other texts")
        print(f"{len(usable):,} of {len(known):,} sentences; voices of {', '.join(engines)}")
        spoken = scenes(usable, options, engines)
        for number, (wave, events) in enumerate(recordings(spoken, options.hours)):
            write_recording(options.out / f"{number:03d}.flac", wave, events)
    except (SpeechLSTMError, SpeechError) as error:
        return fail(error)
    print(f"{number + 1} recordings in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
