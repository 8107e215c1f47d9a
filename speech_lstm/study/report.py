"""The report of a study as files: Markdown, one HTML page that needs nothing else, figures, and every number."""

from __future__ import annotations

from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.files import write_json, write_text
from speech_lstm.report.document import document, html_table, picture
from speech_lstm.report.plotting import save_figure
from speech_lstm.report.statistics import Comparison, Paired
from speech_lstm.study.findings import Findings
from speech_lstm.study.results import Results
from speech_lstm.study.sections import Section, sections

MARKDOWN, PAGE, NUMBERS = "report.md", "report.html", "report.json"
KINDS = ("png", "svg")


def write_report(results: Results, out: Path) -> list[Section]:
    """Write the report into a folder; raises StudyError's kin for a study without trials, and OutputError."""
    if not results.cells:
        raise SpeechLSTMError(f"the study {results.name!r} has no finished trial yet; ask again later")
    found = Findings(results)
    parts = sections(found)
    title = results.title or f"The study {results.name}"
    intro = f"Cells: {', '.join(results.cells)}. Every number is in {NUMBERS}."
    write_sections(out, title, intro, f"speech-lstm study report {results.name}", parts)
    write_json(out / NUMBERS, numbers(found))
    return parts


def write_sections(out: Path, title: str, intro: str, command: str, parts: list[Section]) -> None:
    """Write figures, Markdown, and an HTML page that ends with the command, into a folder; raises OutputError."""
    for section in parts:
        for name, figure in section.figures.items():
            for kind in KINDS:
                save_figure(figure, out / f"{name}.{kind}")
    write_text(out / MARKDOWN, markdown(title, parts))
    write_text(out / PAGE, document(title, intro, page(parts, out), command))


def markdown(title: str, parts: list[Section]) -> str:
    """A report in Markdown, with its figures beside it."""
    lines = [f"# {title}"]
    for section in parts:
        lines.append(f"## {section.title}")
        lines += [f"![{section.title}: {name}]({name}.png)" for name in section.figures]
        lines += section.text
        if section.found:
            lines.append("\n".join(f"- {sentence}" for sentence in section.found))
        if section.rows:
            lines.append(markdown_table(section.rows))
    return "\n\n".join(lines) + "\n"


def markdown_table(rows: list[list[str]]) -> str:
    """Rows, the first one the head, as a table of Markdown."""
    head, *body = (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


def page(parts: list[Section], out: Path) -> str:
    """The sections as HTML, with the figures that were written to `out`."""
    blocks = []
    for section in parts:
        blocks.append(f"<h2>{escape(section.title)}</h2>")
        blocks += [picture(out / f"{name}.png", f"{section.title}: {name}") for name in section.figures]
        blocks += [f"<p>{escape(paragraph)}</p>" for paragraph in section.text]
        if section.found:
            items = "".join(f"<li>{escape(sentence)}</li>" for sentence in section.found)
            blocks.append(f'<ul class="found">{items}</ul>')
        if section.rows:
            blocks.append(html_table(section.rows, section.prose))
    return "\n".join(blocks)


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
