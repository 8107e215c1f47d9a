"""What the gradient study found, in words and tables made from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

from speech_lstm.insight.gradient_study import Study
from speech_lstm.insight.gradients import Passage
from speech_lstm.insight.memory_task import chance_limit, trials_by_cell, verdict
from speech_lstm.insight.recurrent_weight import EXPLODING, STEPS, TRAINED_SECONDS
from speech_lstm.insight.sequences import FRAMES

TELLING = 20  # training steps at the end, whose mean loss is told
LEARNT = 0.9  # of the loss of guessing: below that something was learnt
GROWN = 10.0  # times what it was at the last frame: from there a gradient is said to explode
Rows = list[list[str]]


def findings(study: Study) -> dict[str, list[str]]:
    """Sentences for each part that was measured, by the name of its figure."""
    found = {}
    if study.passages:
        found["flow"] = flow_findings(study)
    if study.powers:
        found["scalar"] = scalar_findings(study)
        found["matrix"] = matrix_findings(study)
    if study.trials:
        found["memory"] = memory_findings(study)
    return found


def tables(study: Study) -> dict[str, Rows]:
    """Rows of text, the first one the head, by the name of the figure that they belong to."""
    made = {}
    if study.passages:
        made["flow"] = flow_table(study)
    if study.trials:
        made["memory"] = memory_table(study)
    return made


def flow_table(study: Study) -> Rows:
    """How far a thousandth of the gradient reaches back, for each cell and length, before and after training."""
    rows = [["cell", "trained", *(f"{seconds} s" for seconds in study.choice.seconds)]]
    for cell in study.choice.cells:
        for trained in (False, True):
            own = [p for p in study.passages if (p.cell, p.trained) == (cell, trained)]
            rows.append([cell, "yes" if trained else "no", *map(reach, own)])
    return rows


def reach(passage: Passage) -> str:
    """How far a thousandth of the gradient reaches back: `0.28 s`, or `all` of the sequence."""
    frames = passage.hidden.reach
    return "all" if frames == passage.seconds * FRAMES - 1 else f"{frames / FRAMES:.2f} s"


def flow_findings(study: Study) -> list[str]:
    found = []
    longest = study.choice.seconds[-1]
    for trained in (False, True):
        own = [p for p in study.passages if p.trained == trained and p.seconds == longest]
        own.sort(key=lambda passage: -passage.hidden.reach)
        told = listed(f"{p.cell} {reach(p)}" for p in own)
        state = "After learning single words" if trained else "Untrained"
        found.append(f"{state}, a thousandth of the gradient reaches back through {longest} s: {told}.")
        if grown := [p for p in own if max(p.hidden.median) > GROWN]:
            told = listed(f"{p.cell} to {max(p.hidden.median):.2g} times" for p in grown)
            found.append(f"{state}, it grows on its way back: {told} what it is at the last frame.")
    return found


def scalar_findings(study: Study) -> list[str]:
    powers = listed(f"w = {w:g} leaves {curve[STEPS]:.2g}" for w, curve in study.powers.items())
    kept = listed(f"{curve[STEPS]:.2g} with a bias of {bias:g}" for bias, curve in study.kept.items())
    return [f"After {STEPS} steps {powers}.", f"The memory behind a forget gate keeps {kept}."]


def matrix_findings(study: Study) -> list[str]:
    ends = [(spectrum.gain, spectrum.flow.median[-1]) for spectrum in study.spectra]
    told = listed(f"{share:.2g} times with σ = {gain:g}" for gain, share in ends)
    found = [f"At the first frame of {TRAINED_SECONDS} s the gradient is, as a multiple of that at the last: {told}."]
    if held := [f"{gain:g}" for gain, share in ends if gain > 1 and share <= 1]:
        found.append(f"With σ = {listed(held)}, though above 1, it does not grow: the slope of tanh holds it down.")
    free, clipped = study.descents
    losses = [mean(d.learning.losses[-TELLING:]) for d in (free, clipped)]
    found.append(
        f"Trained from σ = {EXPLODING:g}, the largest gradient norm was {max(free.learning.norms):.0f} without "
        f"clipping; with it every step used at most {clipped.clip:g} of up to {max(clipped.learning.norms):.0f}."
    )
    if losses[0] <= losses[1]:
        outcome = "clipping did not help here"
    elif losses[1] < LEARNT * math.log(2):
        outcome = "clipping held the explosion"
    else:
        outcome = "clipping was not enough here to learn the words"
    found.append(
        f"The loss of the last steps was {losses[0]:.2f} without clipping and {losses[1]:.2f} with it "
        f"(guessing: {math.log(2):.2f}): {outcome}. The largest singular value ended at "
        f"{free.singular_values[0]:.1f} without and {clipped.singular_values[0]:.1f} with it."
    )
    return found


def memory_table(study: Study) -> Rows:
    """Mean accuracy over the seeds, and the worst and the best seed, for each cell and length."""
    rows = [["cell", "parameters", *(f"{seconds} s" for seconds in study.choice.seconds)]]
    for cell, scores in scores_by_cell(study).items():
        shown = [f"{100 * mean(row):.1f} % ({100 * min(row):.0f}–{100 * max(row):.0f})" for row in scores]
        rows.append([cell, f"{study.parameters[cell]:,}", *shown])
    return rows


def scores_by_cell(study: Study) -> dict[str, list[list[float]]]:
    """The accuracy of every seed for every length, by cell."""
    return {
        cell: [[trial.stages[i].accuracy for trial in trials] for i in range(len(study.choice.seconds))]
        for cell, trials in trials_by_cell(study.trials).items()
    }


def verdicts(study: Study) -> dict[str, list[str]]:
    """What each cell does at each length: knows, guesses or is unsure."""
    recordings = study.recordings["scoring"]
    return {
        cell: [verdict(mean(row), recordings) for row in scores] for cell, scores in scores_by_cell(study).items()
    }


def memory_findings(study: Study) -> list[str]:
    seconds, cells = study.choice.seconds, verdicts(study)
    found = []
    for word in ("knows", "is unsure", "guesses"):
        where = {
            cell: [n for n, told in zip(seconds, row, strict=True) if told == word] for cell, row in cells.items()
        }
        if told := [f"{cell} at {spans(lengths)}" for cell, lengths in where.items() if lengths]:
            found.append(f"Where a cell {word}: {'; '.join(told)}.")
    if {"lstm", "rnn"} <= cells.keys():
        found.append(claim(study, cells["lstm"], cells["rnn"]))
    if lost := sum(stage.learning.left_out for trial in study.trials for stage in trial.stages):
        found.append(f"{lost} training steps were left out because their gradient was not a number.")
    return found


def claim(study: Study, lstm: list[str], rnn: list[str]) -> str:
    """Whether the LSTM still knew where the plain network had forgotten."""
    seconds = study.choice.seconds
    pairs = list(zip(seconds, lstm, rnn, strict=True))
    known = [length for length, one, other in pairs if one == "knows" and other != "knows"]
    forgotten = [length for length, one, other in pairs if one == "knows" and other == "guesses"]
    if forgotten:
        return f"The LSTM still knew the word where the plain network could only guess: at {spans(forgotten)}."
    if known:
        return (
            f"The LSTM still knew the word where the plain network did not: at {spans(known)}; but the plain network "
            "had not forgotten all of it, its answers were better than guesses."
        )
    return (
        "In this run the LSTM did not outlast the plain network: there is no length at which it alone knew the word."
    )


def rule(study: Study) -> str:
    """How it is decided who knows."""
    recordings = study.recordings["scoring"]
    limit = 100 * chance_limit(recordings)
    return (
        f"The rule: a cell guesses where its mean accuracy over the seeds is at most {limit:.1f} %, one half and "
        f"1.96 standard errors on {recordings} recordings; above that it knows from 75 % on, and is unsure below."
    )


def spans(lengths: Iterable[int]) -> str:
    return listed(f"{length} s" for length in lengths)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def listed(items: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last
