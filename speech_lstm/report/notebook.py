"""Pieces of HTML that notebooks show for an object: no script, nothing that is loaded, every text escaped.

A notebook can be dark or light, and can remove style sheets: each element has its own style, text keeps its colour.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from typing import Any

from numpy.typing import NDArray

from speech_lstm.errors import printable
from speech_lstm.report.tables import percent

BAR = "background:#56B4E9;height:0.8em"  # visible on white and on black
CELL = "text-align:left;padding:0 0.6em 0 0;border:0"
TRACK = "width:14em;border:1px solid #8C8C8C"
PICTURE = "width:28em;height:6em;image-rendering:pixelated;display:block"


def text(value: str) -> str:
    """A text in one line, escaped."""
    return escape(printable(value))


def card(*parts: str) -> str:
    """Several pieces, one below the other."""
    return f"<div>{''.join(parts)}</div>"


def paragraph(value: str) -> str:
    return f'<p style="margin:0.4em 0">{text(value)}</p>'


def rows(lines: Iterable[Iterable[str]]) -> str:
    """A table of HTML without lines around its cells."""
    cells = ("".join(f'<td style="{CELL}">{cell}</td>' for cell in line) for line in lines)
    return f'<table style="border:0">{"".join(f"<tr>{line}</tr>" for line in cells)}</table>'


def bars(values: Iterable[tuple[str, float | None]]) -> str:
    """A line for each name with a bar from 0 to 1 and its number; None: neither."""
    return rows((text(name), "" if value is None else bar(value), percent(value)) for name, value in values)


def bar(value: float) -> str:
    width = min(max(value, 0.0), 1.0)  # rounding may exceed 1
    return f'<div style="{TRACK}"><div style="{BAR};width:{100 * width:.1f}%"></div></div>'


def player(wav: bytes) -> str:
    """Controls that play the content of a WAV file."""
    return f'<audio controls src="{data_address("audio/wav", wav)}"></audio>'


def pictures(images: Iterable[tuple[str, str]]) -> str:
    """A line for each name and its picture, an element such as `heat_map` returns."""
    return rows((text(name), image) for name, image in images)


def heat_map(values: NDArray[Any], limits: tuple[float, float], colours: str) -> str:
    """A picture of values [frames, rows]: time to the right, the first row at the bottom; needs matplotlib."""
    from matplotlib.image import imsave

    file, (low, high) = io.BytesIO(), limits
    imsave(file, values.T, vmin=low, vmax=high, cmap=colours, origin="lower", format="png")
    described = f"{values.shape[1]} rows over {values.shape[0]} frames, colours from {low:.2g} to {high:.2g}"
    address = data_address("image/png", file.getvalue())
    return f'<img style="{PICTURE}" alt="{described}" title="{described}" src="{address}">'


def data_address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
