"""The diagrams of cells: the places of boxes, lines and numbers. One source for the page and for print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from speech_lstm.insight.inside import LayerTrace
from speech_lstm.insight.sheet import WIDTH, SvgSheet
from speech_lstm.recurrent.cell import Matrix

TOP, STATE, INPUT = 76, 500, 548  # y of the lines of the memory, the previous output and the input
BOX, UPPER, LOWER = 156, 245, 372  # width of a gate's box, and y of its edges
WIDE = 210  # width of the box of a GRU's candidate with four parts: a node is beside their numbers
SYMBOLS = {
    "x": "W·x",
    "bias": "b",
    "recurrent": "U·h⁻",
    "peepholes": "p·c",
    "recurrent_bias": "r·b′",
    "feedback": "R·gates⁻",
    "rest": "other",
}


@dataclass(frozen=True)
class Subject:
    """The subject of a drawing: a trace and the parts of each gate's sum."""

    trace: LayerTrace
    parts: dict[str, tuple[str, ...]]
    activation: dict[str, str]  # of those sums, as σ

    def role(self, name: str) -> str:
        return self.trace.role(name)

    def is_gate(self, name: str) -> bool:
        return name in self.trace.gates

    def recurrent(self, part: str) -> bool:
        """Whether a part comes from the previous output."""
        if part in SYMBOLS:
            return part == "recurrent"
        return isinstance(self.trace.cell.weights().get(part), Matrix)

    def symbol(self, part: str) -> str:
        if part.endswith("_bias"):
            return SYMBOLS.get(part, "b′")
        return SYMBOLS.get(part) or ("U·h⁻" if self.recurrent(part) else part.replace("_", " "))


def lstm(subject: Subject, squash: bool, coupled: bool) -> str:
    """The LSTM as it is taught: the long-term line along the top, the short-term line along the bottom."""
    cell = subject.trace.cell
    sheet = SvgSheet(572, cell.title, rule="lstm", squash=str(int(squash)), coupled=str(int(coupled)))
    columns = {"f": 205, "i": 385, "z": 555, "o": 723}
    lanes(sheet, subject, columns)
    sheet.text(65, TOP - 40, "LT, long term", "symbol")
    sheet.text(65, STATE - 40, "ST, short term", "symbol")
    # The memory's line: the share that is kept, then what is added.
    sheet.line(f"M110,{TOP} H188", weight="c@-1")
    sheet.line(f"M220,{TOP} H453", weight="f*c@-1", group="f")
    sheet.line(f"M486,{TOP} H888", weight="c")
    sheet.line(f"M205,{UPPER} V{TOP + 17}", "f", "f", "forget")
    sheet.node(205, TOP, "×", "f")
    sheet.text(330, TOP - 32, "f · c⁻", group="f")
    sheet.number(330, TOP - 12, "f*c@-1", group="f")
    sheet.number(222, 142, "f", "number free left", "f", "percent")
    sheet.text(222, 162, "is kept", "symbol free left", "f")
    sheet.line(f"M385,{UPPER} V172 H453", "i", "i", "input")
    sheet.line(f"M555,{UPPER} V172 H488", "z", "z", "candidate")
    sheet.node(470, 172, "×", "i")
    sheet.line(f"M470,157 V{TOP + 17}", "i", "i*z")
    sheet.node(470, TOP, "+", "i")
    sheet.text(486, 118, "i · z", "symbol free left", "i")
    sheet.number(486, 138, "i*z", "number free left", "i")
    sheet.number(399, 200, "i", "number free left", "i", "percent")
    sheet.text(399, 220, "of z is written", "symbol free left", "i")
    # The output.
    inner = "tanh c" if squash else "c"
    sheet.line(f"M860,{TOP} V148", "o", "c")
    sheet.box(805, 150, 110, 62, "", "o")
    sheet.text(860, 172, inner, "name", "o")
    sheet.number(860, 198, "tanh c" if squash else "c", "number", "o")
    sheet.line("M860,212 V286", "o", "tanh c" if squash else "c")
    sheet.line("M801,303 H843", "o", "o", "output")
    sheet.node(860, 303, "×", "o")
    sheet.line(f"M860,318 V{STATE} H888", "o", "h")
    sheet.text(874, 400, f"h = o · {inner}", "symbol free left", "o")
    sheet.pill(65, TOP, "c⁻", "c@-1")
    sheet.pill(935, TOP, "c", "c")
    sheet.pill(935, STATE, "h", "h")
    for name, x in columns.items():
        column(sheet, subject, name, x)
        if "peepholes" in subject.parts.get(name, ()):
            peephole(sheet, name, x)
    return sheet.svg()


