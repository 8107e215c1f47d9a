"""Every word of a drawing has a translation."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from speech_lstm.insight.contributions import contributions
from speech_lstm.insight.diagram import SVG, template
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.report.czech import PHRASES, TEXTS, in_czech
from support.insight_models import example

# Names that are the same in both languages, and the names of numbers.
NAMES = re.compile(
    r"Greff|LSTM|RNN|GRU|Grid|Depth-Gated|Clockwork|peephole|gates|tanh|relu|min|Ind|Li|I(?=RNN)|MUT\d|BN|identit[ay]"
    r"|\w*_\w+"
)


@pytest.mark.parametrize("name", CELLS)
def test_no_drawing_and_no_equation_has_english_words_in_czech(name: str) -> None:
    model, inside = example(name)
    cell = CELLS[name]
    texts = {cell.title, cell.equations}
    for trace in inside.traces:
        root = ElementTree.fromstring(template(trace, contributions(model, inside, trace)))
        texts |= {text.text or "" for text in root.iter(f"{{{SVG}}}text") if text.get("data-text") is None}
        texts |= {trace.role(value) for value in trace.values if trace.role(value) != value}
    for text in texts:
        czech = NAMES.sub("", in_czech(text))
        english = [word for word in re.findall(r"[a-z]{3,}", NAMES.sub("", text)) if word in czech]
        assert not english, (text, in_czech(text))


def test_what_is_translated_differs() -> None:
    assert all(key != text for key, text in (TEXTS | PHRASES).items())
    assert in_czech("stop/7a254b5f_nohash_0.wav") == "stop/7a254b5f_nohash_0.wav"
