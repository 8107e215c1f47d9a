"""Every word of a drawing and of a plot has a translation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from matplotlib.text import Text

from speech_lstm.insight import gate_figure, gradient_figures
from speech_lstm.insight.contributions import contributions
from speech_lstm.insight.diagram import SVG, template
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.report.czech import PHRASES, PLOTS, TEXTS, in_czech, plot_in_czech
from speech_lstm.report.figure_language import in_language
from support.insight_models import LABELS, example, summary_of

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


@pytest.mark.parametrize("order", gate_figure.ORDERS)
def test_a_figure_of_gates_has_no_english_words_in_czech(order: str) -> None:
    summaries = [summary_of("lstm"), summary_of("lstm")]
    figure = in_language(gate_figure.gate_figure(["a.wav", "b.wav"], summaries, (), order), "cs")
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.findobj(Text) if text.get_text().strip() not in LABELS]
    assert any(re.search(r"\d,\d", text) for text in texts)
    for text in texts:
        assert not re.search(r"\d\.\d", text), text
        assert not re.search(r"\b(of|the|layer|forward|units?|gate|answer|lost|when|time)\b", text), text


def test_a_caption_in_czech() -> None:
    caption = "LSTM (NP: no peepholes), layer 3 backward, unit 34"
    assert plot_in_czech(caption) == "LSTM (bez peephole spojení), vrstva 3 vzad, jednotka 34"
    line = "stop/1.5.wav, frame 26 at 0.31 s · answer stop 97.5 %"
    assert plot_in_czech(line) == "stop/1.5.wav, rámec 26 v čase 0,31 s · odpověď stop 97,5 %"


def fixed_texts(module: ModuleType) -> Iterator[str]:
    """The lines of the texts that a module writes into plots, without those with numbers in them."""
    for call in ast.walk(ast.parse(Path(str(module.__file__)).read_text("utf-8"))):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        named = [word.value for word in call.keywords if word.arg == "label"]
        if call.func.attr in {"set_title", "set_xlabel", "set_ylabel", "suptitle", "text"}:
            named += call.args
        for value in named:
            for part in (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield from part.value.split("\n")


@pytest.mark.parametrize("module", [gate_figure, gradient_figures])
def test_every_fixed_text_of_a_plot_has_a_translation(module: ModuleType) -> None:
    texts = [text for text in fixed_texts(module) if re.search(r"[a-z]{3}", re.sub(r"\$.*?\$", "", text))]
    assert len(texts) > 5
    assert set(texts) <= set(PLOTS)