def peephole(sheet: SvgSheet, name: str, x: float) -> None:
    """The dashed line from the memory to a gate: from the old memory, for the output gate from the new one."""
    weight = f"{name}.peepholes"
    if name == "o":
        sheet.line(f"M{x - 40},{TOP} V{UPPER - 2}", name, weight, dashed=True)
    else:
        sheet.line(f"M140,{TOP} V118 H{x - 40} V{UPPER - 2}", name, weight, dashed=True)
    label = x - 50
    sheet.text(label, 208, "p · c" if name == "o" else "p · c⁻", "symbol free right", name)
    sheet.number(label, 230, weight, "number free right", name)


def gru(subject: Subject, keeps: str, reset_after: bool) -> str:
    """The gated recurrent unit: the update gate mixes the old state and the candidate."""
    cell = subject.trace.cell
    sheet = SvgSheet(572, cell.title, rule="gru", keeps=keeps, after=str(int(reset_after)))
    columns = {name: x for name, x in (("z", 220), ("r", 460), ("n", 720)) if name in subject.trace.internals}
    lanes(sheet, subject, columns, WIDE)
    old, new = ("z", "1-z") if keeps == "z" else ("1-z", "z")
    sheet.line(f"M65,{TOP + 27} V{STATE - 27}", weight="h@-1", arrow=False)
    sheet.line(f"M110,{TOP} H203", weight="h@-1")
    sheet.line(f"M236,{TOP} H703", "z", f"{old}*h@-1")
    sheet.line(f"M736,{TOP} H888", weight="h")
    sheet.line(f"M220,{UPPER} V{TOP + 17}", "z", old, "update")
    sheet.node(220, TOP, "×", "z")
    sheet.line("M220,172 H703", "z", new, "update")
    (x, y) = (460, 172) if keeps == "z" else (220, 125)
    sheet.node(x, y, "1−", "z")
    sheet.text(420, TOP - 32, f"{old.replace('1-z', '(1 − z)')} · h⁻", group="z")
    sheet.number(420, TOP - 12, f"{old}*h@-1", group="z")
    sheet.number(240, 146 if keeps == "z" else 158, old, "number free left", "z", "percent")
    sheet.text(290, 146 if keeps == "z" else 158, "is kept", "symbol free left", "z")
    sheet.number(640, 163, new, "number free", "z", "percent")
    sheet.line(f"M720,{UPPER} V189", "n", "n", "candidate")
    sheet.node(720, 172, "×", "n")
    sheet.line(f"M720,157 V{TOP + 17}", "n", f"{new}*n")
    sheet.node(720, TOP, "+", "n")
    sheet.text(740, 118, f"{new.replace('1-z', '(1 − z)')} · n", "symbol free left", "n")
    sheet.number(740, 138, f"{new}*n", "number free left", "n")
    sheet.pill(65, TOP, "h⁻", "h@-1")
    sheet.pill(935, TOP, "h", "h")
    for name, x in columns.items():
        column(sheet, subject, name, x, WIDE)
    if "r" in columns:
        at = stubs(subject, "n", columns["n"], WIDE)
        for part, place in at.items():
            if subject.recurrent(part):
                sheet.line(f"M538,305 H600 V466 H{place - 17}", "r", "r", "reset")
                sheet.node(place, 466, "×", "r")
    return sheet.svg()


