"""How good `speech-lstm teach` is with words that the model has not been trained on.

    python scripts/bench_teach.py --words DIR --speech DIR [--draws 30] [--say] [--json FILE]

--words has a folder for each word, whose files are named SPEAKER-… or SPEAKER_…, as DSPSpeech-20 and Speech Commands
are; --speech are recordings of running speech without the words. A draw chooses words and speakers at random, teaches
the words from a few takes, and tries the head on takes that it has not seen: of the same speaker (his last take of
each word), or of speakers who gave no take. "Others taken" are recordings of all other words of those speakers. False
accepts are commands that are detected in the speech. With --say the takes are those of espeak-ng, so the folders must
have names that it speaks in English. With --finetune DIR, which is that of `teach`, the network itself is trained.
With --embedder and --bank, which `make_bank.py --embedder` made, the same head learns from the vectors of another
network.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from embedder import Embedder

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.recording import read_recording, stream_recording
from speech_lstm.audio.sources import find_recordings
from speech_lstm.commands.flags import add_model_flag, positive, whole
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.files import write_json
from speech_lstm.model.bundled import DEFAULT, find_model
from speech_lstm.progress import Bar
from speech_lstm.recognition.onnx_model import OnnxModel
from speech_lstm.recognition.posteriors import Rows, Stream, WaveformScorer, whole_stream
from speech_lstm.recognition.recognizer import one_thread
from speech_lstm.recognition.trigger import HOP_SECONDS, Trigger
from speech_lstm.report.tables import align, percent
from speech_lstm.teaching.bank import Bank, find_bank
from speech_lstm.teaching.encoding import take_points
from speech_lstm.teaching.head import margins, softmax
from speech_lstm.teaching.lesson import Lesson, Taught, teach
from speech_lstm.teaching.model_file import detection_of
from speech_lstm.teaching.saying import VOICES, spoken_takes

SAME, OTHER, SAID = "same speaker", "other speakers", "all speakers"
SETTINGS = [(SAME, takes) for takes in (1, 2, 3, 4, 5, 10)] + [(OTHER, takes) for takes in (1, 3, 5, 10)]
SAID_SETTINGS = [(SAID, len(VOICES))]
TESTED = 60  # recordings of a draw, at most, of the words and of the others
HOP = round(HOP_SECONDS * SAMPLE_RATE)


@dataclass(frozen=True)
class Recording:
    word: str
    speaker: str
    path: Path


@dataclass(frozen=True)
class Result:
    """The figures of one draw."""

    recall: float
    taken: float  # of the other words
    accepts: float  # an hour of speech
    expected: float  # left out takes that were recognised, as the user is told; NaN of one take


class Bench:
    def __init__(
        self,
        model: OnnxModel | Embedder,
        bank: Bank,
        words: Path,
        speech: Path | None,
        rate: float,
        others: Path | None,
    ) -> None:
        """`rate` is that of `teach`. `others` are the other words that the network itself is trained on, or None for
        a new head."""
        self.model, self.bank, self.space, self.rate = model, bank, bank.space, rate
        self.recordings = list(find(words))
        clips = Bar([fit_clip(read_recording(item.path)) for item in self.recordings], desc="encoding", unit="clip")
        self.points = np.concatenate([self.space.points(self.model.vectors(clip[None])) for clip in clips])
        recordings = Bar(find_recordings([speech]) if speech else [], desc="speech", unit="recording")
        self.speech = [self.speech_points(path) for path in recordings]
        self.hours = sum(len(rows.times) for rows in self.speech) * HOP / SAMPLE_RATE / 3600
        self.others = others
        self.takes: dict[int, np.ndarray] = {}
        self.spoken: dict[str, list[np.ndarray]] = {}

    def speech_points(self, path: Path) -> Rows:
        """The points of the windows of a recording of speech, in the place of posteriors."""
        names = tuple(map(str, range(self.space.projection.shape[1])))
        scorer = WaveformScorer(names, HOP, lambda windows: self.space.points(self.model.vectors(windows)))
        return whole_stream(Stream(scorer, gated=False), stream_recording(path), progress=False)[0]

    def take(self, i: int) -> np.ndarray:
        """The points of a recording and its variations."""
        if i not in self.takes:
            clip = fit_clip(read_recording(self.recordings[i].path))
            (self.takes[i],) = take_points(self.model, self.space, [clip])
        return self.takes[i]

    def said(self, word: str) -> list[np.ndarray]:
        """The points of takes of espeak-ng, and their variations."""
        if word not in self.spoken:
            self.spoken[word] = take_points(self.model, self.space, spoken_takes(word))
        return self.spoken[word]

    def draw(self, kind: str, takes: int, count: int, random: np.random.Generator) -> Result | None:
        """Teach `count` words at random and try them; None where the speakers drawn lack takes."""
        words = np.array([item.word for item in self.recordings])
        speakers = np.array([item.speaker for item in self.recordings])
        order = random.permutation(np.unique(speakers))
        known, uses = np.unique(words[speakers == order[0]], return_counts=True)
        names = known[uses > takes] if kind == SAME else np.unique(words)
        if len(names) < count:
            return None
        chosen = random.choice(names, count, replace=False)
        if kind == SAID:
            mine = np.ones(len(words), bool)
            tried = [random.permutation(np.flatnonzero(words == word))[: TESTED // count] for word in chosen]
        elif kind == SAME:
            mine = speakers == order[0]
            of_word = [random.permutation(np.flatnonzero(mine & (words == word))) for word in chosen]
            taught, tried = [places[:takes] for places in of_word], [places[-1:] for places in of_word]
        else:
            mine = np.isin(speakers, order[2 * takes :])  # twice as many, as not every speaker says every word
            of_word = [random.permutation(np.flatnonzero(~mine & (words == word))) for word in chosen]
            taught = [one_each(places, speakers)[:takes] for places in of_word]
            tried = [random.permutation(np.flatnonzero(mine & (words == word)))[: TESTED // count] for word in chosen]
            if any(len(places) < takes for places in taught) or not all(map(len, tried)):
                return None
        others = random.permutation(np.flatnonzero(mine & ~np.isin(words, chosen)))[:TESTED]
        if self.others:
            return self.tuned({word: self.clips(p) for word, p in zip(chosen, taught, strict=True)}, tried, others)
        if kind == SAID:
            takes_of = {word: self.said(word) for word in chosen}
        else:
            takes_of = {word: [self.take(i) for i in places] for word, places in zip(chosen, taught, strict=True)}
        return self.result(teach(Lesson(takes_of, self.bank), self.rate), tried, others)

    def clips(self, places: np.ndarray) -> list[np.ndarray]:
        return [fit_clip(read_recording(self.recordings[i].path)) for i in places]

    def tuned(self, takes: dict[str, list[np.ndarray]], tried: list[np.ndarray], others: np.ndarray) -> Result:
        """The figures of the network itself, trained on the takes."""
        from speech_lstm.model.torch_model import TorchModel
        from speech_lstm.training.fine_tuning import fine_tune

        assert self.others
        with tempfile.TemporaryDirectory() as folder:
            tuned = fine_tune(find_model(DEFAULT, ".safetensors"), takes, self.others, Path(folder), progress=False)
        model, words = TorchModel(tuned.model), len(takes)
        levels = np.array([tuned.model.detection.threshold(word) for word in takes])

        def accepted(places: np.ndarray) -> np.ndarray:
            """Which words are: bool [recordings, words]."""
            return model.posteriors(np.stack(self.clips(places)))[:, :words] >= levels

        hits = np.concatenate([accepted(places)[:, i] for i, places in enumerate(tried)])
        return Result(float(hits.mean()), float(accepted(others).any(1).mean()), np.nan, tuned.accuracy)

    def result(self, taught: Taught, tried: list[np.ndarray], others: np.ndarray) -> Result:
        def answers(points: np.ndarray) -> np.ndarray:
            return taught.head.logits(points).argmax(1)

        hits = np.concatenate([answers(self.points[places]) == i for i, places in enumerate(tried)])
        taken = margins(taught.head.logits(self.points[others]))[:, : len(tried)].max(1) > 0
        left_out = [answer == word for word, each in taught.answers.items() for answer in each]
        return Result(
            float(hits.mean()),
            float(taken.mean()),
            self.accepts(taught) / self.hours if self.hours else np.nan,
            float(np.mean(left_out)) if left_out else np.nan,
        )

    def accepts(self, taught: Taught) -> int:
        """How many commands are detected in the speech."""
        detection = detection_of(taught, self.rate)
        return sum(
            len(
                Trigger(taught.labels, detection)(
                    rows.times, softmax(taught.head.logits(rows.posteriors)), rows.isolations
                )
            )
            for rows in self.speech
        )


def find(folder: Path) -> Iterator[Recording]:
    """The recordings of the words."""
    for word in sorted(part for part in folder.iterdir() if part.is_dir() and part.name[0] not in "._"):
        for path in map(Path, find_recordings([word])):
            yield Recording(word.name, re.split(r"[-_]", path.stem)[0], path)


def one_each(places: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """The first place of each speaker, in order."""
    _, first = np.unique(speakers[places], return_index=True)
    return places[np.sort(first)]


def settings_of(options: argparse.Namespace) -> list[tuple[str, int]]:
    """On whom the words are tried, and the takes of each."""
    if options.say:
        return SAID_SETTINGS
    if not options.finetune:
        return SETTINGS
    from speech_lstm.training.fine_tuning import LEAST_TAKES

    return [(kind, takes) for kind, takes in SETTINGS if takes >= LEAST_TAKES]


def interval(values: np.ndarray) -> str:
    """The mean with the 95 % interval of it over draws, by the bootstrap, in percent."""
    random = np.random.default_rng(0)
    means = values[random.integers(0, len(values), (2000, len(values)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{percent(values.mean())} ({100 * low:.0f}–{100 * high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=Path, required=True, metavar="DIR")
    parser.add_argument("--speech", type=Path, metavar="DIR")
    parser.add_argument("--count", type=whole, nargs="*", default=[3, 8], metavar="N", help="words (%(default)s)")
    parser.add_argument("--draws", type=whole, default=30, metavar="N", help="of each line (%(default)s)")
    parser.add_argument("--say", action="store_true", help="measure words that espeak-ng speaks")
    parser.add_argument("--finetune", type=Path, metavar="DIR", help="train the network itself")
    parser.add_argument(
        "--false-accepts-per-hour", type=positive, default=0.5, metavar="RATE", help="that is asked for (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--bank", type=Path, metavar="FILE", help="(that of the bundled model)")
    parser.add_argument("--embedder", type=Path, metavar="FILE.onnx", help="see scripts/make_embedder.py")
    add_model_flag(parser)
    options = parser.parse_args()
    one_thread()
    if options.embedder and not options.bank:
        parser.error("--embedder needs its --bank")
    model = Embedder(options.embedder) if options.embedder else OnnxModel(find_model(options.model, ".onnx"))
    bank = Bank.load(options.bank) if options.bank else find_bank(model.source)
    rate = options.false_accepts_per_hour
    bench = Bench(model, bank, options.words, options.speech, rate, options.finetune)
    rows = [("words", "takes", "tried on", "recall", "others taken", "false accepts/h", "recall as told", "draws")]
    numbers = []
    for count in options.count:
        for kind, takes in settings_of(options):
            random, results = np.random.default_rng([count, takes, len(kind)]), list[Result]()
            for _ in range(20 * options.draws):
                if len(results) < options.draws and (result := bench.draw(kind, takes, count, random)):
                    results.append(result)
            if not results:
                continue
            columns = {name: np.array([getattr(item, name) for item in results]) for name in asdict(results[0])}
            told = columns["expected"][~np.isnan(columns["expected"])]
            rows.append(
                (
                    str(count),
                    str(takes),
                    kind,
                    interval(columns["recall"]),
                    interval(columns["taken"]),
                    f"{columns['accepts'].mean():.2f}",
                    percent(told.mean()) if len(told) else "–",
                    str(len(results)),
                )
            )
            numbers.append(
                {"words": count, "takes": takes, "tried": kind, "draws": [asdict(item) for item in results]}
            )
    print("\n".join(align(rows, "rrlrrrrr")))
    if options.json:
        write_json(options.json, numbers)


if __name__ == "__main__":
    main()
