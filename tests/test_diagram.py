"""A diagram is well-formed, shows the recorded numbers, and is drawn only where its equation holds."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_lstm.errors import ConfigError, SpeechLSTMError
from speech_lstm.insight.contributions import contributions
from speech_lstm.insight.diagram import SVG, Numbers, evaluate, fill, format_number, template, write_diagram
from speech_lstm.recurrent.cell import CELLS
from support.insight_models import example, summary_of

LSTMS = ("lstm", "peephole", "nig", "nfg", "nog", "niaf", "noaf", "cifg", "fgr")
GRUS = ("gru", "gru-cho", "mut1", "mut2", "mut3", "ligru", "mingru")
PLAIN = ("rnn", "rnn-relu", "irnn", "indrnn")
RULES = dict.fromkeys((*LSTMS, "depth-gated"), "lstm") | dict.fromkeys(GRUS, "gru")


def drawn(name: str, layer: int, direction: str, unit: int, frame: int) -> tuple[ElementTree.Element, Numbers]:
    model, inside = example(name)
    trace = inside.trace(layer, direction)
    parts = contributions(model, inside, trace)
    numbers = Numbers(trace, parts, unit, frame)
    return fill(template(trace, parts), numbers), numbers


def texts_of(root: ElementTree.Element) -> dict[str, str]:
    """The numbers in a diagram, by formula and form."""
    texts = root.iter(f"{{{SVG}}}text")
    return {
        f"{text.get('data-text')} {text.get('data-form')}": text.text or "" for text in texts if text.get("data-text")
    }


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_a_diagram_of_all_its_numbers(name: str) -> None:
    for layer in (1, 2):
        root, numbers = drawn(name, layer, "backward", 1, 4)
        texts = texts_of(root)
        trace = numbers.trace
        for value in (*trace.internals, *trace.state[:1]):
            form = "share" if value in trace.gates else "signed"
            assert texts[f"{value} {form}"] == format_number(float(trace[value][4, 1]), form)
            for part, array in numbers.parts.get(value, {}).items():
                assert texts[f"{value}.{part} signed"] == format_number(float(array[4, 1]), "signed")
        assert "–" not in texts.values()


@pytest.mark.parametrize("name", CELLS)
def test_a_diagram_is_drawn_where_its_equation_holds(name: str) -> None:
    root, _ = drawn(name, 1, "forward", 0, 0)
    assert root.get("data-rule") == RULES.get(name, "none")
    plain = any("same weights at every frame" in (text.text or "") for text in root.iter(f"{{{SVG}}}text"))
    assert plain == (name in PLAIN)


def test_a_depth_gate_is_not_drawn_as_an_lstm() -> None:
    assert drawn("depth-gated", 1, "forward", 0, 0)[0].get("data-rule") == "lstm"
    assert drawn("depth-gated", 2, "forward", 0, 0)[0].get("data-rule") == "none"


@pytest.mark.parametrize(("name", "value"), [("lstm", "c"), ("lstm", "h"), ("gru", "h")])
def test_a_cell_with_the_same_names_and_another_equation_is_drawn_as_boxes(name: str, value: str) -> None:
    model, inside = example(name)
    trace = inside.trace(1)
    other = replace(trace, values=trace.values | {value: trace[value] * 1.01 + 0.01})
    parts = contributions(model, inside, trace)
    assert 'data-rule="none"' not in template(trace, parts)
    assert 'data-rule="none"' in template(other, parts)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_the_numbers_on_the_edges_of_the_lstm(direction: str) -> None:
    root, numbers = drawn("lstm", 2, direction, 3, 5)
    trace, texts = numbers.trace, texts_of(root)
    i, f, o, z, c, h = (float(trace[name][5, 3]) for name in "ifozch")
    old = float(trace["c"][4 if direction == "forward" else 6, 3])
    assert texts["c@-1 signed"] == format_number(old, "signed")
    assert texts["f*c@-1 signed"] == format_number(f * old, "signed")
    assert texts["f percent"] == f"{100 * f:.0f} %"
    assert texts["i*z signed"] == format_number(i * z, "signed")
    assert texts["tanh c signed"] == format_number(np.tanh(c), "signed")
    assert np.isclose(f * old + i * z, c, atol=1e-6)
    assert np.isclose(o * np.tanh(c), h, atol=1e-6)


def test_before_its_first_step_the_state_is_0() -> None:
    inside = example("rnn")[1]
    last = len(inside.features) - 1
    for direction, first, end in (("forward", 0, last), ("backward", last, 0)):
        texts = texts_of(drawn("rnn", 1, direction, 0, first)[0])
        assert texts["h@-1 signed"] == "+0.000"
        assert texts["h.x@-1 signed"] == "–"
        assert texts["h@+1 signed"] != "–"
        assert texts_of(drawn("rnn", 1, direction, 0, end)[0])["h@+1 signed"] == "–"


def test_lines_and_bars_are_as_large_as_their_numbers() -> None:
    root, numbers = drawn("lstm", 1, "forward", 2, 3)
    bar = next(part for part in root.iter() if part.get("data-bar") == "f")
    value = float(numbers.trace["f"][3, 2])
    assert float(bar.get("width", 0)) == pytest.approx(value * float(bar.get("data-span", 0)), abs=0.01)
    lines = {part.get("data-weight"): part.get("style", "") for part in root.iter() if part.get("data-weight")}
    assert lines["f"] == f"stroke-width:{1.2 + 4.8 * value:.2f}"


@given(a=st.floats(-2, 2), b=st.floats(-2, 2))
def test_formulas(a: float, b: float) -> None:
    known: dict[tuple[str, int], Any] = {("z", 0): a, ("h", -1): b, ("i⁻", 0): a, ("n.Σ", 1): b}

    def at(name: str, steps: int) -> Any:
        return known.get((name, steps))

    assert evaluate("z", at) == a
    assert evaluate("1-z*h@-1", at) == pytest.approx((1 - a) * b)
    assert evaluate("tanh z*i⁻", at) == pytest.approx(np.tanh(a) * a)
    assert evaluate("n.Σ@+1", at) == b
    assert evaluate("z*c", at) is None


def test_numbers_have_three_decimals() -> None:
    assert format_number(0.12345, "share") == "0.123"
    assert format_number(0.12345, "signed") == "+0.123"
    assert format_number(-1.5, "signed") == "−1.500"
    assert format_number(12.346, "signed") == "+12.35"
    assert format_number(0.586, "percent") == "59 %"
    assert format_number(None, "signed") == "–"


# --- the file ----------------------------------------------------------------------------------------------------


def test_the_file_is_svg_with_a_caption(tmp_path: Path) -> None:
    model, inside = example("peephole")
    path = tmp_path / "new" / "cell.svg"
    time = float(inside.times[3])
    assert write_diagram(model, "a<b>&.wav", summary_of("peephole", 2), path, unit=5, time=time + 0.003) == (5, time)
    text = path.read_text("utf-8")
    root = ElementTree.fromstring(text)
    texts = [element.text for element in root.iter(f"{{{SVG}}}text")]
    assert any("layer 2 forward, unit 5" in (line or "") for line in texts)
    assert any("a<b>&.wav, frame 3" in (line or "") for line in texts)
    assert format_number(float(inside.trace(2)["f"][3, 5]), "share") in texts
    assert "stroke-dasharray" in text
    assert 'class="dashed"' in text


def test_the_default_unit_is_the_one_that_the_answer_needs_most(tmp_path: Path) -> None:
    model, inside = example("gru")
    summary = summary_of("gru", 2, "backward")
    unit, time = write_diagram(model, "a.wav", summary, tmp_path / "a.svg")
    assert unit == int(summary.drops.argmax())
    assert time == pytest.approx(inside.times[np.abs(summary.trace["h"][:, unit]).argmax()])


def test_the_default_unit_is_one_that_every_gate_has(tmp_path: Path) -> None:
    summary = summary_of("grid-tf")  # 8 units of output, gates of 4
    unit, _ = write_diagram(example("grid-tf")[0], "a.wav", summary, tmp_path / "a.svg")
    assert unit == int(summary.drops[:4].argmax())
    texts = [element.text for element in ElementTree.parse(tmp_path / "a.svg").iter(f"{{{SVG}}}text")]
    assert "–" not in texts


@pytest.mark.parametrize(
    ("unit", "time", "fact"),
    [
        (8, None, "no unit 8; layer 1 has units 0 to 7"),
        (-1, None, "no unit -1"),
        (None, 0.9, "0.9 s is outside"),
        (None, -0.1, "-0.1 s is outside"),
        (None, float("nan"), "nan s is outside"),
    ],
)
def test_a_unit_or_time_that_does_not_exist(unit: int | None, time: float | None, fact: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=fact):
        write_diagram(example("lstm")[0], "a.wav", summary_of("lstm"), tmp_path / "a.svg", unit, time)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(SpeechLSTMError, match="it is a folder"):
        write_diagram(example("lstm")[0], "a.wav", summary_of("lstm"), tmp_path)