def lanes(sheet: SvgSheet, subject: Subject, columns: Mapping[str, float], widest: float = BOX) -> None:
    """The lines of the previous output and of the input, up to the last gate that they reach."""
    ends = {False: 110.0, True: 110.0}
    for name, x in columns.items():
        for part, at in stubs(subject, name, x, widest).items():
            if part == "x" or subject.recurrent(part):
                ends[subject.recurrent(part)] = at
    if ends[True] > 110:
        sheet.line(f"M110,{STATE} H{ends[True]}", weight="h@-1", arrow=False)
        sheet.pill(65, STATE, "h⁻", "h@-1")
    sheet.line(f"M110,{INPUT} H{ends[False]}", arrow=False)
    sheet.text(65, INPUT + 5, "input x", "name")


def stubs(subject: Subject, name: str, x: float, widest: float = BOX) -> dict[str, float]:
    """Where the parts of a gate's sum enter its box from below: x by part, those of h⁻ first."""
    parts = [part for part in subject.parts.get(name, ()) if part != "peepholes"]
    parts.sort(key=lambda part: (not subject.recurrent(part), part == "bias"))
    step = width_for(len(parts), widest) / max(len(parts), 1)
    return {part: x + step * (i + 0.5 - len(parts) / 2) for i, part in enumerate(parts)}


def width_for(parts: int, widest: float) -> float:
    """The width of a box that so many parts enter from below."""
    return widest if parts > 3 else BOX


def column(sheet: SvgSheet, subject: Subject, name: str, x: float, widest: float = BOX) -> None:
    """The box of a gate or candidate, its sum, and the parts that enter it from below."""
    at = stubs(subject, name, x, widest)
    width = width_for(len(at), widest)
    room = 2 * width / len(at) if len(at) > 3 else width  # of a symbol
    for i, (part, place) in enumerate(at.items()):
        lower = 24 * (i % 2) * (len(at) > 3)  # four numbers do not fit side by side
        if subject.recurrent(part):
            start = STATE
        elif part == "x":
            start = INPUT
        else:
            start = 484 if lower else 462
            sheet.add("circle", name, cx=place, cy=start, r=4, style="fill:#444")
        part_line(sheet, place, start, LOWER, 408 + 2 * lower, subject.symbol(part), f"{name}.{part}", name, room)
    box(sheet, subject, name, x - width / 2, UPPER, LOWER - UPPER, width=width)


def part_line(
    sheet: SvgSheet,
    x: float,
    start: float,
    end: float,
    label: float,
    symbol: str,
    weight: str,
    group: str,
    room: float = BOX,
) -> None:
    """A part of a sum: a line from `start` up to a box at `end`, open where its symbol and its number are."""
    sheet.line(f"M{x},{start} V{label + 27}", group, weight, arrow=False)
    sheet.line(f"M{x},{label - 15} V{end + 2}", group, weight)
    sheet.text(x, label, symbol, "symbol", group, room)
    sheet.number(x, label + 20, weight, "small", group)


def box(
    sheet: SvgSheet,
    subject: Subject,
    name: str,
    x: float,
    y: float,
    height: float,
    step: str = "",
    width: float = BOX,
) -> None:
    """A box with name, value and, if there is one, the sum before the activation.

    `step` is the suffix of the formulas, such as `@-1`.
    """
    middle, role, is_gate = x + width / 2, subject.role(name), subject.is_gate(name)
    sheet.box(x, y, width, height, role, name)
    sheet.text(middle, y + 22, name, "name", name)
    if role != name:
        sheet.text(middle, y + 41, role, "symbol", name, width - 12)
    sheet.number(middle, y + 70, f"{name}{step}", "big", name, "share" if is_gate else "signed")
    sheet.gauge(x + 15, y + 80, width - 30, f"{name}{step}", not is_gate, role, name)
    if subject.parts.get(name):
        sheet.text(middle - 11, y + 115, f"{subject.activation.get(name, '')} of".strip(), "symbol right", name)
        sheet.number(middle + 22, y + 115, f"{name}.Σ{step}", "number", name)
    else:
        sheet.text(middle, y + 115, "no sum of its own", "symbol", name)


