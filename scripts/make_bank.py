"""Make the bank of other words, speech and noise from which `speech-lstm teach` learns what is no taught word.

    python scripts/make_bank.py [NAME] --data DIR --words DIR … --speech DIR … --noise DIR … [--without on,off]

It writes checkpoints/NAME.bank.npz for the bundled model NAME, and is run again whenever that model changes: its
vectors mean nothing to another. --data is Speech Commands, whose training speakers are used; --words are folders of
words, one folder each: its name is the word as people write it, or begins with _ if there are several words in it;
--speech are long recordings, --noise recordings without speech. The projection is learnt from more recordings of the
words than are kept, and from those of --further-words. --model and --out make a bank of any other exported model,
--embedder and --out one of another network, for bench_teach.py.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from embedder import Embedder

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.recording import read_recording, stream_recording
from speech_lstm.audio.sources import find_recordings
from speech_lstm.commands.flags import names
from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.corpus.speech_commands import scan
from speech_lstm.files import byte_size
from speech_lstm.model.bundled import DEFAULT
from speech_lstm.progress import Bar
from speech_lstm.recognition.onnx_model import OnnxModel
from speech_lstm.teaching.bank import NOISE, SPEECH, SUFFIX, Bank, Space, quantised
from speech_lstm.teaching.space import fit_space

FOLDER = Path(__file__).parents[1] / "checkpoints"
EACH, LEARNT_EACH = 80, 250  # recordings of a word, at most, that are kept, and that the projection is learnt from
MOST = 4_000  # recordings of --words and of --speech that are kept, but one of each word and of each recording
NOISES = 600

Named = tuple[str, np.ndarray]  # a name, and a clip float32 [CLIP_SAMPLES] or its vector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default=DEFAULT, metavar="NAME", help="(%(default)s)")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--without", type=names, default=(), metavar="A,B,…", help="folders that are not used")
    parser.add_argument("--words", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--further-words", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--speech", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--noise", type=Path, nargs="*", default=[], metavar="DIR")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--model", type=Path, metavar="FILE.onnx", help="(the bundled model NAME)")
    other.add_argument("--embedder", type=Path, metavar="FILE.onnx", help="see make_embedder.py")
    parser.add_argument("--out", type=Path, metavar="FILE", help="(checkpoints/NAME.bank.npz)")
    options = parser.parse_args()
    random = np.random.default_rng(1)
    if options.embedder and not options.out:
        parser.error("--embedder needs --out")
    file = options.model or FOLDER / f"{options.name}.onnx"
    model = Embedder(options.embedder) if options.embedder else OnnxModel(file)
    data, without = options.data, options.without
    speech = list(encoded(model, pieces(options.speech, random)))
    words = chain(corpus_words(data, without, EACH, random), folder_words(options.words, without, EACH, MOST, random))
    noise = ((NOISE, clip) for clip in clips(some(recordings(options.noise), NOISES, random)))
    kept = [*encoded(model, words), *speech, *encoded(model, noise)]
    folders = [*options.words, *options.further_words]
    more = chain(
        corpus_words(data, without, LEARNT_EACH, random),
        folder_words(folders, without, LEARNT_EACH, math.inf, random),
    )
    bank = make_bank(model, kept, space_of([*encoded(model, more), *speech]))
    out = options.out or FOLDER / f"{options.name}{SUFFIX}"
    bank.save(out)
    seconds, noises = int(bank.is_speech.sum()), int(bank.is_noise.sum())
    print(
        f"{out}  {byte_size(out.stat().st_size)}: {len(bank.kinds) - seconds - noises:,} recordings of "
        f"{len(bank.names) - 2:,} words, {seconds:,} seconds of speech, {noises:,} of noise"
    )


def make_bank(model: OnnxModel | Embedder, kept: list[Named], space: Space) -> Bank:
    """The bank of these names and vectors."""
    known, kinds = np.unique([*(name for name, _ in kept), SPEECH, NOISE], return_inverse=True)
    points = quantised(space.points(np.stack([vector for _, vector in kept])))
    return Bank(model.source, space, points, tuple(known.tolist()), kinds[:-2].astype(np.uint16))


def space_of(named: list[Named]) -> Space:
    """The space of the names and vectors of words and running speech."""
    names = np.array([name for name, _ in named])
    kinds = np.unique(names, return_inverse=True)[1]
    return fit_space(np.stack([vector for _, vector in named]), np.where(names == SPEECH, -1, kinds))


def encoded(model: OnnxModel | Embedder, items: Iterable[Named]) -> Iterator[Named]:
    """The names and vectors of clips."""
    for name, clip in Bar(items, desc="encoding", unit="clip"):
        yield name, model.vectors(clip[None])[0]


def corpus_words(data: Path, without: tuple[str, ...], each: int, random: np.random.Generator) -> Iterator[Named]:
    """At most `each` training recordings of each word of a corpus."""
    corpus = scan(data)
    for word in corpus.words:
        if word not in without:
            paths = [data / clip.name for clip in corpus.clips if clip.folder == word and clip.split == "training"]
            yield from ((word, clip) for clip in clips(some(paths, each, random)))


def folder_words(
    folders: list[Path], without: tuple[str, ...], each: int, most: float, random: np.random.Generator
) -> Iterator[Named]:
    """At most `each` recordings of each word of these folders, and `most` in all, but one of each."""
    for folder in folders:
        words = [part for part in sorted(folder.iterdir()) if part.is_dir() and part.name[0] != "."]
        words = [part for part in words if part.name not in without]
        count = int(min(each, max(1, most / max(1, len(folders) * len(words)))))
        for word in words:
            yield from ((word.name, clip) for clip in clips(some(recordings([word]), count, random)))


def pieces(folders: list[Path], random: np.random.Generator) -> Iterator[Named]:
    """Seconds of long recordings, as many of each."""
    paths = recordings(folders)
    each = MOST // max(1, len(paths))
    for path in paths:
        speech = np.concatenate(list(stream_recording(path)))
        starts = np.arange(0, len(speech) - CLIP_SAMPLES, CLIP_SAMPLES)
        for start in random.permutation(starts)[:each]:
            yield SPEECH, speech[start : start + CLIP_SAMPLES]


def recordings(folders: list[Path]) -> list[Path]:
    return [Path(path) for path in find_recordings(folders)] if folders else []


def some(paths: list[Path], most: int, random: np.random.Generator) -> list[Path]:
    """At most so many of the paths, at random."""
    return [paths[i] for i in sorted(random.permutation(len(paths))[:most])]


def clips(paths: Iterable[Path]) -> Iterator[np.ndarray]:
    return (fit_clip(read_recording(path)) for path in paths)


if __name__ == "__main__":
    main()
