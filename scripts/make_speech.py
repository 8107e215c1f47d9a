"""Speak words with text-to-speech programs, in a folder with the layout of Speech Commands.

    python scripts/make_speech.py --out data/synthetic --unknown 6000 --each 250

For training: commands in many voices, and unknown words, many of which sound like a command. It needs espeak-ng and
uses flite and festival if they are installed. The same seed and the same programs give the same files.
"""

import argparse
import csv
import sys
from collections import Counter
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from voices import (
    Speaker,
    SpeechError,
    colour,
    draw_speakers,
    fail,
    find_engines,
    new_folder,
    place,
    pronunciations,
    speak_clip,
    whole_number,
    word_list,
    write_clip,
)

from speech_lstm.progress import Bar

COMMANDS = "yes,no,up,down,left,right,stop,go"
# The words with which the rejection of unseen words is measured. Their homophones are excluded too.
EXCLUDED = (
    "backward,bird,dog,eight,five,follow,forward,four,house,learn,marvin,nine,off,on,one,seven,sheila,six,three,"
    "tree,two,visual,wow,zero"
)
# Homophones are found by pronunciation. These are listed in case a voice pronounces them differently.
HOMOPHONES = ("to", "too", "won", "ate", "for", "fore", "know", "write", "wright", "rite")
WORD_FILE = Path(__file__).with_name("spoken_words.txt")
KIND_SHARE = {"common": 0.4, "near": 0.35, "pseudo": 0.25}
SHORTEST = 1_280  # samples, 80 ms; anything shorter is not a word

# Spellings of pseudo-words; "." means nothing and is repeated to be drawn more often.
ONSETS = """b bl br ch cl cr d dr dw f fl fr g gl gr h j k l m n p pl pr qu r s sc sh sk sl sm sn sp spl spr st str sw
    t th tr tw v w y z . . . . . ."""
NUCLEI = "a e i o u ai ay ee ea ie oa oo ou ow oi ar er or ir au"
CODAS = """b ck d f ft g k l ld lf lk lm lp lt m mp n nd ng nk nt p pt r s sh sk sp ss st t tch th v x z
    . . . . . . . ."""


@dataclass(frozen=True)
class Clip:
    """One recording to make: the word, its kind, the speaker, and the file in the output folder."""

    number: int
    word: str
    kind: str
    speaker: Speaker
    file: str


def read_words(path: Path = WORD_FILE) -> dict[str, list[str]]:
    """The groups of the word file, each sorted and without repetitions."""
    groups: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            group, words = line.split(":")
            groups.setdefault(group, set()).update(w for w in words.split() if w.isascii() and w.isalpha())
    return {group: sorted(words) for group, words in groups.items()}


def pseudo_words(count: int, rng: np.random.Generator) -> list[str]:
    """`count` different spellings without a meaning, of one to three syllables."""
    words: dict[str, None] = {}
    syllable = [
        np.array([*spellings.replace(".", "").split(), *[""] * spellings.count(".")])
        for spellings in (ONSETS, NUCLEI, CODAS)
    ]
    while len(words) < count:
        syllables = rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])
        parts = [rng.choice(part) for _ in range(syllables) for part in syllable]
        words["".join(parts)] = None
    return [word for word in words if len(word) > 1]


