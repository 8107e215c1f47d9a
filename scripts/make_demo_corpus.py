"""Make the synthetic corpus in data/demo: words spoken by espeak-ng, in the layout of Speech Commands.

    rm -r data/demo && python scripts/make_demo_corpus.py

The same seed and the same espeak-ng give the same files. The speakers are chosen so that the archive's hash rule and
the two lists put about 70 % of them into training, 15 % into validation and 15 % into testing.
"""

import argparse
import sys

import numpy as np
from voices import (
    CLIP,
    RATE,
    Speaker,
    SpeechError,
    colour,
    draw_speakers,
    fail,
    find_engines,
    new_folder,
    speak_clip,
    whole_number,
    word_list,
    write_clip,
)

from speech_lstm.corpus.speech_commands import NOISE_FOLDER, SPLITS, hashed_split
from speech_lstm.progress import Bar

MARGIN = RATE * 5 // 100  # samples left and right of a word; the files are shorter than a second to be small
README = """\
# Demo corpus

Synthetic speech: {clips} recordings of {words} words by {speakers} voices of espeak-ng, and {noises} recordings of
generated noise, in the layout of Speech Commands. It is for the demo and the tests, and does not measure how well a
model understands people.

- `<word>/<speaker>_nohash_0.wav`: 16 kHz, mono, 16 bit, at most a second long.
- Commands: {commands}. Other words, labelled as unknown: {others}.
- `validation_list.txt`, `testing_list.txt`: split by speaker; the archive's hash rule gives the same split.
- `{noise_folder}/`: made with NumPy.

`rm -r data/demo && python scripts/make_demo_corpus.py` makes it again (seed {seed}, espeak-ng 1.51; another version
may speak differently).

Licence: CC0 1.0, <https://creativecommons.org/publicdomain/zero/1.0/>. No person was recorded.
"""


def choose_speakers(count: int, rng: np.random.Generator) -> list[Speaker]:
    """`count` espeak-ng speakers with different voice variants, at least one for each split, training first."""
    held_out = max(1, round(0.15 * count))
    missing = {"training": count - 2 * held_out, "validation": held_out, "testing": held_out}
    chosen: dict[str, Speaker] = {}  # by variant: no two speakers share one while there are others
    engines = {"espeak-ng": find_engines()["espeak-ng"]}
    for speaker in draw_speakers(40 * count, engines, rng):
        split, variant = hashed_split(speaker.id), speaker.voice.split("+")[1]
        if missing[split] and variant not in chosen:
            chosen[variant] = speaker
            missing[split] -= 1
    if any(missing.values()):
        raise SpeechError(f"espeak-ng does not have voices for {count} different speakers; lower --speakers")
    return sorted(chosen.values(), key=lambda speaker: SPLITS.index(hashed_split(speaker.id)))


def choose_evenly(speakers: list[Speaker], count: int) -> list[Speaker]:
    """`count` of the speakers, evenly from first to last, so that every split has some."""
    return [speakers[i] for i in np.linspace(0, len(speakers) - 1, min(count, len(speakers))).round().astype(int)]


def noises(seconds: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Five kinds of background noise, float32 [seconds * 16000] with an RMS of 0.1."""
    size = seconds * RATE
    time = np.arange(size) / RATE
    frequency = np.fft.rfftfreq(size, 1 / RATE)

    def shaped(gain: np.ndarray) -> np.ndarray:
        return np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * gain, size)

    def envelope(rate: float) -> np.ndarray:
        """Between 0 and 2, with frequencies up to `rate` Hz."""
        return 1 + np.tanh(_unit(shaped(frequency < rate)))

    pitch = np.maximum(frequency, 20)  # Hz; never zero
    hum = np.sum([np.sin(2 * np.pi * 50 * k * time + rng.uniform(0, 6)) / k for k in (1, 2, 3, 5, 7, 9)], 0)
    clicks = np.where(rng.random(size) < 6 / RATE, rng.uniform(-1, 1, size), 0.0)  # about six a second
    ring = np.exp(-time[:400] * 300) * np.sin(2 * np.pi * 2500 * time[:400])
    bands = [(200, 800), (700, 1800), (1500, 3800)]  # Hz; the formants of several talkers
    babble = np.sum([shaped(1 / ((low / pitch) ** 4 + (pitch / high) ** 4)) * envelope(5) for low, high in bands], 0)
    waves = {
        "white_noise": rng.standard_normal(size),
        "pink_noise": shaped(pitch**-0.5),
        "brown_noise": shaped(pitch**-1.0),
        "mains_hum_and_clicks": _unit(hum) + 0.3 * _unit(np.convolve(clicks, ring)[:size]) + shaped(pitch**-0.5),
        "babble": babble + 0.02 * babble.std() * rng.standard_normal(size),
    }
    return {name: np.clip(0.1 * _unit(wave), -1, 1).astype(np.float32) for name, wave in waves.items()}


def _unit(wave: np.ndarray) -> np.ndarray:
    return (wave - wave.mean()) / max(wave.std(), 1e-9)


def make_clips(options: argparse.Namespace, speakers: list[Speaker]) -> list[str]:
    """Speak every word with each of its speakers; returns the names of the files, as `word/file`."""
    jobs = [(word, speaker) for word in options.commands for speaker in speakers]
    others = choose_evenly(speakers, options.other_speakers)
    jobs += [(word, speaker) for word in options.others for speaker in others]
    names = []
    for number, (word, speaker) in enumerate(Bar(jobs, unit="clip")):
        rng = np.random.default_rng([options.seed, number])
        spoken = np.pad(speak_clip(word, speaker, rng), MARGIN)[:CLIP]
        name = f"{word}/{speaker.id}_nohash_0.wav"
        write_clip(options.out / name, colour(spoken, speaker, rng, rooms=0.0))
        names.append(name)
    return sorted(names)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=new_folder, default="data/demo", help="folder to fill")
    parser.add_argument("--commands", type=word_list, default="yes,no,up,down,left,right,stop,go")
    parser.add_argument("--others", type=word_list, default="bed,cat,happy,tree,dog", help="words that are unknown")
    parser.add_argument("--speakers", type=whole_number, default=20, help="speakers of each command, 3 or more")
    parser.add_argument("--other-speakers", type=whole_number, default=10, help="speakers of each other word")
    parser.add_argument("--noise-seconds", type=whole_number, default=4, help="length of each of the five noises")
    parser.add_argument("--seed", type=whole_number, default=1)
    options = parser.parse_args(arguments)
    if options.speakers < 3 or options.noise_seconds < 1:
        parser.error("at least three speakers, one for each split, and a second of noise are needed")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Make the corpus."""
    options = parse(arguments)
    rng = np.random.default_rng(options.seed)
    try:
        speakers = choose_speakers(options.speakers, rng)
        names = make_clips(options, speakers)
    except SpeechError as error:
        return fail(error)
    for split in SPLITS[1:]:
        members = [name for name in names if hashed_split(name) == split]
        (options.out / f"{split}_list.txt").write_text("".join(f"{name}\n" for name in members))
        print(f"{split}: {len(members)} of {len(names)} clips")
    background = noises(options.noise_seconds, rng)
    for name, noise in background.items():
        write_clip(options.out / NOISE_FOLDER / f"{name}.wav", noise)
    text = README.format(
        clips=len(names),
        words=len(options.commands + options.others),
        speakers=len(speakers),
        noises=len(background),
        commands=" ".join(options.commands),
        others=" ".join(options.others),
        noise_folder=NOISE_FOLDER,
        seed=options.seed,
    )
    (options.out / "README.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
