"""Reports as Markdown and as a page: what is escaped, what is in it, and in which order."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

import pytest

from speech_lstm.files import OutputError
from speech_lstm.report.document import Document, Section
from speech_lstm.report.plotting import empty_figure

HOSTILE = "<script>alert('a & b')</script>"


class Page(HTMLParser):
    """The tags of a page, its text and its images."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attributes))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    rows = [["cell", "note"], ["lstm|gru", HOSTILE]]
    section = Section(HOSTILE, [HOSTILE], [HOSTILE], rows, {"curve": empty_figure(2, 2)[0]}, prose=True)
    Document(HOSTILE, HOSTILE, HOSTILE, [Section("Empty"), section]).write(folder)
    return folder


def test_text_is_never_markup(folder: Path) -> None:
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) == 8  # two titles, intro, heading, paragraph, finding, cell, footer
    assert page.images[0]["alt"] == f"{HOSTILE}: curve"


def test_a_page_contains_its_figures(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"report.md", "report.html", "curve.png", "curve.svg"}
    (image,) = Page((folder / "report.html").read_text(encoding="utf-8")).images
    kind, data = (image["src"] or "").split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == (folder / "curve.png").read_bytes()


def test_a_section_has_only_what_it_holds(folder: Path) -> None:
    tags = Page((folder / "report.html").read_text(encoding="utf-8")).tags
    body = tags[tags.index("body") + 1 :]
    table = ["div", "table", "tr", "th", "th", "tr", "td", "td"]
    assert body == ["h1", "p", "h2", "h2", "img", "p", "ul", "li", *table, "footer"]


def test_markdown_keeps_the_columns_of_a_table(folder: Path) -> None:
    blocks = (folder / "report.md").read_text(encoding="utf-8").removesuffix("\n").split("\n\n")
    assert blocks[:3] == [f"# {HOSTILE}", "## Empty", f"## {HOSTILE}"]
    assert blocks[3:6] == [f"![{HOSTILE}: curve](curve.png)", HOSTILE, f"- {HOSTILE}"]
    assert (
        blocks[6]
        == rf"""| cell | note |
|---|---|
| lstm\|gru | {HOSTILE} |"""
    )


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file")
    with pytest.raises(OutputError, match="report"):
        Document("title", "intro", "footer", []).write(tmp_path / "report")
