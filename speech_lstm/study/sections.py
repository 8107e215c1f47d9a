"""The report of a study, section by section: sentences, tables and figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from speech_lstm.report import statistics
from speech_lstm.report.document import Section
from speech_lstm.report.proportion import wilson
from speech_lstm.report.statistics import mean_of
from speech_lstm.report.tables import percent
from speech_lstm.report.wording import (
    SIGNIFICANCE,
    agreement_sentence,
    difference_cells,
    drawn_from,
    number,
    paired_cells,
    power_sentences,
    seed_cells,
)
from speech_lstm.study import figures
from speech_lstm.study.findings import SHARED, Findings, score
from speech_lstm.study.importance import FEWEST, Forest

if TYPE_CHECKING:
    from speech_lstm.study.results import Results

COSTS = figures.COSTS


def sections(study: Findings) -> list[Section]:
    """The whole report."""
    parts: list[Callable[[Findings], Section]] = [differences, best, paired, costs, settings, published, protocol]
    return [summary(study), *(part(study) for part in parts)]


def summary(study: Findings) -> Section:
    """What came out, in a few sentences."""
    results = study.results
    found = [*verdicts(study)]
    order = sorted(results.cells, key=lambda cell: -score(results, cell))
    found.insert(
        0,
        f"By the best tenth of the trials the order is {', '.join(order)}: from {percent(score(results, order[0]))} "
        f"to {percent(score(results, order[-1]))} on the testing split.",
    )
    if study.importance is not None:
        name, share = next(iter(study.importance.pooled.items()))
        found.append(
            f"What decides the accuracy most is {figures.spoken(name)}: {100 * share:.0f} % of its variance."
        )
    found += [agreement_sentence(one.paper, one.agreement.tau, one.agreement.p) for one in study.beside]
    done, asked = results.progress.done, results.progress.total
    if done < asked:
        found.append(f"The study is not finished: {done:,} of {asked:,} trainings are done.")
    return Section("What was found", findings=found)


def verdicts(study: Findings) -> list[str]:
    """Which cells differ from the baseline, by the best tenth of the trials."""
    results = study.results
    tests = study.tenths
    named: dict[str, list[str]] = {}
    for cell, test in tests.items():
        named.setdefault(test.verdict, []).append(cell)
    told = []
    for verdict, cells in named.items():
        count = min(min(tests[cell].counts) for cell in cells)
        what = f"{results.baseline} in the best tenth of the trials ({count} of each)"
        if verdict in ("better", "worse"):
            told.append(f"Significantly {verdict} than {what}: {', '.join(cells)}.")
        elif verdict == "not significant":
            told.append(f"Not significantly different from {what}: {', '.join(cells)}.")
        else:
            told.append(
                f"Too few trials to compare with {what}: {', '.join(cells)}. The test wants {statistics.FEWEST} in "
                f"the best tenth, which are {10 * (statistics.FEWEST - 1) + 1} trials of each cell."
            )
    return told


def differences(study: Findings) -> Section:
    """All trials and the best tenth, with Welch's tests."""
    results = study.results
    tests, clips = study.tenths, len(results.truth)
    rows = [["cell", "trials", "best tenth", "mean accuracy", "difference (95 %), points", "g", "p", "verdict"]]
    for cell in results.cells:
        tenth = mean_of([t.accuracy for t in results.best_tenth(cell)])
        row = [cell, str(len(results.trials(cell))), str(tenth.count), percent(tenth.mean)]
        rows.append(row + (difference_cells(tests[cell]) if cell in tests else ["", "", "", "baseline"]))
    text = [
        "The best tenth of each cell's trials is chosen by the validation split and compared on the testing split. "
        f"The test is Welch's, two-sided; {SIGNIFICANCE} All trials show how easily a cell's settings are found, the "
        "best tenth what it can do.",
        *power_sentences(tests.values(), "trials"),
    ]
    drawn = {"boxes": figures.boxes_figure(results, tests)}
    low, high = wilson(round(score(results, results.cells[0]) * clips), clips) or (0.0, 1.0)
    text.append(
        f"The test takes the clips as they are. On {clips:,} of them an accuracy like {results.cells[0]}'s is itself "
        f"known to ± {50 * (high - low):.1f} points (95 %): with other clips all cells may move together, and a "
        "difference much smaller than that is about these clips."
    )
    return Section("Are the differences real?", text, verdicts(study), rows, drawn)


