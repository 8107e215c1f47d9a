"""The report of a search: its candidates, the tests against the baseline, the best hundred cells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.files import write_json
from speech_lstm.report import statistics
from speech_lstm.report.document import NUMBERS, Document, Section
from speech_lstm.report.statistics import Comparison, adjust, agreement, mean_of, welch
from speech_lstm.report.tables import NONE, comparison_cells, estimate_cells, percent, quantity, space_rows
from speech_lstm.report.wording import SIGNIFICANCE, agreement_sentence, clips_sentence, power_sentences
from speech_lstm.search import figures
from speech_lstm.search.equations import equations
from speech_lstm.search.progress import fallen_sentence
from speech_lstm.search.results import SearchResults
from speech_lstm.search.stages import TriedCell


@dataclass(frozen=True)
class SearchFindings:
    """The tests of a search, each computed once."""

    results: SearchResults

    @cached_property
    def accuracies(self) -> dict[str, list[float]]:
        """Of the repeats on the testing split, by cell."""
        results = self.results
        return {one.label: [t["testing"]["accuracy"] for t in results.repeats(one)] for one in results.finalists}

    @cached_property
    def tests(self) -> dict[str, Comparison]:
        """Each cell with repeats against the baseline."""
        own, baseline = self.accuracies, self.results.search.baseline
        others = [cell for cell in own if cell != baseline] if baseline in own else []
        return adjust({cell: welch(own[cell], own[baseline]) for cell in others})


def write_report(results: SearchResults, out: Path) -> list[Section]:
    """Write the report into a folder; raises SpeechLSTMError for a search without cells, and OutputError."""
    if not results.published:
        raise SpeechLSTMError(f"the search {results.name!r} has tried no cell yet; run it, or try again later")
    findings = SearchFindings(results)
    sections = [summary(findings), finalists(findings), course(findings), best_hundred(findings), method(findings)]
    title = results.title or f"The search {results.name}"
    intro = f"Every number is in {NUMBERS}."
    Document(title, intro, f"speech-lstm search report {results.name}", sections).write(out)
    write_json(out / NUMBERS, numbers(findings))
    return sections


def summary(findings: SearchFindings) -> Section:
    """The result in a few sentences."""
    results = findings.results
    sentences = [fallen_sentence(results.tried)]
    if results.best:
        sentences.append(best_sentence(results))
    sentences += verdicts(findings)
    done, total = results.progress.done, results.progress.total
    if done < total:
        sentences.append(f"The search is not finished: {done:,} of {total:,} cells and further trainings are done.")
    return Section("Summary", findings=sentences)


def best_sentence(results: SearchResults) -> str:
    """The best candidate and the published cells, on the split that chose it."""
    best = results.best[0]
    published = ", ".join(f"{one.label} {percent(one.best['validation']['accuracy'])}" for one in results.published)
    validation, testing = (percent(best.best[split]["accuracy"]) for split in ("validation", "testing"))
    return (
        f"The best candidate on the validation split is {best.label}, with {validation} there and {testing} on the "
        f"testing split. The published cells on the validation split: {published}."
    )


def verdicts(findings: SearchFindings) -> list[str]:
    """Whether a candidate is better than the baseline, by the trainings with fresh seeds."""
    results, baseline = findings.results, findings.results.search.baseline
    tests = {one.label: findings.tests[one.label] for one in results.best if one.label in findings.tests}
    if not tests:
        return ["No candidate has been trained again yet, so none can be compared with the published cells."]
    count = min(min(test.counts) for test in tests.values())
    sample = f"over {count} trainings with fresh seeds each, on the testing split"
    cells_by_verdict: dict[str, list[str]] = {}
    for label, test in tests.items():
        cells_by_verdict.setdefault(test.verdict, []).append(label)
    sentences = []
    if statistics.BETTER not in cells_by_verdict and list(cells_by_verdict) != [statistics.TOO_FEW]:
        sentences.append(
            f"None of the {len(tests)} best candidates is significantly better than {baseline}, {sample}."
        )
    for verdict, cells in cells_by_verdict.items():
        names = ", ".join(cells)
        if verdict == statistics.NOT_SIGNIFICANT:
            sentences.append(f"The difference from {baseline} is not significant: {names}.")
        elif verdict == statistics.TOO_FEW:
            sentences.append(f"Too few trainings to compare, the test needs {statistics.FEWEST} of each: {names}.")
        else:
            sentences.append(f"Significantly {verdict} than {baseline}, {sample}: {names}.")
    if results.best[0].label in tests:
        sentences.append(selection_sentence(results))
    return sentences


def selection_sentence(results: SearchResults) -> str:
    """The accuracy that chose the best candidate, and that of its repeats."""
    best = results.best[0]
    again = mean_of([training["validation"]["accuracy"] for training in results.repeats(best)]).mean
    return (
        f"The best candidate, {best.label}, was chosen for {percent(best.best['validation']['accuracy'])} on the "
        f"validation split; trained again with fresh seeds, it has {percent(again)} there on average. The best of "
        "many is partly luck."
    )


def finalists(findings: SearchFindings) -> Section:
    """The trainings with fresh seeds, and their tests."""
    results, tests = findings.results, findings.tests
    title = "Is a candidate better than the published cells?"
    if not findings.accuracies:
        return Section(title, findings=["No cell has been trained again yet; this happens at the end of the search."])
    head = ["cell", "validation when chosen", "testing when chosen", "repeats", "testing: mean ± deviation"]
    rows = [[*head, "95 % interval", "difference (95 %), points", "g", "p", "verdict"]]
    for one in results.finalists:
        row = [one.label, *(percent(one.best[split]["accuracy"]) for split in ("validation", "testing"))]
        row += estimate_cells(mean_of(findings.accuracies[one.label]))
        rows.append(row + (comparison_cells(tests[one.label]) if one.label in tests else ["", "", "", "baseline"]))
    first = results.published[0]
    text = [
        f"The best settings of the published cells and of the {results.search.finalists} best candidates were "
        f"trained again, {results.search.repeats} times each with fresh seeds. Welch's t-test, two-sided, compares "
        f"them with {results.search.baseline} on the testing split; {SIGNIFICANCE}",
        *power_sentences(tests.values(), "trainings"),
        clips_sentence(first.label, first.best["testing"]["accuracy"], len(results.facts["testing"]["names"])),
    ]
    return Section(title, text, rows=rows, figures={"finalists": figures.finalists_figure(results, tests)})


def course(findings: SearchFindings) -> Section:
    """The search over time."""
    results = findings.results
    drawings = {"history": figures.history_figure(results)}
    sentences = []
    if len(results.best) >= statistics.FEWEST:
        drawings["splits"] = figures.splits_figure(results)
        scores = [[one.best[split]["accuracy"] for one in results.best] for split in ("validation", "testing")]
        rankings = (
            f"the rankings of the {len(results.best)} best candidates by the validation split, which chose them, and "
            "by the testing split"
        )
        sentences.append(agreement_sentence(rankings, agreement(*scores)))
    text = [
        "Above, the best accuracy of each candidate that was fully trained; dotted lines are the published cells, "
        "trained in the same way. Below, the stage at which each candidate stopped."
    ]
    return Section("The search over time", text, sentences, figures=drawings)


def best_hundred(findings: SearchFindings) -> Section:
    """The best candidates and the published cells with their equations."""
    results = findings.results
    rows = [["rank", "cell", "validation", "loss", "testing", "parameters", "mutant of", "equations"]]
    rows += [cell_row(NONE, one) for one in results.published]
    rows += [cell_row(str(rank), one) for rank, one in enumerate(results.best, 1)]
    text = [
        "The published cells, and then the candidates that passed all stages, at most a hundred. Each was trained "
        f"with the same {results.search.draws} draws of settings; the table shows its best training on the "
        "validation split. Equal accuracies are ordered by the loss on the validation split, in nats.",
        "Each equation has its own W, U and b; V is a matrix that starts as the identity, ⁻ marks the previous step, "
        f"⊙ is the element-wise product. `speech-lstm search export {results.name} RANK` writes a cell as a file for "
        "`--plugin`.",
    ]
    return Section("The best hundred", text, rows=rows, prose=True)


def cell_row(rank: str, one: TriedCell) -> list[str]:
    """A cell in the table of the best."""
    best = one.best
    scores = [percent(best["validation"]["accuracy"]), f"{best['validation']['loss']:.3f}"]
    scores += [percent(best["testing"]["accuracy"]), f"{best['parameters']:,}"]
    return [rank, one.label, *scores, one.outcome["parent"] or NONE, "; ".join(equations(one.graph))]


def method(findings: SearchFindings) -> Section:
    """What is needed to repeat the search."""
    results, search = findings.results, findings.results.search
    candidates, epochs = results.progress.target["candidates"], results.identity["training"]["epochs"]
    facts = results.facts
    versions = {json.dumps(draw["versions"]) for one in results.tried for draw in one.outcome["draws"]}
    text = [
        f"{candidates:,} candidates (seed {search.seed}). Each is a mutant of one of the {search.parents} best, "
        f"starting with {' and '.join(search.ancestor_names)}; each of its nodes is changed with a probability of at "
        f"most {search.mutation}. It must recall {percent(search.recall)} of the symbols in the memory test after "
        f"{search.recall_steps} training steps, and reach {percent(search.share)} of the best ancestor's accuracy "
        f"after a short training of {quantity(search.first_epochs, 'epoch')}, and then after each of {search.draws} "
        f"trainings of {quantity(epochs, 'epoch')}, whose settings are the same for all cells. All networks "
        f"have about {search.parameters:,} parameters.",
        f"Validation split: {len(facts['validation']['names']):,} clips; testing split: "
        f"{len(facts['testing']['names']):,}. Labels: {', '.join(facts['labels'])}. Corpus: {results.corpus[:16]}.",
        *("Versions: " + ", ".join(f"{k} {v}" for k, v in json.loads(one).items()) + "." for one in sorted(versions)),
    ]
    return Section("Method", text, rows=[["setting", "drawn from"], *space_rows(results.identity["space"])])


def numbers(findings: SearchFindings) -> dict[str, Any]:
    """Every number of the report, in the types that JSON has."""
    results = findings.results
    ranks = {one.label: rank for rank, one in enumerate(results.best, 1)}
    return {
        "search": results.name,
        "definition": results.identity,
        "corpus": results.corpus,
        "cells": [
            {"cell": one.label, "rank": ranks.get(one.label), "equations": equations(one.graph), **one.outcome}
            | {"repeats": results.repeats(one)}
            for one in results.tried
        ],
        "tests": {cell: test.to_dict() for cell, test in findings.tests.items()},
    }
