"""The sections of a study's report: sentences, tables and figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from speech_lstm.report import statistics
from speech_lstm.report.document import Section
from speech_lstm.report.statistics import mean_of
from speech_lstm.report.tables import comparison_cells, estimate_cells, number, paired_cells, percent, space_rows
from speech_lstm.report.wording import SIGNIFICANCE, agreement_sentence, clips_sentence, power_sentences
from speech_lstm.study import figures
from speech_lstm.study.findings import SHARED, Findings, PublishedRanking, score
from speech_lstm.study.importance import FEWEST, Forest

if TYPE_CHECKING:
    from speech_lstm.study.results import Results

COSTS = figures.COSTS


def sections(findings: Findings) -> list[Section]:
    """The whole report."""
    parts: list[Callable[[Findings], Section]] = [
        summary,
        differences,
        best_configurations,
        best_models,
        costs,
        settings,
        published_rankings,
        method,
    ]
    return [part(findings) for part in parts]


def summary(findings: Findings) -> Section:
    """The result in a few sentences."""
    results = findings.results
    order = sorted(results.cells, key=lambda cell: -score(results, cell))
    best, worst = (percent(score(results, cell)) for cell in (order[0], order[-1]))
    sentences = [
        f"Ranking by the best tenth of the trials: {', '.join(order)}; from {best} to {worst} on the testing split.",
        *verdicts(findings),
    ]
    if findings.importance is not None:
        name, share = next(iter(findings.importance.pooled.items()))
        sentences.append(
            f"The setting that matters most is {figures.setting_label(name)}: it explains {100 * share:.0f} % of the "
            "variance of the accuracy."
        )
    sentences += [ranking_sentence(ranking) for ranking in findings.rankings]
    done, total = results.progress.done, results.progress.total
    if done < total:
        sentences.append(f"The study is not finished: {done:,} of {total:,} trainings are done.")
    return Section("Summary", findings=sentences)


def verdicts(findings: Findings) -> list[str]:
    """Which cells differ from the baseline, by the best tenth of the trials."""
    baseline, tests = findings.results.baseline, findings.tenths
    cells_by_verdict: dict[str, list[str]] = {}
    for cell, test in tests.items():
        cells_by_verdict.setdefault(test.verdict, []).append(cell)
    sentences = []
    for verdict, cells in cells_by_verdict.items():
        count = min(min(tests[cell].counts) for cell in cells)
        comparison = f"{baseline} in the best tenth of the trials ({count} of each): {', '.join(cells)}."
        if verdict == statistics.NOT_SIGNIFICANT:
            sentences.append(f"Not significantly different from {comparison}")
        elif verdict == statistics.TOO_FEW:
            sentences.append(
                f"Too few trials to compare with {comparison} The test needs {statistics.FEWEST} in the best tenth, "
                f"that is {10 * (statistics.FEWEST - 1) + 1} trials of each cell."
            )
        else:
            sentences.append(f"Significantly {verdict} than {comparison}")
    return sentences


def differences(findings: Findings) -> Section:
    """All trials and the best tenth, with Welch's tests."""
    results, tests = findings.results, findings.tenths
    rows = [["cell", "trials", "best tenth", "mean accuracy", "difference (95 %), points", "g", "p", "verdict"]]
    for cell in results.cells:
        tenth = mean_of([training.accuracy for training in results.best_tenth(cell)])
        row = [cell, str(len(results.trials(cell))), str(tenth.count), percent(tenth.mean)]
        rows.append(row + (comparison_cells(tests[cell]) if cell in tests else ["", "", "", "baseline"]))
    text = [
        "The best tenth of each cell's trials is chosen on the validation split and compared on the testing split. "
        f"The test is Welch's t-test, two-sided; {SIGNIFICANCE} All trials show how easily good settings of a cell "
        "are found, the best tenth what the cell can reach.",
        *power_sentences(tests.values(), "trials"),
        clips_sentence(results.cells[0], score(results, results.cells[0]), len(results.truth)),
    ]
    drawings = {"boxes": figures.boxes_figure(results, tests)}
    return Section("Are the differences real?", text, verdicts(findings), rows, drawings)


