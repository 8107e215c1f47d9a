"""HTML pages that need nothing else: pictures are inside them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

Rows = Sequence[Sequence[str]]  # of text, the first one the head

TEMPLATE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 17px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
img { max-width: 100%; } table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: right; padding: .2rem .8rem; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child, .prose th:last-child, .prose td:last-child { text-align: left; }
.found { background: #f2f6fa; padding: .6rem 1rem .6rem 2rem; border-left: 4px solid #0072b2; }
.wide { overflow-x: auto; } footer { color: #555; font-size: 90%; margin-top: 3rem; }
</style>
</head>
<body>
<h1>$title</h1>
<p>$intro</p>
$sections
<footer>$footer</footer>
</body>
</html>
""")


def document(title: str, intro: str, sections: str, footer: str) -> str:
    """A whole page; `sections` is HTML, the rest text."""
    return TEMPLATE.substitute(title=escape(title), intro=escape(intro), sections=sections, footer=escape(footer))


def picture(path: Path, text: str) -> str:
    """A PNG file as an element."""
    encoded = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{escape(text)}" src="data:image/png;base64,{encoded}">'


def html_table(rows: Rows, prose: bool = False) -> str:
    """Rows of text, the first one the head, as a table; with `prose` the last column is no number but words."""
    head, *body = ("".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in row) for kind, row in kinds(rows))
    table = '<table class="prose">' if prose else "<table>"
    return f'<div class="wide">{table}<tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in body)}</table></div>\n'


def kinds(rows: Rows) -> list[tuple[str, Sequence[str]]]:
    return [("td" if i else "th", row) for i, row in enumerate(rows)]
