"""The study of gradients through time: what is measured, in which order, and all its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from speech_lstm.files import atomic_path, write_json
from speech_lstm.insight import recurrent_weight as weight
from speech_lstm.insight.gradients import Passage, passages
from speech_lstm.insight.memory_task import FIRST, Trial, trial
from speech_lstm.insight.sequences import FEATURES, read_sequences
from speech_lstm.insight.small_network import BATCH, network_config, small_network
from speech_lstm.report.plotting import save_figure
from speech_lstm.training.simple_loop import CLIP, LEARNING_RATE

PAGE = "gradients.html"
PARTS = ("flow", "scalar", "memory")


@dataclass(frozen=True)
class Choice:
    """What is asked for."""

    data: Path
    words: tuple[str, ...]
    cells: tuple[str, ...]
    seconds: tuple[int, ...]  # lengths of the sequences, ascending
    seeds: int
    steps: int  # of training for each length
    parts: tuple[str, ...] = PARTS


@dataclass
class Study:
    """What was asked for and what was found; a part that was not asked for is empty."""

    choice: Choice
    parameters: dict[str, int]  # of each cell's network
    recordings: dict[str, int]  # of both words, by what they serve for
    passages: list[Passage] = field(default_factory=list)
    powers: dict[float, list[float]] = field(default_factory=dict)  # by the recurrent weight
    kept: dict[float, list[float]] = field(default_factory=dict)  # by the bias of the forget gate
    spectra: list[weight.Spectrum] = field(default_factory=list)
    descents: list[weight.Descent] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Every number and every setting."""
        settings = {
            "features": FEATURES.to_dict(),
            "network": network_config("").to_dict() | {"cell": list(self.choice.cells)},
            "optimizer": {"name": "Adam", "learning_rate": LEARNING_RATE, "batch": BATCH, "clip": CLIP},
            "first_stage_steps": FIRST * self.choice.steps,
            "descent": {
                "name": "SGD",
                "steps": weight.LONGER * self.choice.steps,
                "learning_rate": weight.RATE,
                "gain": weight.EXPLODING,
            },
            "torch": torch.__version__,
        }
        return {**asdict(self), "settings": settings}


def write_study(choice: Choice, out: Path) -> Study:
    """Measure what is asked for and leave page, figures and numbers in `out`.

    Raises OutputError, before anything is measured, for a folder that can't be written to, and what `run_study`
    raises.
    """
    from speech_lstm.insight.gradient_figures import figures
    from speech_lstm.insight.gradient_page import page

    with atomic_path(out / PAGE) as temporary:
        study = run_study(choice)
        write_json(out / "gradients.json", study.to_dict())
        images = {}
        for name, figure in figures(study).items():
            images[name] = out / f"{name}.png"
            for path in (images[name], out / f"{name}.svg"):
                save_figure(figure, path)
        temporary.write_text(page(study, images), encoding="utf-8")
    return study


def run_study(choice: Choice) -> Study:
    """Measure what is asked for.

    Raises ConfigError for cells and words that can't be, and CorpusError for recordings that can't be used.
    """
    parameters = {cell: small_network(cell, seed=1).parameter_count for cell in choice.cells}
    material = read_sequences(choice.data, choice.words, choice.seconds[-1])
    counts = (sum(map(len, sequences.words)) for sequences in material)
    study = Study(choice, parameters, dict(zip(("training", "scoring"), counts, strict=True)))
    seconds, steps = choice.seconds, choice.steps
    first = FIRST * steps
    if "flow" in choice.parts:
        with bar("gradients", len(choice.cells) * (first + 2 * sum(seconds))) as told:
            for cell in choice.cells:
                study.passages += passages(cell, 1, material, seconds, first, told(cell))
    if "scalar" in choice.parts:
        study.powers = {w: weight.powers(w) for w in weight.WEIGHTS}
        study.kept = {bias: weight.kept(bias) for bias in weight.FORGET_BIASES}
        study.spectra = weight.spectra(*material, 1)
        with bar("clipping", 2 * weight.LONGER * steps * weight.TRAINED_SECONDS) as told:
            study.descents = weight.descents(material[0], 1, weight.LONGER * steps, told("rnn"))
    if "memory" in choice.parts:
        stages = first * seconds[0] + steps * sum(seconds[1:])
        with bar("memory", choice.seeds * len(choice.cells) * stages) as told:
            for seed in range(1, choice.seeds + 1):
                for cell in choice.cells:
                    study.trials.append(trial(cell, seed, material, seconds, steps, told(f"{cell}, seed {seed}")))
    return study


@contextmanager
def bar(name: str, total: int) -> Iterator[Callable[[str], Callable[[int], Any]]]:
    """A progress bar over seconds of sequences; what it gives is told who works and then the seconds done."""
    from tqdm import tqdm

    with tqdm(total=total, unit="s", delay=2, desc=name) as shown:

        def told(who: str) -> Callable[[int], Any]:
            shown.set_description(f"{name}: {who}", refresh=False)
            return shown.update

        yield told