def best_configurations(findings: Findings) -> Section:
    """The best configuration of each cell, and its repeats."""
    results = findings.results
    names = list(results.space)
    head = ["cell", *map(figures.setting_label, names), "parameters", "validation", "testing", "repeats"]
    rows = [[*head, "mean ± deviation", "95 % interval", "training, s", "one recording, ms"]]
    for cell in sorted(results.cells, key=lambda cell: -figures.best_accuracy(results, cell)):
        training, repeats = results.best(cell), results.repeats(cell)
        rows.append(
            [
                cell,
                *(number(training.drawn[name]) for name in names),
                f"{training.outcome['parameters']:,}",
                percent(training.outcome["validation"]["accuracy"]),
                percent(training.accuracy),
                *estimate_cells(mean_of([repeat.accuracy for repeat in repeats]) if repeats else None),
                *(f"{figures.typical_cost(results, cell, COSTS[name][1]):.1f}" for name in ("training", "latency")),
            ]
        )
    diverged = {cell: sum(t.outcome["diverged"] for t in results.trials(cell)) for cell in results.cells}
    sentences = [f"{cell}: the loss became infinite in {n} of its trials." for cell, n in diverged.items() if n]
    text = [
        "The configuration of each cell's best trial, chosen on the validation split, was trained again with other "
        "seeds. The best trial is partly luck; its repeats show what to expect of the configuration. The interval is "
        "Student's."
    ]
    return Section("The best configuration of each cell", text, sentences, rows)


def best_models(findings: Findings) -> Section:
    """The best models on the same clips, with McNemar's tests."""
    results, tests = findings.results, findings.models
    only = f"only {results.baseline} right"
    rows = [["cell", "accuracy", "only it right", only, "difference, points", "p", "verdict"]]
    for cell in results.cells:
        row = [cell, percent(results.best(cell).accuracy)]
        rows.append(row + (paired_cells(tests[cell]) if cell in tests else ["", "", "", "", "baseline"]))
    text = [
        "McNemar's exact test compares two trained models on these clips, not their cells: another seed gives "
        "another model. p is adjusted by Holm's correction."
    ]
    return Section("The best models on the same clips", text, rows=rows)


def costs(findings: Findings) -> Section:
    """Accuracy against parameters, latency and training time."""
    results = findings.results
    accuracy = np.array([figures.best_accuracy(results, cell) for cell in results.cells])
    sentences = []
    for name, (_, cost) in COSTS.items():
        values = np.array([figures.typical_cost(results, cell, cost) for cell in results.cells])
        front = figures.pareto(values, accuracy)
        order = [cell for _, cell in sorted(zip(values[front], np.array(results.cells)[front], strict=True))]
        sentences.append(f"Pareto front by {name}: {', '.join(order)} (from the cheapest to the most accurate).")
    text = [
        "The mean accuracy of each cell's best configuration against its cost. A line joins the cells of the Pareto "
        f"front, which no other beats in both. Times are {timing(results)}; a difference of a few percent may not be "
        "due to the cells."
    ]
    return Section("Which cell to choose", text, sentences, figures={"pareto": figures.pareto_figure(results)})


def timing(results: Results) -> str:
    """What the times are, and of which machine."""
    names = devices(results)
    gpus = [device for device in names if device != "cpu"]
    if not gpus:
        return "those of one thread on the machines that ran the study"
    elsewhere = ", and those of one thread elsewhere" if "cpu" in names else ""
    return f"wall-clock times on {', '.join(gpus)}, which other trainings may have shared{elsewhere}"


def devices(results: Results) -> list[str]:
    return sorted({training.outcome["device"] for training in results.trainings})


