"""The parts of a gradient study in words: findings, a table and a figure for each kind of result."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from statistics import fmean as mean
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from speech_lstm.insight.gradient_figures import flow_figure, matrix_figure, memory_figure, scalar_figure
from speech_lstm.insight.gradient_study import (
    FlowResult,
    MatrixResult,
    MemoryResult,
    ScalarResult,
    Study,
)
from speech_lstm.insight.gradients import Passage
from speech_lstm.insight.memory_task import KNOWN, chance_limit, verdict
from speech_lstm.insight.recurrent_weight import EXPLODING, STEPS, TRAINED_SECONDS
from speech_lstm.insight.sequences import FRAMES
from speech_lstm.insight.small_network import MEASURED
from speech_lstm.report.document import Rows, Section
from speech_lstm.report.tables import align

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAST = 20  # training steps at the end, whose mean loss is reported
LEARNT = 0.9  # of the loss of guessing; a network with a lower loss learnt something
GROWN = 10.0  # times the gradient at the last frame, above which the report says that it grows

R = TypeVar("R")


class Part(ABC, Generic[R]):
    """One part of a study in words, a table and a figure."""

    name: ClassVar[str]  # of the figure's files
    title: ClassVar[str]
    table_title: ClassVar[str] = ""  # in the terminal
    explanation: ClassVar[str]

    def __init__(self, study: Study, result: R) -> None:
        self.choice, self.study, self.result = study.choice, study, result
        self.recordings = study.recordings["scoring"]

    @abstractmethod
    def figure(self) -> Figure: ...

    @abstractmethod
    def findings(self) -> list[str]:
        """Sentences made from the numbers."""

    def table(self) -> Rows:
        return ()

    def notes(self) -> list[str]:
        """What a reader of the findings must know."""
        return []

    def section(self) -> Section:
        text = [self.explanation, *self.notes()]
        return Section(self.title, text, self.findings(), self.table(), {self.name: self.figure()})

    def text(self) -> str:
        """Table, findings and notes for the terminal."""
        rows = self.table()
        lines = align(rows, "l" + "r" * (len(rows[0]) - 1)) if rows else []
        return "\n".join([self.table_title or self.title, *lines, *self.findings(), *self.notes()])


class FlowPart(Part[FlowResult]):
    name = "flow"
    title = "The gradient on its way back"
    table_title = "how far back a thousandth of the gradient reaches"
    explanation = (
        "Recordings of the two words are chained, and the network says which of the two came last. The curves show "
        "the norm of ∂loss/∂h_t at a distance T − t from the last frame, as a share of the norm at the last frame "
        f"T: the median of {MEASURED} sequences. Where a curve is below a thousandth (dotted), the network learns "
        "hardly anything from the sound at that distance. The lower row shows the share at the first frame of "
        "sequences of increasing length; a curve that leaves a figure at the bottom is below 10⁻¹⁶. The table "
        "shows how far back a thousandth reaches; all: through the whole sequence."
    )

    def figure(self) -> Figure:
        return flow_figure(self.choice, self.result)

    def table(self) -> Rows:
        """How far a thousandth of the gradient reaches back, for each cell and length, before and after training."""
        rows = [["cell", "trained", *(f"{seconds} s" for seconds in self.choice.seconds)]]
        for cell in self.choice.cells:
            for trained in (False, True):
                rows.append([cell, "yes" if trained else "no", *map(reach, self.result.of_cell(cell, trained))])
        return rows

    def findings(self) -> list[str]:
        longest, sentences = self.choice.seconds[-1], []
        for trained in (False, True):
            passages = [p for p in self.result.passages if p.trained == trained and p.seconds == longest]
            passages.sort(key=lambda passage: -passage.hidden.reach)
            state = "After learning single words" if trained else "Untrained"
            reaches = listed(f"{p.cell} {reach(p)}" for p in passages)
            sentences.append(f"{state}, a thousandth of the gradient reaches back through {longest} s: {reaches}.")
            if growing := [p for p in passages if max(p.hidden.median) > GROWN]:
                peaks = listed(f"{p.cell} to {max(p.hidden.median):.2g} times" for p in growing)
                sentences.append(f"{state}, it grows on its way back: {peaks} its size at the last frame.")
        return sentences


def reach(passage: Passage) -> str:
    """How far a thousandth of the gradient reaches back: `0.28 s`, or `all` of the sequence."""
    frames = passage.hidden.reach
    return "all" if frames == passage.seconds * FRAMES - 1 else f"{frames / FRAMES:.2f} s"


class ScalarPart(Part[ScalarResult]):
    name = "scalar"
    title = "A weight to the power of the steps"
    explanation = (
        "The gradient goes back through a single linear unit as a power of its recurrent weight: it vanishes for "
        "w < 1, explodes for w > 1, and is preserved only by w = 1. An LSTM's memory has a forget gate in place of "
        "the weight. It cannot exceed 1, so the gradient along the memory cannot explode, and the network learns "
        "when it must be near 1."
    )

    def figure(self) -> Figure:
        return scalar_figure(self.result)

    def findings(self) -> list[str]:
        powers = listed(f"w = {w:g} leaves {curve[STEPS]:.2g}" for w, curve in self.result.powers.items())
        gates = listed(f"{curve[STEPS]:.2g} with a bias of {b:g}" for b, curve in self.result.gate_powers.items())
        return [f"After {STEPS} steps {powers}.", f"The memory behind a forget gate keeps {gates}."]


class MatrixPart(Part[MatrixResult]):
    name = "matrix"
    title = "Singular values above 1, and clipping"
    explanation = (
        "With a matrix, its largest singular value σ takes the place of w: below 1 the gradient must vanish, above 1 "
        "it can explode (dotted: σ to the power of the distance; solid: what the slope of tanh leaves of it). The "
        "other two figures show a training by plain gradient descent that starts with an exploding matrix. One huge "
        "step can push tanh to where it is flat, and the network learns little from then on; clipping shortens the "
        "step and keeps its direction."
    )

    def figure(self) -> Figure:
        return matrix_figure(self.result)

    def findings(self) -> list[str]:
        ends = [(spectrum.gain, spectrum.flow.median[-1]) for spectrum in self.result.spectra]
        shares = listed(f"{share:.2g} times with σ = {gain:g}" for gain, share in ends)
        sentences = [
            f"At the first frame of {TRAINED_SECONDS} s the gradient is, as a multiple of that at the last: {shares}."
        ]
        if bounded := [f"{gain:g}" for gain, share in ends if gain > 1 and share <= 1]:
            sentences.append(
                f"With σ = {listed(bounded)}, though above 1, it does not grow: the slope of tanh holds it down."
            )
        free, clipped = self.result.descents
        sentences.append(
            f"Trained from σ = {EXPLODING:g}, the largest gradient norm was {max(free.learning.norms):.0f} without "
            f"clipping; with it every step used at most {clipped.clip:g} of up to {max(clipped.learning.norms):.0f}."
        )
        losses = [mean(descent.learning.losses[-LAST:]) for descent in (free, clipped)]
        return [
            *sentences,
            f"The loss of the last steps was {losses[0]:.2f} without clipping and {losses[1]:.2f} with it "
            f"(guessing: {math.log(2):.2f}): {outcome(*losses)}. The largest singular value ended at "
            f"{free.singular_values[0]:.1f} without and {clipped.singular_values[0]:.1f} with it.",
        ]


def outcome(free: float, clipped: float) -> str:
    """The effect of clipping in words, from the losses without it (which may be NaN) and with it."""
    if free <= clipped:
        return "clipping did not help here"
    if clipped < LEARNT * math.log(2):
        return "clipping held the explosion"
    return "clipping was not enough here to learn the words"


class MemoryPart(Part[MemoryResult]):
    name = "memory"
    title = "A word, and then noise"
    table_title = "accuracy: mean (worst–best seed)"
    explanation = (
        "Each network reads one of two words and then noise, and answers at the end. It learns the shortest "
        "recordings first and continues with each longer length; it is scored on words of other speakers. Dots are "
        "seeds, lines their means, and the bars reach from the worst seed to the best. On the right is the gradient "
        "of the trained networks, one curve for each seed, on its way back through the longest recordings: it has to "
        "reach the word."
    )

    def figure(self) -> Figure:
        return memory_figure(self.choice, self.result, self.recordings)

    def table(self) -> Rows:
        """Mean accuracy over the seeds, and the worst and the best seed, for each cell and length."""
        rows = [["cell", "parameters", *(f"{seconds} s" for seconds in self.choice.seconds)]]
        for cell in self.choice.cells:
            accuracies = [[100 * accuracy for accuracy in row] for row in self.result.accuracies(cell)]
            cells = [f"{mean(row):.1f} % ({min(row):.0f}–{max(row):.0f})" for row in accuracies]
            rows.append([cell, f"{self.study.parameters[cell]:,}", *cells])
        return rows

    def verdicts(self, cell: str) -> list[str]:
        """Whether a cell knows the word, guesses or is unsure, at each length."""
        return [verdict(mean(row), self.recordings) for row in self.result.accuracies(cell)]

    def findings(self) -> list[str]:
        sentences, verdicts = [], {cell: self.verdicts(cell) for cell in self.choice.cells}
        for word in ("knows", "is unsure", "guesses"):
            lengths = {
                cell: [seconds for seconds, each in zip(self.choice.seconds, row, strict=True) if each == word]
                for cell, row in verdicts.items()
            }
            if spans := [f"{cell} at {times(row)}" for cell, row in lengths.items() if row]:
                sentences.append(f"Where a cell {word}: {'; '.join(spans)}.")
        if {"lstm", "rnn"} <= set(self.choice.cells):
            sentences.append(self.comparison())
        if skipped := sum(stage.learning.skipped for run in self.result.runs for stage in run.stages):
            sentences.append(f"{skipped} training steps were skipped because their gradient was not a number.")
        return sentences

    def comparison(self) -> str:
        """Whether the LSTM still knew the word where the plain network had forgotten it."""
        verdicts = zip(self.choice.seconds, self.verdicts("lstm"), self.verdicts("rnn"), strict=True)
        alone = [(seconds, rnn) for seconds, lstm, rnn in verdicts if lstm == "knows" and rnn != "knows"]
        if forgotten := [seconds for seconds, rnn in alone if rnn == "guesses"]:
            return f"The LSTM still knew the word where the plain network could only guess: at {times(forgotten)}."
        if alone:
            return (
                "The LSTM still knew the word where the plain network was unsure: at "
                f"{times(seconds for seconds, _ in alone)}. The plain network had not forgotten all of it: its "
                "answers were better than guesses."
            )
        return "In this run the LSTM did not outlast the plain network: at no length did it alone know the word."

    def notes(self) -> list[str]:
        return [
            f"The rule: a cell guesses where its mean accuracy over the seeds is at most "
            f"{100 * chance_limit(self.recordings):.1f} %, one half and 1.96 standard errors on {self.recordings} "
            f"recordings; above that it knows the word from {100 * KNOWN:.0f} % up, and is unsure below."
        ]


KINDS: dict[type, type[Part[Any]]] = {
    FlowResult: FlowPart,
    ScalarResult: ScalarPart,
    MatrixResult: MatrixPart,
    MemoryResult: MemoryPart,
}


def parts_of(study: Study) -> list[Part[Any]]:
    """The parts that were measured."""
    return [KINDS[type(result)](study, result) for result in study.results]


def times(lengths: Iterable[int]) -> str:
    """`1 s, 2 s and 4 s`."""
    return listed(f"{seconds} s" for seconds in lengths)


def listed(items: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last
