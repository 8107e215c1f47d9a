"""The report of a study as files: Markdown, one HTML page that needs nothing else, figures, and every number."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.files import write_json
from speech_lstm.report.document import NUMBERS, Document, Section
from speech_lstm.report.statistics import Comparison, Paired
from speech_lstm.study.findings import Findings
from speech_lstm.study.results import Results
from speech_lstm.study.sections import sections


def write_report(results: Results, out: Path) -> list[Section]:
    """Write the report into a folder; raises StudyError's kin for a study without trials, and OutputError."""
    if not results.cells:
        raise SpeechLSTMError(f"the study {results.name!r} has no finished trial yet; ask again later")
    found = Findings(results)
    parts = sections(found)
    title = results.title or f"The study {results.name}"
    intro = f"Cells: {', '.join(results.cells)}. Every number is in {NUMBERS}."
    Document(title, intro, f"speech-lstm study report {results.name}", parts).write(out)
    write_json(out / NUMBERS, numbers(found))
    return parts


def numbers(found: Findings) -> dict[str, Any]:
    """Every number of the report, in the types that JSON has."""
    results = found.results
    return {
        "study": results.name,
        "definition": results.identity,
        "corpus": results.corpus,
        "trainings": [
            {"cell": t.slot.cell, "number": t.slot.number, "seed_of": t.slot.of, "drawn": t.drawn, **t.kept}
            for t in results.trainings
        ],
        "best_tenth": {cell: test_numbers(test) for cell, test in found.tenths.items()},
        "best_models": {cell: test_numbers(test) for cell, test in found.models.items()},
        "importance": found.importance and asdict(found.importance),
        "published": [asdict(one) for one in found.beside],
    }


def test_numbers(test: Comparison | Paired) -> dict[str, Any]:
    """A test with its verdict."""
    return asdict(test) | {"verdict": test.verdict}
