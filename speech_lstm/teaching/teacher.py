"""Teaches a model: takes and the bank in, a taught model out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from speech_lstm.config import DetectionConfig, commands_of
from speech_lstm.errors import ConfigError, ModelError, brief, printable
from speech_lstm.model.forms import new_forms
from speech_lstm.recognition.onnx_model import OnnxModel
from speech_lstm.recognition.recognizer import Recognizer
from speech_lstm.teaching.bank import Bank, Floats, find_bank
from speech_lstm.teaching.encoding import take_points
from speech_lstm.teaching.gain import Gain, measure_gain
from speech_lstm.teaching.lesson import Lesson, Take, Taught, teach
from speech_lstm.teaching.model_file import Memory, detection_of, taught_file
from speech_lstm.teaching.room import Room, choose_for_room


class Teacher:
    """Teaches words to an exported model; one that was taught before keeps its words."""

    def __init__(self, model: OnnxModel, bank: Bank | None = None) -> None:
        """`bank` is that of the model; None: the bundled one. Raises ModelError if there is none, or of another."""
        self.model, self.memory = model, Memory.of(model)
        self.bank = find_bank(self.memory.source) if bank is None else bank
        if self.bank.source != self.memory.source:
            raise ModelError(
                f"the bank is that of another model than {printable(model.path)}; make its own with "
                "scripts/make_bank.py"
            )

    def learn(self, word: str, clips: Sequence[Floats]) -> None:
        """Take in a word by its takes, each float32 [CLIP_SAMPLES], instead of those that it had.

        Raises ModelError for a model that does not give the vector that its head reads.
        """
        self.memory.words[word] = self.points(clips, word)
        self.memory.kept = tuple(kept for kept in self.memory.kept if kept != word)

    def hear_more(self, word: str, clips: Sequence[Floats]) -> None:
        """Take in further takes of a word that the model was taught."""
        self.memory.words[word] += self.points(clips, word)

    def hear_kept(self, words: Mapping[str, Sequence[Floats]], others: Sequence[Floats], rate: float) -> Gain:
        """Take in further takes of the model's words, kept commands too, and recordings of no command.

        Each is float32 [CLIP_SAMPLES]. Returns what that gains with the rate of false accepts; raises ConfigError if
        there are no words.
        """
        takes = {word: self.points(clips, word) for word, clips in words.items()}
        other_takes = self.points(others, "other sounds")
        gain = measure_gain(self.lesson(), takes, other_takes, rate)
        for word, each in takes.items():
            self.memory.words.setdefault(word, []).extend(each)
        self.memory.others += other_takes
        return gain

    def points(self, clips: Sequence[Floats], what: str) -> list[Take]:
        return take_points(self.model, self.bank.space, clips, f"encoding {printable(what)}")

    def forget(self, words: Iterable[str]) -> None:
        """Raises ConfigError for a word that the model was not taught."""
        for word in words:
            known = (*self.memory.words, *self.memory.kept)
            if word not in known:
                listed = ", ".join(map(printable, known)) or "none"
                raise ConfigError(f"{brief(word)} is no word that the model was taught; those are: {listed}")
            self.memory.words.pop(word, None)
            self.memory.kept = tuple(kept for kept in self.memory.kept if kept != word)

    def keep(self, words: Sequence[str]) -> None:
        """Keep commands of the bundled model, by the bank's recordings of them; "all": all of its commands.

        Raises ConfigError for others.
        """
        commands = commands_of(self.model.labels)
        chosen = commands if tuple(words) == ("all",) else tuple(words)
        for word in chosen:
            if word not in commands or not self.bank.of([word]).any():
                raise ConfigError(
                    f"{brief(word)} cannot be kept: it is no command of the model; its commands are "
                    f"{', '.join(map(printable, commands))}"
                )
        memory = self.memory
        memory.kept = tuple(word for word in chosen if word in memory.kept or word not in memory.words)

    def lesson(self) -> Lesson:
        """What the model is taught; raises ConfigError if there are no words."""
        words = dict(self.memory.words)
        for word in self.memory.kept:
            words[word] = [*words.pop(word, []), *self.bank.points[self.bank.of([word]), None]]
        if not words:
            raise ConfigError("no word is left to teach; give takes of one, or keep a command")
        return Lesson(words, self.bank, self.memory.others)

    def teach(self, rate: float) -> Taught:
        """Fit a head with so many false accepts an hour of speech; raises ConfigError if there are no words."""
        return teach(self.lesson(), rate)

    def write(self, out: Path, taught: Taught, rate: float, room: Path | None = None) -> Room | None:
        """Write the taught model, whole or not at all, with thresholds for a recording of the room if there is one.

        Raises OutputError, and RecordingError for the room's recording.
        """
        files = self.model.files
        with new_forms(files, out) as forms:
            if room is None:
                self.write_forms(forms, taught, detection_of(taught, rate))
                return None
            with TemporaryDirectory() as folder:
                trial = Path(folder) / "trial.onnx"
                with new_forms(files, trial) as trials:
                    self.write_forms(trials, taught, detection_of(taught, rate))
                result = choose_for_room(Recognizer(OnnxModel(trial)), room, rate)
            self.write_forms(forms, taught, result.detection)
        return result

    def write_forms(self, forms: list[tuple[Path, Path]], taught: Taught, detection: DetectionConfig) -> None:
        """Write the forms of the taught model from those of its encoder: see `new_forms`."""
        for form, place in forms:
            place.write_bytes(taught_file(self.model, form, self.bank.space, taught, self.memory, detection))
