"""The page as one file, with one model and the recordings that it shows: it works offline and from a disk."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.files import to_json
from speech_lstm.web.site import PackedModel, page_files

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)


def one_file(
    model: PackedModel, recordings: Sequence[tuple[str, NDArray[np.float32], float]], start: dict[str, Any]
) -> str:
    """The text of the page.

    Each recording has a name, its waveform float32 [samples] at 16 kHz and the time in seconds at which that begins.
    `start` is the state of the page when it opens.
    """
    content = {name: data.decode() for name, data in page_files().items()}
    data = {
        "models": [{"key": model.key, "name": model.name, "data": encoded(model.content)}],
        "sounds": [
            {"id": f"{number}", "name": name, "start": begin, "data": encoded(waveform.astype("<f4").tobytes())}
            for number, (name, waveform, begin) in enumerate(recordings, 1)
        ],
        "start": start,
    }
    # An escaped < cannot end the script element that contains the JSON.
    embedded = to_json(data, separators=(",", ":")).replace("<", "\\u003c")
    scripts = "\n".join(scripts_in_order(content))
    places = {
        r'(http-equiv="Content-Security-Policy" content=)"[^"]*"': f'\\1"{POLICY}"',
        '<link rel="stylesheet" href="page.css">': f"<style>\n{content['page.css']}</style>",
        r'<script type="module" src="page.js"></script>\n': "",
        "</body>": f'<script type="application/json" id="data">{embedded}</script>\n'
        f'<script type="module">\n{scripts}</script>\n</body>',
    }
    page = content["index.html"]
    for place, text in places.items():
        page, count = re.subn(place, text if "\\1" in text else lambda _, text=text: text, page)
        assert count == 1, place
    return page


def scripts_in_order(content: dict[str, str]) -> Iterator[str]:
    """The scripts as parts of a single one, each after those that it imports; no two have a name in common."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in done:
            return
        done.add(name)
        for needed in IMPORT.findall(content[name]):
            yield from visit(needed)
        yield re.sub(r"^export ", "", IMPORT.sub("", content[name]), flags=re.MULTILINE)

    yield from visit("page.js")


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