def settings(findings: Findings) -> Section:
    """Which settings matter."""
    results = findings.results
    title, importance = "Which settings matter", findings.importance
    if importance is None:
        return Section(title, findings=[f"Too few trials: the analysis needs {FEWEST} over all cells."])
    forest, drawings = Forest(results), {"importance": figures.importance_figure(importance)}
    shares = [f"{figures.setting_label(name)} {100 * share:.0f} %" for name, share in importance.pooled.items()]
    sentences = [f"Explained by one setting alone: {', '.join(shares)}."]
    text = [
        "fANOVA splits the variance of the accuracy over the whole search space into what each setting explains "
        "alone and what only several explain together. The cell counts as a setting. A random forest, fitted to all "
        "trials, predicts the trainings that were not run."
    ]
    if forest.space:
        drawings["marginals"] = figures.marginals_figure(results, forest)
    if set(figures.ORDER) <= set(forest.space):
        share = forest.plane(*figures.ORDER).share
        sentences.append(
            f"Learning rate and hidden size together explain {100 * share:.0f} % beyond what each explains alone."
        )
        drawings["interaction"] = figures.interaction_figure(forest, *figures.ORDER)
    return Section(title, text, sentences, figures=drawings)


def published_rankings(findings: Findings) -> Section:
    """The rankings of papers and of the study."""
    section = Section("Comparison with published rankings")
    rankings = findings.rankings
    if not rankings:
        section.findings.append(f"The study shares fewer than {SHARED} cells with each of the papers.")
        return section
    rows = [["cell", *(head for one in rankings for head in (f"{one.paper}: rank", "rank here among these"))]]
    for cell in findings.results.cells:
        pairs = [ranking.ranks.get(cell) for ranking in rankings]
        if any(pairs):
            rows.append([cell, *(str(rank) for pair in pairs for rank in pair or ("–", "–"))])
    for ranking in rankings:
        section.text.append(f"{ranking.paper} ({ranking.source}): {ranking.said}.")
        section.findings += [ranking_sentence(ranking), *inversions(ranking)]
    section.text.append(
        "Equal ranks are cells that the paper calls equal. Ranks here are by the mean accuracy of the best tenth on "
        "the testing split; neighbours need not differ significantly. τ-b is 1 for the same order and −1 for the "
        "reverse."
    )
    section.rows = rows
    return section


def ranking_sentence(ranking: PublishedRanking) -> str:
    """How far the study and a paper agree."""
    return agreement_sentence(f"this ranking with that of {ranking.paper}", ranking.agreement)


def inversions(ranking: PublishedRanking) -> list[str]:
    """The pairs of cells whose order is the reverse of the paper's."""
    sentences = []
    for cell, (rank, own) in ranking.ranks.items():
        ahead = [name for name, (other, other_own) in ranking.ranks.items() if other < rank and other_own > own]
        if ahead:
            sentences.append(f"Unlike in {ranking.paper}, {cell} ranks ahead of {', '.join(ahead)}.")
    return sentences


def method(findings: Findings) -> Section:
    """What is needed to repeat the study."""
    results = findings.results
    study, facts = results.identity["study"], results.facts
    size = f"about {study['parameters']:,} parameters" if study["parameters"] else "the same range of hidden sizes"
    versions = {json.dumps(training.outcome["versions"]) for training in results.trainings}
    target = results.progress.target
    sampler = "at random" if study["sampler"] == "random" else "by TPE"
    text = [
        f"{target['trials']} trials of each cell, drawn {sampler} (seed {study['seed']}), all with {size}; then "
        f"{target['repeats']} repeats of each best configuration with other seeds. The best trial has the best "
        f"{study['objective']} on the validation split of {len(facts['validation']['names']):,} clips; accuracy is "
        f"that of the best epoch's weights on the testing split of {len(results.truth):,} clips.",
        f"Labels: {', '.join(facts['labels'])}. Corpus: {results.corpus[:16]}.",
        f"Device: {', '.join(devices(results))}.",
        *("Versions: " + ", ".join(f"{k} {v}" for k, v in json.loads(one).items()) + "." for one in sorted(versions)),
    ]
    rows = [["setting", "drawn from"], *sorted(space_rows(results.identity["space"]))]
    return Section("Method", text, rows=rows)