def best(study: Findings) -> Section:
    """The best configuration of each cell, and its seeds."""
    results = study.results
    names = list(results.space)
    head = ["cell", *map(figures.spoken, names), "parameters", "validation", "testing", "seeds", "mean ± deviation"]
    rows = [[*head, "95 % interval", "training, s", "one recording, ms"]]
    for cell in sorted(results.cells, key=lambda cell: -figures.best_accuracy(results, cell)):
        training, seeds = results.best(cell), results.repeats(cell)
        seen = mean_of([t.accuracy for t in seeds]) if seeds else None
        rows.append(
            [
                cell,
                *(number(training.drawn[name]) for name in names),
                f"{training.kept['parameters']:,}",
                percent(training.kept["validation"]["accuracy"]),
                percent(training.accuracy),
                *seed_cells(seen),
                *(f"{figures.typical(results, cell, COSTS[name][1]):.1f}" for name in ("training", "latency")),
            ]
        )
    lost = {cell: sum(t.kept["diverged"] for t in results.trials(cell)) for cell in results.cells}
    found = [f"{cell}: the loss became infinite in {n} of its trials." for cell, n in lost.items() if n]
    text = [
        "The configuration of each cell's best trial, chosen by the validation split, was trained again with further "
        "seeds. A best trial is also the luckiest: the seeds say what to expect of it. The interval is Student's."
    ]
    return Section("The best configuration of each cell", text, found, rows)


def paired(study: Findings) -> Section:
    """The best models on the same clips, with McNemar's tests."""
    results = study.results
    tests = study.models
    only = f"only {results.baseline} right"
    rows = [["cell", "accuracy", "only it right", only, "difference, points", "p", "verdict"]]
    for cell in results.cells:
        row = [cell, percent(results.best(cell).accuracy)]
        rows.append(row + (paired_cells(tests[cell]) if cell in tests else ["", "", "", "", "baseline"]))
    text = [
        "McNemar's exact test asks whether two trained models differ on these clips, not whether their cells do: "
        "another seed is another model. p is after Holm's correction."
    ]
    return Section("The best models on the same clips", text, rows=rows)


def costs(study: Findings) -> Section:
    """Accuracy against parameters, latency and training time."""
    results = study.results
    names = {name: cost for name, (_, cost) in COSTS.items()}
    accuracy = np.array([figures.best_accuracy(results, cell) for cell in results.cells])
    found = []
    for name, cost in names.items():
        values = np.array([figures.typical(results, cell, cost) for cell in results.cells])
        on = figures.pareto(values, accuracy)
        order = [cell for _, cell in sorted(zip(values[on], np.array(results.cells)[on], strict=True))]
        found.append(f"By {name} nothing beats {', '.join(order)} (from the cheapest to the most accurate).")
    text = [
        "Each cell's best configuration: the seeds' mean accuracy against what it costs. A line joins those that no "
        f"other beats in both. Times are {clocked(results)}; a difference of some percent need not be the cells'."
    ]
    return Section("Which cell to choose", text, found, figures={"pareto": figures.pareto_figure(results)})


def clocked(results: Results) -> str:
    """What the times are, of which machine."""
    known = devices(results)
    gpus = [device for device in known if device != "cpu"]
    if not gpus:
        return "of one thread of the machines that ran the study"
    elsewhere = ", and elsewhere of one thread" if "cpu" in known else ""
    return f"by the clock on {', '.join(gpus)}, which other trainings may have shared{elsewhere}"


def devices(results: Results) -> list[str]:
    return sorted({training.kept["device"] for training in results.trainings})