def unfolded(subject: Subject) -> str:
    """The plain recurrent network at three frames, with the same weights at each."""
    cell = subject.trace.cell
    sheet = SvgSheet(502, cell.title, rule="none")
    parts = subject.parts["h"]
    recurrent = next((part for part in parts if subject.recurrent(part)), None)
    sheet.add("rect", "", x=385, y=14, width=280, height=430, rx=14, style="fill:#F1F6FB")
    for x, shift, label in ((235, "@-1", "t − 1"), (525, "", "t"), (815, "@+1", "t + 1")):
        now = "" if shift else "h"
        sheet.text(x, 40, f"step {label}", "name")
        sheet.line(f"M{x},155 V70", now, f"h{shift}")
        sheet.text(x + 16, 92, "h", "symbol free left")
        for part, place in zip(("x", "bias"), (x - 28, x + 32), strict=True):
            if part in parts:
                start = 395 if part == "x" else 362
                if part == "bias":
                    sheet.add("circle", now, cx=place, cy=start, r=4, style="fill:#444")
                part_line(sheet, place, start, 282, 318, subject.symbol(part), f"h.{part}{shift}", now)
        sheet.box(x - 45, 397, 90, 40, "")
        sheet.text(x, 422, f"x, {label}", "name")
        if recurrent:
            sheet.line(f"M{20 if x < 300 else x - 212},219 H{x - 80}", now, f"h.{recurrent}{shift}")
            sheet.text(x - 146, 186, "U·h", "symbol free")
            sheet.number(x - 146, 206, f"h.{recurrent}{shift}")
        box(sheet, subject, "h", x - BOX / 2, 155, LOWER - UPPER, shift)
    sheet.line("M893,219 H985")
    sheet.text(WIDTH / 2, 465, "the same weights at every frame", "symbol")
    sheet.text(WIDTH / 2, 487, cell.equations, "symbol")
    return sheet.svg()


def in_lines(equations: str, length: int) -> list[str]:
    """Equations in lines of about this many letters, broken between two of them."""
    lines = [""]
    for equation in equations.split("; "):
        if lines[-1] and len(lines[-1]) + len(equation) > length:
            lines.append("")
        lines[-1] += f"; {equation}" if lines[-1] else equation
    return lines


def generic(subject: Subject) -> str:
    """Any cell: a box for each gate and candidate between the state before and the state after."""
    trace, names = subject.trace, subject.trace.internals
    columns = 4
    rows = max(1, -(-len(names) // columns))
    left = WIDTH / 2 - 84 * min(len(names), columns) + 6
    lines = in_lines(trace.cell.equations, 110)
    deepest = max((len(subject.parts.get(name, ())) for name in names), default=0)
    height = 130 + 23 * deepest
    inner = max(rows * (height + 16), 76 * len(trace.state))
    sheet = SvgSheet(80 + inner + 22 * len(lines), trace.cell.title, rule="none")
    sheet.text(65, 30, "before", "symbol")
    sheet.text(935, 30, "after", "symbol")
    for i, name in enumerate(trace.state):
        y = 80 + 76 * i
        sheet.pill(65, y, f"{name.rstrip('⁻')}⁻", f"{name}@-1")
        sheet.pill(935, y, name, name)
        sheet.line(f"M110,{y} H158", weight=f"{name}@-1")
        sheet.line(f"M842,{y} H888", weight=name)
    style = "fill:#FAFAFA;stroke:#BBB;stroke-width:2"
    sheet.add("rect", "", x=160, y=40, width=680, height=inner + 10, rx=14, style=style)
    for i, name in enumerate(names):
        x, y = left + 168 * (i % columns), 56 + (height + 12) * (i // columns)
        box(sheet, subject, name, x, y, height)
        for line, part in enumerate(subject.parts.get(name, ())):
            down = y + 139 + 23 * line
            sheet.text(x + 12, down, subject.symbol(part), "symbol left", name)
            sheet.number(x + BOX - 10, down, f"{name}.{part}", "number right", name)
    for i, words in enumerate(lines):
        sheet.text(WIDTH / 2, 76 + inner + 22 * i, words, "symbol")
    return sheet.svg()
