"""Training recordings whose label is probably wrong: models contradict it, or there is no word in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.energy import FRAME, HIGH_HZ, LEAST_POWER, LOW_HZ, frame_powers, noise_floor, rms
from speech_lstm.config import SAMPLE_RATE, SILENCE, UNKNOWN, Config, CorpusConfig, commands_of
from speech_lstm.corpus.examples import training_examples
from speech_lstm.corpus.recordings import Recordings, read_recordings
from speech_lstm.corpus.task import Task
from speech_lstm.training.console import Console
from speech_lstm.training.hardware import choose_device
from speech_lstm.training.out_of_fold import Answers, Questions, mean_answer, open_model

EMPTY, NO_WORD, OTHER_COMMAND = "empty", "no word", "other command"
NO_COMMAND, NEAR_WORD = "no command", "near word"
KINDS = {  # what each kind of suspect means, for people
    EMPTY: "no sound, or a steady one",
    NO_WORD: "a word, answered as _silence_",
    OTHER_COMMAND: "a command, answered as another one",
    NO_COMMAND: "a command, answered as _unknown_",
    NEAR_WORD: "no command, answered as one",
}

# Measured on recordings of commands of Speech Commands v0.01 and a network that was trained on the next version: it
# recognises none of the 66 that are quieter than QUIETEST, and none of the 28 others that rise by less than
# LEAST_RISE. In the whole band it recognises most of those that do not rise: words in loud rumble.
QUIETEST = 10 ** (-70 / 20)  # RMS
LEAST_RISE = 5.0  # dB
RISING = 5  # frames, 100 ms: a click is shorter than a word
FLOOR_PERCENT = 20  # of the frames lie below the noise floor: the recordings have quiet ends


@dataclass(frozen=True)
class Suspect:
    """A recording that may not hold what its label says, and what models answer."""

    recording: str
    label: str
    answer: str
    probability: float  # of the answer
    label_probability: float
    kind: str


@dataclass(frozen=True)
class Examination:
    """What models answer to the training recordings of a corpus."""

    recordings: Recordings
    rows: NDArray[np.int64]  # [examined] of the clips
    truth: NDArray[np.int64]  # [examined] number of the label
    answers: Answers  # [examined, labels]

    def suspects(self, threshold: float) -> list[Suspect]:
        """The recordings that are empty, or whose label has at most this probability: by kind, least probable first.

        The label counts, not the answer: wrong labels are so rare that of the sure answers that contradict a label
        most are wrong themselves.
        """
        labels, clips = self.recordings.task.labels, self.recordings.clips
        suspects = []
        for row, truth, answer in zip(self.rows, self.truth, self.answers, strict=True):
            best = int(answer.argmax()) if answer.any() else truth
            label, name = labels[truth], clips.names[row]
            if kind := kind_of(label, labels[best], answer[truth] <= threshold, clips.samples[row]):
                chances = float(answer[best]), float(answer[truth])
                suspects.append(Suspect(name, name.split("/")[0], labels[best], *chances, kind))
        order = list(KINDS)
        return sorted(suspects, key=lambda suspect: (order.index(suspect.kind), suspect.label_probability))


def examine(config: Config, data: Path, models: Sequence[Path], folds: int, console: Console) -> Examination:
    """Ask given models, those of folds, or both about the training recordings of the corpus in `data`.

    With folds the labels are those of the settings, and recordings to leave out are not trained on, but asked about.
    Without folds the labels are those of the first model. Raises SpeechLSTMError for what cannot be used and
    `trainer.Stopped` when the user interrupts.
    """
    device = choose_device(config.training.device)
    opened = [open_model(path, config, device) for path in models]
    if folds:
        recordings = read_recordings(replace(config.corpus, leave_out=""), data, not console.quiet)
    else:
        bare = CorpusConfig(strict=config.corpus.strict)
        recordings = read_recordings(bare, data, not console.quiet, Task(opened[0].labels))
    questions = Questions(recordings, device, console)
    each = [questions.model_answers(model, path) for model, path in zip(opened, models, strict=True)]
    if folds:
        examples = training_examples(recordings.corpus, recordings.clips, recordings.task, config.corpus)
        # A model to start from may have been trained on every recording.
        fresh = replace(config, training=replace(config.training, start=""))
        each.append(questions.fold_answers(fresh, examples, folds))
    return Examination(recordings, questions.rows, questions.truth, mean_answer(each))


def kind_of(label: str, answer: str, improbable: bool, clip: NDArray[np.int16]) -> str:
    """The kind of suspect that a recording is with this answer and this label, improbable or not; "" if it is none.

    Whether a steady sound is a word, which may fill the whole recording, is left to the answer.
    """
    if label != SILENCE and (is_silent(clip) or (answer != label and is_steady(clip))):
        return EMPTY
    if answer == label or not improbable:
        return ""
    if answer == SILENCE:
        return NO_WORD
    if not commands_of([label]):
        return NEAR_WORD
    return NO_COMMAND if answer == UNKNOWN else OTHER_COMMAND


def is_silent(clip: NDArray[np.int16]) -> bool:
    """Whether a recording, int16 [samples], is too quiet or too short for a word."""
    samples = in_floats(clip)[slice(*sound_bounds(clip))]
    return len(samples) < RISING * FRAME or rms(samples) < QUIETEST


def is_steady(clip: NDArray[np.int16]) -> bool:
    """Whether nothing in a recording, int16 [samples], that is not silent, rises above the noise in the band of
    speech."""
    powers = frame_powers(speech_band(in_floats(clip))[slice(*sound_bounds(clip))])
    levels = 10 * np.log10(np.convolve(powers, np.full(RISING, 1 / RISING), "valid") + LEAST_POWER)
    return bool(levels.max() - noise_floor(levels, FLOOR_PERCENT) < LEAST_RISE)


def in_floats(clip: NDArray[np.int16]) -> NDArray[np.float32]:
    """int16 → float32 in ±1."""
    return np.divide(clip, 32768, dtype=np.float32)


def sound_bounds(clip: NDArray[np.int16]) -> tuple[int, int]:
    """Where the sound of a recording begins and ends, without the zeros that a short one is padded with."""
    sound = np.flatnonzero(clip)
    return (int(sound[0]), int(sound[-1]) + 1) if len(sound) else (0, 0)


def speech_band(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples [n] without what lies outside the band of speech."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(hertz < LOW_HZ) | (hertz > HIGH_HZ)] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)
