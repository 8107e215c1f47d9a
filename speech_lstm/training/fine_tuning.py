"""The network itself, trained on words of one's own: slower than a new head, and with other words at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.recording import read_recording
from speech_lstm.audio.sources import find_recordings
from speech_lstm.config import Config, CorpusConfig, DetectionConfig, TrainingConfig
from speech_lstm.corpus.own_words import take_path, write_take
from speech_lstm.corpus.speech_commands import NOISE_FOLDER
from speech_lstm.errors import CorpusError, printable
from speech_lstm.files import write_text
from speech_lstm.model.checkpoint import Model, load_model
from speech_lstm.model.torch_model import TorchModel
from speech_lstm.report.tables import quantity
from speech_lstm.training.run import train

SPEAKER = "own"  # of all takes, which are therefore split by takes
# Few takes need many epochs, and as many other words in each as there are takes.
EPOCHS, BATCH, LEARNING_RATE, AVERAGE = 40, 16, 1e-3, 0.99
UNKNOWN, SILENCE = 300.0, 30.0  # percent of the takes, per epoch
HELD_OUT = 4  # one of so many recordings of other words is not trained on
LEAST_TAKES = 8  # of a word: with three, a new head recognised more, see docs/teach.md
TAKEN = 0.01  # share of other words that may be taken for a command
LEAST, MOST = 20, 1000  # recordings of other words that are held out, and that are answered

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FineTuned:
    """A model that was trained on words of one's own."""

    model: Model  # with thresholds that TAKEN of the other words exceed
    accuracy: float  # with the takes and the silence that it was not trained on, 0 to 1
    others: int  # recordings of other words that the thresholds were chosen on, none of which it was trained on


def fine_tune(
    start: Path, takes: Mapping[str, Sequence[Floats]], others: Path, folder: Path, progress: bool = True
) -> FineTuned:
    """Train the network of a model on takes float32 [CLIP_SAMPLES] of each word; the run is in a new folder.

    `others` has a folder for each of other words, which are `_unknown_`. Raises SpeechLSTMError for what cannot be
    trained on, and `trainer.Stopped` when the user interrupts.
    """
    for word, clips in takes.items():
        if len(clips) < LEAST_TAKES:
            raise CorpusError(
                f"{printable(word)} has {quantity(len(clips), 'take')}, but --finetune needs {LEAST_TAKES} of each "
                "word: with fewer a new head is better; record more, or leave out --finetune"
            )
    recordings = [path for path in map(Path, find_recordings([others])) if is_other(path, takes)]
    held_out = recordings[::HELD_OUT]
    if len(held_out) < LEAST:
        raise CorpusError(
            f"{printable(others)}: has {len(recordings)} recordings of other words, but {LEAST * HELD_OUT} are "
            "needed; name a corpus such as Speech Commands, which `speech-lstm download` downloads"
        )
    for word, clips in takes.items():
        for i, clip in enumerate(clips):
            write_take(take_path(folder / "takes", word, SPEAKER, i), clip)
    write_text(folder / "held_out.txt", "".join(f"{path.as_posix()}\n" for path in held_out))
    model = load_model(start)
    corpus = CorpusConfig(
        labels=",".join(takes),
        extra=str(others),
        leave_out=str(folder / "held_out.txt"),
        unknown=UNKNOWN,
        silence=SILENCE,
    )
    training = TrainingConfig(
        epochs=EPOCHS, batch=BATCH, learning_rate=LEARNING_RATE, average=AVERAGE, start=str(start)
    )
    config = Config(features=model.features, network=model.config, corpus=corpus, training=training)
    summary = train(config, folder / "takes", folder / "run", progress=progress)
    tuned = load_model(Path(summary["model"]))
    unheard = np.stack([fit_clip(read_recording(path)) for path in held_out[:: -(-len(held_out) // MOST)]])
    levels = thresholds_for(TorchModel(tuned).posteriors(unheard)[:, : len(takes)])
    detection = DetectionConfig(dict(zip(takes, levels, strict=True)))
    return FineTuned(replace(tuned, detection=detection), float(summary["best_validation_accuracy"]), len(unheard))


def thresholds_for(posteriors: Floats) -> list[float]:
    """The probability of each word, 0.5 at least, so that TAKEN of other words are taken for one of them.

    `posteriors` float32 [recordings, words] are of other words.
    """
    return np.quantile(posteriors, 1 - TAKEN / posteriors.shape[1], axis=0).clip(0.5, 1).tolist()


def is_other(path: Path, words: Mapping[str, Sequence[Floats]]) -> bool:
    """Whether a recording is of another word."""
    return path.parent.name not in words and NOISE_FOLDER not in path.parts