def unknown_words(
    count: int, commands: list[str], exclude: list[str], rng: np.random.Generator
) -> list[tuple[str, str]]:
    """`count` pairs of kind and word. None sounds like a command or an excluded word; within a kind, each occurs
    equally often."""
    groups = read_words()
    candidates = {
        "common": groups.pop("common"),
        "near": sorted({word for command in commands for word in groups.get(command, [])}),
        "pseudo": pseudo_words(max(1, count), rng),
    }
    forbidden = [*commands, *exclude, *HOMOPHONES]
    sounds = set(sum(pronunciations(forbidden), ()))
    chosen: list[tuple[str, str]] = []
    for kind, words in candidates.items():
        allowed = [
            word
            for word, spoken in zip(words, pronunciations(words), strict=True)
            if word not in forbidden and not sounds.intersection(spoken)
        ]
        if not allowed:
            continue  # no word sounds like these commands: pseudo-words take their place
        number = round(count * KIND_SHARE[kind]) if kind != "pseudo" else count - len(chosen)
        turns = -(-number // len(allowed))
        order = [i for _ in range(turns) for i in rng.permutation(len(allowed))]
        chosen += [(kind, allowed[i]) for i in order[:number]]
    return chosen


def plan(options: argparse.Namespace, speakers: list[Speaker], rng: np.random.Generator) -> list[Clip]:
    """Every clip to make. The speakers of one command differ while there are enough."""
    words: list[tuple[str, str, Speaker]] = []
    for word in options.commands:
        turns = -(-options.each // len(speakers))
        order = [i for _ in range(turns) for i in rng.permutation(len(speakers))]
        words += [("command", word, speakers[i]) for i in order[: options.each]]
    for kind, word in unknown_words(options.unknown, options.commands, options.exclude, rng):
        words.append((kind, word, speakers[rng.integers(len(speakers))]))
    takes: Counter[tuple[str, str]] = Counter()
    clips = []
    for number, (kind, word, speaker) in enumerate(words):
        take = takes[word, speaker.id]
        takes[word, speaker.id] += 1
        clips.append(Clip(number, word, kind, speaker, f"{word}/{speaker.id}_nohash_{take}.wav"))
    return clips


def make(job: tuple[Clip, Path, int]) -> str | None:
    """Write one clip; returns the reason if it cannot be made."""
    clip, out, seed = job
    rng = np.random.default_rng([seed, clip.number])
    try:
        word = speak_clip(clip.word, clip.speaker, rng)
    except SpeechError as error:
        return str(error)
    if len(word) < SHORTEST:
        return f"{clip.file}: the word is too short"
    write_clip(out / clip.file, colour(place(word, rng), clip.speaker, rng))
    return None


def write_manifest(out: Path, clips: list[Clip], options: argparse.Namespace) -> None:
    """Write manifest.csv with a line for each clip, and a README.md that describes the folder."""
    with (out / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["file", "word", "kind", "engine", "voice", "speed", "pitch", "tract"])
        for clip in clips:
            speaker = clip.speaker
            voice = [speaker.engine, speaker.voice, speaker.speed, speaker.pitch, speaker.tract]
            table.writerow([clip.file, clip.word, clip.kind, *voice])
    kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(clip.kind for clip in clips).items())
    (out / "README.md").write_text(
        f"# Synthetic speech\n\n{len(clips)} recordings ({kinds}), spoken by text-to-speech programs; made by "
        f"`scripts/make_speech.py --unknown {options.unknown} --each {options.each} --seed {options.seed}`.\n"
        f"Commands: {' '.join(options.commands)}. Never spoken: {' '.join(options.exclude)}.\n"
        "`manifest.csv` names the voice of each recording.\n"
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=new_folder, required=True, help="folder to fill")
    parser.add_argument("--commands", type=word_list, default=word_list(COMMANDS), help="words that are commands")
    parser.add_argument("--each", type=whole_number, default=200, help="recordings of each command")
    parser.add_argument("--unknown", type=whole_number, default=5000, help="recordings of other words")
    parser.add_argument(
        "--exclude", type=word_list, default=word_list(EXCLUDED), help="words not to speak, nor homophones"
    )
    parser.add_argument("--speakers", type=whole_number, default=800, help="different speakers")
    parser.add_argument("--seed", type=whole_number, default=1)
    parser.add_argument("--processes", type=whole_number, default=2)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Make all clips; returns 0 if at least one was made."""
    options = parse(arguments)
    rng = np.random.default_rng(options.seed)
    try:
        engines = find_engines()
        print("found", ", ".join(f"{engine} ({len(set(voices))} voices)" for engine, voices in engines.items()))
        clips = plan(options, draw_speakers(max(1, options.speakers), engines, rng), rng)
    except SpeechError as error:
        return fail(error)
    options.out.mkdir(parents=True, exist_ok=True)
    with Pool(max(1, options.processes)) as pool:
        jobs = ((clip, options.out, options.seed) for clip in clips)
        faults = list(Bar(pool.imap(make, jobs, chunksize=8), total=len(clips), unit="clip"))
    for fault in [fault for fault in faults if fault][:10]:
        print(f"skipped: {fault}", file=sys.stderr)
    written = [clip for clip, fault in zip(clips, faults, strict=True) if not fault]
    write_manifest(options.out, written, options)
    print(f"{len(written)} of {len(clips)} clips in {options.out}")
    return 0 if written else fail("no clip was made")


if __name__ == "__main__":
    sys.exit(main())
