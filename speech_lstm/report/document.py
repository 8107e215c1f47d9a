"""Reports in sections, written as Markdown and as one HTML page that contains its figures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from speech_lstm.files import write_text
from speech_lstm.report.plotting import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKDOWN, PAGE, NUMBERS = "report.md", "report.html", "report.json"
FORMATS = ("png", "svg")  # of each figure; the page contains the PNG
TEMPLATE = "template.html"

Rows = Sequence[Sequence[str]]  # of a table, the first one its head


@dataclass
class Section:
    """A heading and, in this order, its figures by name, paragraphs, findings and a table.

    With `prose` the last column of the table is text and not a number.
    """

    title: str
    text: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    rows: Rows = ()
    figures: dict[str, Figure] = field(default_factory=dict)
    prose: bool = False


@dataclass(frozen=True)
class Document:
    """A whole report. The title is in both forms; the paragraph `intro` and `footer` are on the page alone."""

    title: str
    intro: str
    footer: str
    sections: Sequence[Section]

    def write(self, folder: Path) -> None:
        """Write figures, Markdown and page into a folder; raises OutputError."""
        self.write_figures(folder)
        write_text(folder / MARKDOWN, self.markdown())
        write_text(folder / PAGE, self.html(folder))

    def write_figures(self, folder: Path) -> None:
        """Write each figure in each of FORMATS into a folder; raises OutputError."""
        for section in self.sections:
            for name, figure in section.figures.items():
                for suffix in FORMATS:
                    save_figure(figure, folder / f"{name}.{suffix}")

    def markdown(self) -> str:
        """The report in Markdown; it shows the figures of its own folder."""
        blocks = [f"# {self.title}"]
        for section in self.sections:
            blocks.append(f"## {section.title}")
            blocks += [f"![{section.title}: {name}]({name}.png)" for name in section.figures]
            blocks += section.text
            if section.findings:
                blocks.append("\n".join(f"- {sentence}" for sentence in section.findings))
            if section.rows:
                blocks.append(markdown_table(section.rows))
        return "\n\n".join(blocks) + "\n"

    def html(self, folder: Path) -> str:
        """The page, with the figures that `write_figures` wrote into a folder."""
        names = [name for section in self.sections for name in section.figures]
        images = {name: base64.b64encode((folder / f"{name}.png").read_bytes()).decode() for name in names}
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            autoescape=True,
            trim_blocks=True,
            undefined=StrictUndefined,
        )
        return environment.get_template(TEMPLATE).render(vars(self) | {"images": images})


def markdown_table(rows: Rows) -> str:
    """Rows as a table of Markdown."""
    head, *body = (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])
