"""The gradient study: its settings, the measurements of each part, and all numbers as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from speech_lstm.insight import recurrent_weight as weight
from speech_lstm.insight.gradients import Passage, passages
from speech_lstm.insight.memory_task import FIRST, MemoryRun, run_memory_task
from speech_lstm.insight.sequences import FEATURES, Sequences, read_sequences
from speech_lstm.insight.small_network import BATCH, Advance, network_config, small_network
from speech_lstm.training.simple_loop import CLIP, LEARNING_RATE

Material = tuple[Sequences, Sequences]  # what the networks train on, what they are scored on


@dataclass(frozen=True)
class Choice:
    """The settings of a study."""

    data: Path
    words: tuple[str, ...]
    cells: tuple[str, ...]
    seconds: tuple[int, ...]  # lengths of the sequences, ascending
    seeds: int
    steps: int  # of training for each length
    parts: tuple[str, ...]  # of PARTS

    @property
    def first_steps(self) -> int:
        """Training steps for the shortest length, on which the words themselves are learnt."""
        return FIRST * self.steps


@dataclass(frozen=True)
class FlowResult:
    """The gradient through chains of words, for every cell and length, untrained and trained."""

    passages: list[Passage]

    @classmethod
    def measure(cls, choice: Choice, material: Material) -> FlowResult:
        seconds, steps = choice.seconds, choice.first_steps
        results: list[Passage] = []
        with progress("gradients", len(choice.cells) * (steps + 2 * sum(seconds))) as advance:
            for cell in choice.cells:
                results += passages(cell, 1, material, seconds, steps, advance(cell))
        return cls(results)

    def of_cell(self, cell: str, trained: bool) -> list[Passage]:
        """The passages of one cell, by ascending length."""
        return [passage for passage in self.passages if (passage.cell, passage.trained) == (cell, trained)]

    def numbers(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ScalarResult:
    """The powers of a recurrent weight, and of a forget gate in its place."""

    powers: dict[float, list[float]]  # by the recurrent weight
    gate_powers: dict[float, list[float]]  # by the bias of the forget gate

    @classmethod
    def measure(cls, choice: Choice, material: Material) -> ScalarResult:
        powers = {value: weight.powers(value) for value in weight.WEIGHTS}
        return cls(powers, {bias: weight.gate_powers(bias) for bias in weight.FORGET_BIASES})

    def numbers(self) -> dict[str, Any]:
        return {"powers": self.powers, "kept": self.gate_powers}


@dataclass(frozen=True)
class MatrixResult:
    """Plain networks with given singular values: the gradient through them, and training from the largest."""

    spectra: list[weight.Spectrum]
    descents: list[weight.Descent]

    @classmethod
    def measure(cls, choice: Choice, material: Material) -> MatrixResult:
        steps = weight.LONGER * choice.steps
        spectra = weight.spectra(*material, 1)
        with progress("clipping", 2 * steps * weight.TRAINED_SECONDS) as advance:
            return cls(spectra, weight.descents(material[0], 1, steps, advance("rnn")))

    def numbers(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class MemoryResult:
    """The memory task with every cell and seed."""

    runs: list[MemoryRun]

    @classmethod
    def measure(cls, choice: Choice, material: Material) -> MemoryResult:
        seconds, steps = choice.seconds, choice.steps
        total = choice.first_steps * seconds[0] + steps * sum(seconds[1:])
        with progress("memory", choice.seeds * len(choice.cells) * total) as advance:
            return cls(
                [
                    run_memory_task(cell, seed, material, seconds, steps, advance(f"{cell}, seed {seed}"))
                    for seed in range(1, choice.seeds + 1)
                    for cell in choice.cells
                ]
            )

    def of_cell(self, cell: str) -> list[MemoryRun]:
        """The runs of one cell, by seed."""
        return [run for run in self.runs if run.cell == cell]

    def accuracies(self, cell: str) -> list[list[float]]:
        """The accuracy of every seed at each length: [lengths][seeds]."""
        stages = zip(*(run.stages for run in self.of_cell(cell)), strict=True)
        return [[stage.accuracy for stage in row] for row in stages]

    def numbers(self) -> dict[str, Any]:
        return {"trials": asdict(self)["runs"]}


Result = FlowResult | ScalarResult | MatrixResult | MemoryResult
PARTS: dict[str, tuple[type[Result], ...]] = {
    "flow": (FlowResult,),
    "scalar": (ScalarResult, MatrixResult),
    "memory": (MemoryResult,),
}


@dataclass(frozen=True)
class Study:
    """The settings of a study and the results of the parts that were measured."""

    choice: Choice
    parameters: dict[str, int]  # of each cell's network
    recordings: dict[str, int]  # of both words, by their use
    results: tuple[Result, ...]

    def to_dict(self) -> dict[str, Any]:
        """Every number and every setting; the numbers of a part that was not measured are empty."""
        numbers: dict[str, Any] = {
            "choice": asdict(self.choice),
            "parameters": self.parameters,
            "recordings": self.recordings,
            **{"passages": [], "powers": {}, "kept": {}, "spectra": [], "descents": [], "trials": []},
        }
        for result in self.results:
            numbers |= result.numbers()
        return numbers | {"settings": settings(self.choice)}


def settings(choice: Choice) -> dict[str, Any]:
    """The settings of features, networks and training."""
    return {
        "features": FEATURES.to_dict(),
        "network": network_config("").to_dict() | {"cell": list(choice.cells)},
        "optimizer": {"name": "Adam", "learning_rate": LEARNING_RATE, "batch": BATCH, "clip": CLIP},
        "first_stage_steps": choice.first_steps,
        "descent": {
            "name": "SGD",
            "steps": weight.LONGER * choice.steps,
            "learning_rate": weight.RATE,
            "gain": weight.EXPLODING,
        },
        "torch": torch.__version__,
    }


def run_study(choice: Choice) -> Study:
    """Measure the chosen parts.

    Raises ConfigError for unknown cells and words, and CorpusError for recordings that cannot be used.
    """
    parameters = {cell: small_network(cell, seed=1).parameter_count for cell in choice.cells}
    material = read_sequences(choice.data, choice.words, choice.seconds[-1])
    counts = (sum(map(len, sequences.words)) for sequences in material)
    recordings = dict(zip(("training", "scoring"), counts, strict=True))
    results = [kind.measure(choice, material) for part in choice.parts for kind in PARTS[part]]
    return Study(choice, parameters, recordings, tuple(results))


@contextmanager
def progress(name: str, total: int) -> Iterator[Callable[[str], Advance]]:
    """A progress bar over seconds of sequences: a function from the name of what is measured to what moves it on."""
    from speech_lstm.progress import Bar

    with Bar(total=total, unit="s", desc=name) as bar:

        def advance(item: str) -> Advance:
            bar.set_description(f"{name}: {item}", refresh=False)
            return bar.update

        yield advance
