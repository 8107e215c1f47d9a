"""The report of a search: what was found, whether any of it is better than the LSTM, the best hundred cells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.files import write_json
from speech_lstm.report.document import NUMBERS, Document, Section
from speech_lstm.report.proportion import wilson
from speech_lstm.report.statistics import FEWEST, LEVEL, Comparison, agreement, corrected, mean_of, welch
from speech_lstm.report.tables import percent
from speech_lstm.report.wording import SIGNIFICANCE, difference_cells, drawn_from, power_sentences, seed_cells, signed
from speech_lstm.search import figures
from speech_lstm.search.equations import equations
from speech_lstm.search.progress import fallen_sentence
from speech_lstm.search.results import SearchResults
from speech_lstm.search.stages import Tried
from speech_lstm.study.report import test_numbers


@dataclass(frozen=True)
class SearchFindings:
    """The tests of a search, each made once."""

    results: SearchResults

    @cached_property
    def accuracies(self) -> dict[str, list[float]]:
        """Of the further trainings on the testing split, by cell."""
        results = self.results
        return {one.label: [t["testing"]["accuracy"] for t in results.repeats(one)] for one in results.finalists}

    @cached_property
    def tests(self) -> dict[str, Comparison]:
        """Each cell with further trainings against the baseline."""
        own, baseline = self.accuracies, self.results.search.baseline
        others = [cell for cell in own if cell != baseline] if baseline in own else []
        return corrected({cell: welch(own[cell], own[baseline]) for cell in others})


def write_report(results: SearchResults, out: Path) -> list[Section]:
    """Write the report into a folder; raises SpeechLSTMError for a search without cells, and OutputError."""
    if not results.published:
        raise SpeechLSTMError(f"the search {results.name!r} has tried no cell yet; ask again later")
    found = SearchFindings(results)
    parts = [summary(found), finalists(found), course(found), best_hundred(found), protocol(found)]
    title = results.title or f"The search {results.name}"
    intro = f"Every number is in {NUMBERS}."
    Document(title, intro, f"speech-lstm search report {results.name}", parts).write(out)
    write_json(out / NUMBERS, numbers(found))
    return parts


def summary(found: SearchFindings) -> Section:
    """What came out, in a few sentences."""
    results = found.results
    told = [fallen_sentence(results.tried)]
    if results.best:
        told.append(best_sentence(results))
    told += verdicts(found)
    done, asked = results.progress.done, results.progress.total
    if done < asked:
        told.append(f"The search is not finished: {done:,} of {asked:,} cells and further trainings are done.")
    return Section("What was found", findings=told)


def best_sentence(results: SearchResults) -> str:
    """The best candidate beside the published cells, by the split that chose it."""
    best = results.best[0]
    beside = ", ".join(f"{one.label} {percent(one.best['validation']['accuracy'])}" for one in results.published)
    accuracy, testing = (best.best[split]["accuracy"] for split in ("validation", "testing"))
    return (
        f"The best candidate on the validation split is {best.label}, {percent(accuracy)} there and "
        f"{percent(testing)} on the testing split; on the validation split the published cells have {beside}."
    )


def verdicts(found: SearchFindings) -> list[str]:
    """Whether a candidate is better than the baseline, by the trainings with fresh seeds."""
    results, baseline = found.results, found.results.search.baseline
    labels = [one.label for one in results.best if one.label in found.tests]
    tests = {label: found.tests[label] for label in labels}
    if not tests:
        return ["No candidate was trained again yet: whether one is better than the published cells can't be said."]
    count = min(min(test.counts) for test in tests.values())
    what = f"over {count} trainings with fresh seeds each, on the testing split"
    by = {
        name: [label for label, test in tests.items() if test.verdict == name]
        for name in dict.fromkeys(test.verdict for test in tests.values())
    }
    told = []
    if "better" not in by and list(by) != ["too few to say anything"]:
        told.append(f"None of the {len(tests)} best candidates is significantly better than {baseline}, {what}.")
    for name, cells in by.items():
        if name in ("better", "worse"):
            told.append(f"Significantly {name} than {baseline}, {what}: {', '.join(cells)}.")
        elif name == "not significant":
            told.append(f"The difference from {baseline} is not significant: {', '.join(cells)}.")
        else:
            told.append(f"Too few trainings to say anything, the test wants {FEWEST} of each: {', '.join(cells)}.")
    first = labels[0]
    again = mean_of([t["validation"]["accuracy"] for t in results.repeats(results.best[0])]).mean
    chosen = results.best[0].best["validation"]["accuracy"]
    told.append(
        f"Trained again with fresh seeds, the best candidate, {first}, has {percent(again)} on the validation split "
        f"in the mean, where it was chosen for {percent(chosen)}: the best of many is also the luckiest."
    )
    return told


def finalists(found: SearchFindings) -> Section:
    """The trainings with fresh seeds, and their tests."""
    results, tests = found.results, found.tests
    title = "Is a candidate better than the published cells?"
    if not found.accuracies:
        return Section(title, findings=["No cell was trained again yet; that is done at the end of the search."])
    head = [
        "cell",
        "chosen by: validation",
        "its testing",
        "fresh seeds",
        "testing: mean ± deviation",
        "95 % interval",
    ]
    rows = [[*head, "difference (95 %), points", "g", "p", "verdict"]]
    for one in results.finalists:
        best = one.best
        row = [one.label, *(percent(best[split]["accuracy"]) for split in ("validation", "testing"))]
        row += seed_cells(mean_of(found.accuracies[one.label]))
        rows.append(row + (difference_cells(tests[one.label]) if one.label in tests else ["", "", "", "baseline"]))
    text = [
        f"The best settings of the published cells and of the {results.search.finalists} best candidates were "
        f"trained again, each {results.search.repeats} times with fresh seeds. Welch's test, two-sided, holds them "
        f"against {results.search.baseline} on the testing split; {SIGNIFICANCE}",
        *power_sentences(tests.values(), "trainings"),
        clips_sentence(results),
    ]
    return Section(title, text, rows=rows, figures={"finalists": figures.finalists_figure(results, tests)})


def clips_sentence(results: SearchResults) -> str:
    """How well so many clips tell an accuracy."""
    clips = len(results.facts["testing"]["names"])
    low, high = wilson(round(results.published[0].best["testing"]["accuracy"] * clips), clips) or (0.0, 1.0)
    return (
        f"The testing split has {clips:,} clips, on which an accuracy like {results.published[0].label}'s is itself "
        f"known to ± {50 * (high - low):.1f} points (95 %). The test takes the clips as they are: with others all "
        "cells may move together."
    )


def course(found: SearchFindings) -> Section:
    """The search over time."""
    results = found.results
    drawn = {"history": figures.history_figure(results)}
    told = []
    if len(results.best) >= FEWEST:
        drawn["splits"] = figures.splits_figure(results)
        scores = [[one.best[split]["accuracy"] for one in results.best] for split in ("validation", "testing")]
        between = agreement(*scores)
        kind = "is more than chance gives" if between.p < LEVEL else "does not differ significantly from chance"
        told.append(
            f"The order of the {between.count} best candidates on the validation split, which chose them, and that "
            f"on the testing split: Kendall's τ-b = {signed(between.tau)}, which {kind} (p = {between.p:.3f})."
        )
    text = [
        "Above, each candidate that was trained to the end, with its best accuracy; a dotted line is a published "
        "cell, trained in the same way. Below, where each candidate's way ended."
    ]
    return Section("The search over time", text, told, figures=drawn)


def best_hundred(found: SearchFindings) -> Section:
    """The best candidates and the published cells with their equations."""
    results = found.results
    rows = [["rank", "cell", "validation", "loss", "testing", "parameters", "mutant of", "equations"]]
    rows += [cell_row("–", one) for one in results.published]
    rows += [cell_row(str(rank), one) for rank, one in enumerate(results.best, 1)]
    text = [
        f"The candidates that passed all stages, at most a hundred, after the published cells. Each was trained with "
        f"the same {results.search.draws} draws of settings; shown is its best training on the validation split. "
        "Equal accuracies are ordered by the loss on the validation split, in nats.",
        "W, U and b are each equation's own; V is a matrix that starts as the identity, ⁻ marks the step before, ⊙ "
        f"is element by element. `speech-lstm search export {results.name} RANK` writes a cell as a file for "
        "`--plugin`.",
    ]
    return Section("The best hundred", text, rows=rows, prose=True)


def cell_row(rank: str, one: Tried) -> list[str]:
    """A cell in the table of the best."""
    best = one.best
    scores = [percent(best["validation"]["accuracy"]), f"{best['validation']['loss']:.3f}"]
    scores += [percent(best["testing"]["accuracy"]), f"{best['parameters']:,}"]
    return [rank, one.label, *scores, one.kept["parent"] or "–", "; ".join(equations(one.graph))]


def protocol(found: SearchFindings) -> Section:
    """How it was done, so that it can be done again."""
    results, search = found.results, found.results.search
    asked, epochs = results.progress.target["candidates"], results.identity["training"]["epochs"]
    facts = results.facts
    versions = {json.dumps(draw["versions"]) for one in results.tried for draw in one.kept["draws"]}
    text = [
        f"{asked:,} candidates (seed {search.seed}). Each is a mutant of one of the {search.parents} best, beginning "
        f"with {' and '.join(search.ancestor_names)}, every node of which is changed with a chance of at most "
        f"{search.mutation}. It must remember {percent(search.recall)} of the symbols in the memory test after "
        f"{search.recall_steps} steps, reach {percent(search.share)} of the best ancestor's accuracy after a short "
        f"training of {search.first_epochs} epochs, and then after each of {search.draws} trainings of {epochs} "
        "epochs, whose settings are the same for all cells. All networks have about "
        f"{search.parameters:,} parameters.",
        f"Validation split: {len(facts['validation']['names']):,} clips; testing split: "
        f"{len(facts['testing']['names']):,}. Labels: {', '.join(facts['labels'])}. Corpus: {results.corpus[:16]}.",
        *("Versions: " + ", ".join(f"{k} {v}" for k, v in json.loads(one).items()) + "." for one in sorted(versions)),
    ]
    rows = [["what was drawn", "from"], *([name, str(item)] for name, item in drawn_from(results.identity).items())]
    return Section("How it was done", text, rows=rows)


def numbers(found: SearchFindings) -> dict[str, Any]:
    """Every number of the report, in the types that JSON has."""
    results = found.results
    ranks = {one.label: rank for rank, one in enumerate(results.best, 1)}
    return {
        "search": results.name,
        "definition": results.identity,
        "corpus": results.corpus,
        "cells": [
            {"cell": one.label, "rank": ranks.get(one.label), "equations": equations(one.graph), **one.kept}
            | {"repeats": results.repeats(one)}
            for one in results.tried
        ],
        "tests": {cell: test_numbers(test) for cell, test in found.tests.items()},
    }