def settings(study: Findings) -> Section:
    """Which settings matter."""
    results = study.results
    title, importance = "Which settings matter", study.importance
    if importance is None:
        return Section(title, findings=[f"Too few trials to say: the analysis wants {FEWEST} of all cells together."])
    forest, drawn = Forest(results), {"importance": figures.importance_figure(importance)}
    shares = [f"{figures.spoken(name)} {100 * share:.0f} %" for name, share in importance.pooled.items()]
    found = [f"Alone they explain: {', '.join(shares)}."]
    text = [
        "fANOVA splits the variance of the accuracy over the whole search space into what each setting explains "
        "alone and what only several explain together. The cell counts as a setting. A random forest, fitted to all "
        "trials, stands in for the trainings that were not made."
    ]
    if forest.space:
        drawn["marginals"] = figures.marginals_figure(results, forest)
    if set(figures.ORDER) <= set(forest.space):
        share = forest.plane(*figures.ORDER).share
        found.append(
            f"Learning rate and hidden size together explain {100 * share:.0f} % beyond what each does alone."
        )
        drawn["interaction"] = figures.interaction_figure(forest, *figures.ORDER)
    return Section(title, text, found, figures=drawn)


def published(study: Findings) -> Section:
    """The papers' rankings beside the study's."""
    results = study.results
    section = Section("Published and found")
    rows = [["cell"]]
    compared = study.beside
    if not compared:
        section.findings.append(f"The study shares fewer than {SHARED} cells with each of the papers.")
        return section
    rows[0] += [text for one in compared for text in (f"{one.paper}: rank", "found here among these")]
    for cell in results.cells:
        ranks = [one.ranks.get(cell) for one in compared]
        if any(ranks):
            rows.append([cell, *(str(rank) for pair in ranks for rank in pair or ("–", "–"))])
    for one in compared:
        section.text.append(f"{one.paper} ({one.source}): {one.said}.")
        section.findings.append(agreement_sentence(one.paper, one.agreement.tau, one.agreement.p))
        section.findings += differing(one.ranks, one.paper)
    section.text.append(
        "Equal ranks are cells that the paper calls equal. Found ranks are by the mean accuracy of the best tenth on "
        "the testing split; neighbours need not differ significantly. τ-b is 1 for the same order and −1 for the "
        "reverse."
    )
    section.rows = rows
    return section


def differing(ranks: dict[str, tuple[int, int]], paper: str) -> list[str]:
    """The cells that stand elsewhere than in the paper: the pairs that are the other way round."""
    told = []
    for cell, (rank, own) in ranks.items():
        ahead = [name for name, (other, found) in ranks.items() if other < rank and found > own]
        if ahead:
            told.append(f"Otherwise than in {paper}, {cell} came out ahead of {', '.join(ahead)}.")
    return told


def protocol(study: Findings) -> Section:
    """How it was done, so that it can be done again."""
    results = study.results
    how, facts = results.identity["study"], results.facts
    budget = f"about {how['parameters']:,} parameters" if how["parameters"] else "the same range of hidden sizes"
    versions = {json.dumps(t.kept["versions"]) for t in results.trainings}
    target = results.progress.target
    sampler = "at random" if how["sampler"] == "random" else "by TPE"
    text = [
        f"{target['trials']} trials of each cell, drawn {sampler} (seed {how['seed']}), with {budget} for all; then "
        f"{target['repeats']} further seeds of each best configuration. Best is what has the best {how['objective']} "
        f"on the validation split, of {len(facts['validation']['names']):,} clips; accuracy is of the testing split, "
        f"of {len(results.truth):,} clips, by the weights of the best epoch.",
        f"Labels: {', '.join(facts['labels'])}. Corpus: {results.corpus[:16]}.",
        f"Device: {', '.join(devices(results))}.",
        *("Versions: " + ", ".join(f"{k} {v}" for k, v in json.loads(one).items()) + "." for one in sorted(versions)),
    ]
    rows = [
        ["what was drawn", "from"],
        *([name, str(item)] for name, item in sorted(drawn_from(results.identity).items())),
    ]
    return Section("How it was done", text, rows=rows)
