"""The report of a study: its document, and every number as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.files import write_json
from speech_lstm.report.document import NUMBERS, Document, Section
from speech_lstm.study.findings import Findings
from speech_lstm.study.results import Results
from speech_lstm.study.sections import sections


def write_report(results: Results, out: Path) -> list[Section]:
    """Write the report into a folder; raises SpeechLSTMError for a study without trials, and OutputError."""
    if not results.cells:
        raise SpeechLSTMError(f"the study {results.name!r} has no finished trial yet; run it, or try again later")
    findings = Findings(results)
    parts = sections(findings)
    title = results.title or f"The study {results.name}"
    intro = f"Cells: {', '.join(results.cells)}. Every number is in {NUMBERS}."
    Document(title, intro, f"speech-lstm study report {results.name}", parts).write(out)
    write_json(out / NUMBERS, numbers(findings))
    return parts


def numbers(findings: Findings) -> dict[str, Any]:
    """Every number of the report, in the types that JSON has."""
    results = findings.results
    return {
        "study": results.name,
        "definition": results.identity,
        "corpus": results.corpus,
        "trainings": [
            {"cell": t.slot.cell, "number": t.slot.number, "seed_of": t.slot.of, "drawn": t.drawn, **t.outcome}
            for t in results.trainings
        ],
        "best_tenth": {cell: test.to_dict() for cell, test in findings.tenths.items()},
        "best_models": {cell: test.to_dict() for cell, test in findings.models.items()},
        "importance": findings.importance and asdict(findings.importance),
        "published": [asdict(ranking) for ranking in findings.rankings],
    }
