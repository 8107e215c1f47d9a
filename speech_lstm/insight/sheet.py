"""A sheet for diagrams of cells: SVG whose numbers are filled in later.

An element that shows a number has a formula for it (see `diagram.evaluate`): in `data-text` for a text, in
`data-weight` for the thickness of a line and in `data-bar` for the length of a bar. The page of `web` reads the same.
"""

from __future__ import annotations

import math
from xml.sax.saxutils import escape, quoteattr

from speech_lstm.report.plotting import GREEN, ORANGE, SKY_BLUE

WIDTH = 1000  # of every sheet, in user units
LETTER = 7.2  # mean width of a letter in a text of the class symbol
# Line and filling by role, as in the lecture: light blue for forgetting, green for how much is written, violet for
# what is written, orange for the output.
COLOURS = {
    "forget": (SKY_BLUE, "#E3F2FC"),
    "update": (SKY_BLUE, "#E3F2FC"),
    "input": (GREEN, "#DFF3EC"),
    "reset": (GREEN, "#DFF3EC"),
    "candidate": ("#9467BD", "#EFE6F7"),
    "output": (ORANGE, "#FDF1D8"),
}
GREY = ("#7F7F7F", "#EEEEEE")
STYLE = """
.drawing text { font-family: "Segoe UI", "Helvetica Neue", Arial, sans-serif; font-size: 16px; fill: #222;
  text-anchor: middle; }
.drawing .symbol { font-size: 15.5px; fill: #555; }
.drawing .small { font-size: 15.5px; font-variant-numeric: tabular-nums; }
.drawing .name { font-weight: 600; font-size: 18px; }
.drawing .number { font-size: 17.5px; font-variant-numeric: tabular-nums; }
.drawing .big { font-size: 27px; font-weight: 600; font-variant-numeric: tabular-nums; }
.drawing .node { font-size: 20px; font-weight: 600; }
.drawing .free { paint-order: stroke; stroke: #fff; stroke-width: 7px; stroke-linejoin: round; }
.drawing .left { text-anchor: start; }
.drawing .right { text-anchor: end; }
.drawing path { fill: none; stroke-width: 2; }
.drawing .dashed { stroke-dasharray: 7 5; }
""".strip()
INK = "#444444"  # of lines that belong to no gate
MARKER = (
    '<marker id="arrow{name}" markerWidth="13" markerHeight="12" refX="11" refY="6" orient="auto" '
    'markerUnits="userSpaceOnUse"><path d="M0,0 L13,6 L0,12 z" style="fill:{colour};stroke:none"/></marker>'
)


def tint(role: str) -> tuple[str, str]:
    """The colours of line and filling for a role, by its first word."""
    return COLOURS.get(role.split()[0].rstrip(","), GREY) if role else GREY


class SvgSheet:
    """Collects elements. A `group` is the gate that an element belongs to; the page can highlight one."""

    def __init__(self, height: int, label: str, **data: str) -> None:
        colours = dict.fromkeys([INK, *(line for line, _ in COLOURS.values())])
        markers = "".join(MARKER.format(name=colour[1:], colour=colour) for colour in colours)
        attributes = "".join(f" data-{name}={quoteattr(value)}" for name, value in data.items())
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="drawing" viewBox="0 0 {WIDTH} {height}" role="img"'
            f" aria-label={quoteattr(label)}{attributes}><style>{STYLE}</style><defs>{markers}</defs>"
        ]

    def add(self, tag: str, group: str, text: str = "", /, **attributes: object) -> None:
        """Add an element; `_` in an attribute's name is a hyphen, and `kind` is the class."""
        named: dict[str, object] = {"data-group": group} if group else {}
        named |= {"class" if name == "kind" else name.replace("_", "-"): value for name, value in attributes.items()}
        start = tag + "".join(f" {name}={quoteattr(str(value))}" for name, value in named.items())
        self.parts.append(f"<{start}>{escape(text)}</{tag}>" if text else f"<{start}/>")

    def text(
        self, x: float, y: float, text: str, kind: str = "symbol", group: str = "", width: float = math.inf
    ) -> None:
        """A text; one that is likely to be wider than `width` is compressed to it."""
        compression = {"textLength": width, "lengthAdjust": "spacingAndGlyphs"} if LETTER * len(text) > width else {}
        self.add("text", group, text, x=x, y=y, kind=kind, **compression)

    def number(
        self, x: float, y: float, formula: str, kind: str = "number free", group: str = "", form: str = "signed"
    ) -> None:
        """A number; `form` is signed, share or percent."""
        self.add("text", group, "–", x=x, y=y, kind=kind, data_text=formula, data_form=form)

    def line(
        self, path: str, group: str = "", weight: str = "", role: str = "", dashed: bool = False, arrow: bool = True
    ) -> None:
        """An SVG path with an arrow head, in a role's colour; the formula `weight` sets its thickness."""
        colour = tint(role)[0] if role else INK
        extra: dict[str, object] = {"data_weight": weight} if weight else {}
        if arrow:
            extra["marker_end"] = f"url(#arrow{colour[1:]})"
        if dashed:
            extra["kind"] = "dashed"
        self.add("path", group, d=path, stroke=colour, **extra)

    def node(self, x: float, y: float, symbol: str, group: str = "") -> None:
        """A point-wise operation in a circle."""
        self.add("circle", group, cx=x, cy=y, r=15, style="fill:#fff;stroke:#444;stroke-width:2")
        self.text(x, y + (7 if len(symbol) == 1 else 5), symbol, "node" if len(symbol) == 1 else "symbol", group)

    def box(self, x: float, y: float, width: float, height: float, role: str, group: str = "") -> None:
        """A box with round corners in the colours of a role."""
        line, filling = tint(role)
        style = f"fill:{filling};stroke:{line};stroke-width:2.5"
        self.add("rect", group, x=x, y=y, width=width, height=height, rx=10, style=style)

    def pill(self, x: float, y: float, symbol: str, formula: str) -> None:
        """A part of the state around (x, y): its name and its number."""
        self.add(
            "rect", "", x=x - 45, y=y - 27, width=90, height=54, rx=27, style="fill:#fff;stroke:#444;stroke-width:2"
        )
        self.text(x, y - 5, symbol, "name")
        self.number(x, y + 17, formula, "number")

    def gauge(self, x: float, y: float, width: float, formula: str, signed: bool, role: str, group: str = "") -> None:
        """A bar from 0 to 1, or from the middle to −1 or 1, filled up to the number."""
        line, _ = tint(role)
        self.add("rect", group, x=x, y=y, width=width, height=9, style="fill:#fff;stroke:#999;stroke-width:1")
        span = {"data_bar": formula, "data_from": x + width / 2 if signed else x, "data_span": width / (1 + signed)}
        self.add("rect", group, x=x, y=y, width=0, height=9, style=f"fill:{line}", **span)
        if signed:
            self.line(f"M{x + width / 2},{y - 2} v13", group, arrow=False)

    def svg(self) -> str:
        return "".join([*self.parts, "</svg>"])
