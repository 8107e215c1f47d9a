"""The page holds everything that was recorded, opens without a network, and does what it says in a browser."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.insight import influence
from speech_lstm.insight.contributions import contributions
from speech_lstm.insight.diagram import Numbers, evaluate, format_number
from speech_lstm.insight.page import write_page
from speech_lstm.model.checkpoint import save_model
from speech_lstm.recurrent.cell import CELLS
from support.browser import BROWSER
from support.command_line import call
from support.insight_models import CLIP, LABELS, seen, summary_of

needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs a browser: install the package chromium")
NAMES = ("one</script><script>fail()</script>.wav", "two.wav")


def page_of(name: str, folder: Path, recordings: int = 1, **settings: Any) -> Path:
    path = folder / f"{name}.html"
    summary = summary_of(name, 2, "backward")
    write_page(seen(name)[0], NAMES[:recordings], [summary] * recordings, path, **settings)
    return path


@pytest.fixture(scope="module")
def peephole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_of("peephole", tmp_path_factory.mktemp("page"), 2)


def held(path: Path) -> Any:
    """The numbers that a page holds."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def array(spec: Any) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(spec["data"]), "<f4").reshape(spec["shape"])


# --- what it holds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_a_page_of_all_that_was_recorded(name: str, tmp_path: Path) -> None:
    data, inside = held(page_of(name, tmp_path)), seen(name)[1]
    (recording,) = data["recordings"]
    assert len(recording["traces"]) == len(inside.traces) == 4
    for found, trace in zip(recording["traces"], inside.traces, strict=True):
        assert (found["layer"], found["direction"]) == (trace.layer, trace.direction)
        assert set(found["values"]) == set(trace.values)
        for value, recorded in trace.values.items():
            np.testing.assert_array_equal(np.broadcast_to(array(found["values"][value]), recorded.shape), recorded)
        assert set(found["interventions"]) == set(trace.gates)


def test_the_parts_and_the_answers_by_hand(peephole: Path) -> None:
    model, inside = seen("peephole")
    trace = inside.trace(2, "backward")
    found = held(peephole)["recordings"][0]["traces"][3]
    for gate, parts in contributions(model, inside, trace).items():
        for part, values in parts.items():
            np.testing.assert_array_equal(np.broadcast_to(array(found["parts"][gate][part]), values.shape), values)
    for to in (0, 1):
        want = influence.intervention(model, inside, trace, "f", to)
        np.testing.assert_allclose(array(found["interventions"]["f"][str(to)]), want, atol=1e-6)
    np.testing.assert_allclose(found["drops"], influence.ablation(model, inside, trace), atol=1e-6)


def test_the_recording_can_be_played(peephole: Path) -> None:
    recording = held(peephole)["recordings"][0]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(recording["audio"])), dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(samples, CLIP, rtol=0, atol=1 / 32768)
    inside = seen("peephole")[1]
    np.testing.assert_array_equal(array(recording["features"]), inside.normalised)
    np.testing.assert_array_equal(array(recording["posteriors"]), inside.posteriors)
    assert recording["times"] == (inside.times - inside.start).tolist()


def test_nothing_comes_from_elsewhere(peephole: Path) -> None:
    text = peephole.read_text("utf-8")
    assert set(re.findall(r"https?://[^\s\"'<>)]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(src|href)\s*=|@import|url\((?!#)", text)
    assert "default-src 'none'" in text
    assert text.count("</script>") == 2  # the name of a recording ends no script
    assert len(text) < 1_000_000


def test_it_begins_as_it_is_asked_to(tmp_path: Path) -> None:
    start = held(page_of("gru", tmp_path, gates=("n",), order="decision"))["start"]
    summary = summary_of("gru", 2, "backward")
    assert (start["layer"], start["direction"], start["gate"], start["order"]) == (2, "backward", "n", "decision")
    assert start["unit"] == int(summary.drops.argmax())


def test_a_place_that_can_not_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(SpeechLSTMError, match="it is a folder"):
        write_page(seen("rnn")[0], NAMES[:1], [summary_of("rnn")], tmp_path)


# --- in a browser ------------------------------------------------------------------------------------------------


def opened(path: Path, folder: Path, state: str = "") -> str:
    """The page's elements when its script has run, with `state` after the # of the address."""
    assert BROWSER is not None
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    done = subprocess.run(
        [BROWSER, *switches, f"--user-data-dir={folder / 'profile'}", "--dump-dom", f"{path.as_uri()}#{state}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 'data-ready="yes"' in done.stdout, done.stderr[-2000:]
    assert re.search(r'<p id="failure" hidden="">', done.stdout)
    return done.stdout


def numbers_in(elements: str) -> dict[str, str]:
    """What stands in the diagram on show, by formula and form."""
    diagram = elements.split('<div id="diagram">')[1].split('<p id="sum">')[0]
    found = re.findall(r'<text[^>]*data-text="([^"]*)" data-form="([^"]*)"[^>]*>([^<]*)<', diagram)
    return {f"{formula} {form}": text for formula, form, text in found}


@needs_browser
@pytest.mark.parametrize(("name", "unit"), [("peephole", 3), ("gru", 1), ("rnn", 2), ("grid", 0), ("grid-tf", 1)])
def test_the_page_shows_the_numbers_of_the_printed_diagram(name: str, unit: int, tmp_path: Path) -> None:
    """The script's formulas are Python's, in both directions and at both ends."""
    model, inside = seen(name)
    path = page_of(name, tmp_path)
    frame = 0 if unit % 2 else len(inside.features) - 1
    elements = opened(path, tmp_path, f"layer=1&direction=backward&unit={unit}&frame={frame}")
    trace = inside.trace(1, "backward")
    numbers = Numbers(trace, contributions(model, inside, trace), unit, frame)
    found = numbers_in(elements)
    assert len(found) > 8
    for key, text in found.items():
        formula, form = key.rsplit(" ", 1)
        assert text == format_number(evaluate(formula, numbers.at), form), key
    assert f"frame {frame}, " in elements


@needs_browser
def test_a_gate_set_by_hand_changes_the_frame_and_the_answer(peephole: Path, tmp_path: Path) -> None:
    model, inside = seen("peephole")
    trace = inside.trace(2, "forward")
    state = "layer=2&direction=forward&gate=f&unit=2&frame=6"
    plain = numbers_in(opened(peephole, tmp_path, state))
    elements = opened(peephole, tmp_path, f"{state}&set=0&scope=all&lit=true")
    changed = numbers_in(elements)
    i, z, o, c = (float(trace[name][6, 2]) for name in "izoc")
    seen_by_o = float(contributions(model, inside, trace)["o"]["peepholes"][6, 2])
    o = 1 / (1 + np.exp(-(np.log(o / (1 - o)) + seen_by_o * (i * z / c - 1))))
    assert plain["c signed"] == format_number(c, "signed")
    assert changed["f share"] == "0.000"
    assert changed["c signed"] == format_number(i * z, "signed")
    assert changed["h signed"] == format_number(o * np.tanh(i * z), "signed")
    assert changed["z signed"] == plain["z signed"]
    after = influence.intervention(model, inside, trace, "f", 0)[-1]
    rows = re.findall(r"<td>([^<]*)</td><td><div.*?</td><td>([^<]*)(?:<em>([^<]*)</em>)?</td>", elements)
    assert {name: new for name, _, new in rows} == {
        label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"): f"{100 * share:.1f} %"
        for label, share in zip(LABELS, after, strict=True)
    }
    assert 'class="drawing lit"' in elements


@needs_browser
def test_keys_clicks_and_choices(peephole: Path, tmp_path: Path) -> None:
    """A script at the end of the page does what a hand would, and writes down what it finds."""
    steps = """
    const seen = [], shown = ["recording", "layer", "direction", "gate", "unit", "frame"];
    const note = () => seen.push(shown.map((name) => state[name]).join(" "));
    const press = (name) => new KeyboardEvent("keydown", { key: name, bubbles: true });
    const key = (name) => { document.body.dispatchEvent(press(name)); note(); };
    const pick = (id, value) => { at(id).value = value; at(id).dispatchEvent(new Event("change")); note(); };
    choose({ recording: 0, layer: 1, direction: "forward", gate: "f", unit: 4, frame: 5, order: "index" }); note();
    key("ArrowRight"); key("ArrowLeft"); key("ArrowLeft"); key("ArrowDown"); key("ArrowUp");
    at("next").click(); note();
    pick("layer", "2"); pick("direction", "backward"); pick("gate", "c"); pick("unit", "99");
    document.querySelector('[data-light="o"]').click(); note();
    document.querySelectorAll("#values button")[2].click();
    seen.push(at("effect").textContent.split(":")[0]);
    const map = views[1].strips[1].canvas, box = map.getBoundingClientRect();
    map.dispatchEvent(new MouseEvent("mousemove", { clientX: box.left + box.width / 2, clientY: box.top + 1 }));
    seen.push(at("tip").firstChild.textContent.split(" = ")[0]);
    map.dispatchEvent(new MouseEvent("click", { clientX: box.left + 1, clientY: box.top + 1 })); note();
    pick("order", "decision"); key("ArrowDown");
    document.body.dataset.seen = seen.join("; ");
    """
    driven = tmp_path / "driven.html"
    driven.write_text(peephole.read_text("utf-8").replace("</body>", f"<script>{steps}</script></body>"), "utf-8")
    found = re.search(r'data-seen="([^"]*)"', opened(driven, tmp_path))
    assert found is not None
    drops = influence.ablation(*seen("peephole"), seen("peephole")[1].trace(2, "backward"))
    follower = np.argsort(-drops, kind="stable").tolist()
    second = follower[min(follower.index(0) + 1, 7)]
    assert found[1].split("; ") == [
        "0 1 forward f 4 5",
        "0 1 forward f 4 6",
        "0 1 forward f 4 5",
        "0 1 forward f 4 4",
        "0 1 forward f 5 4",
        "0 1 forward f 4 4",
        "0 1 forward f 4 5",
        "0 2 forward f 4 5",
        "0 2 backward f 4 5",
        "0 2 backward c 4 5",
        "0 2 backward c 7 5",
        "0 2 backward o 7 5",
        "o held at 1 in unit 7 at every frame",
        "unit 0: f",
        "1 2 backward f 0 0",
        "1 2 backward f 0 0",
        f"1 2 backward f {second} 0",
    ]


# --- from the command line ---------------------------------------------------------------------------------------


def test_from_the_command_line(capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path) -> None:
    page, model = tmp_path / "page.html", tmp_path / "small.safetensors"
    save_model(model, seen("gru")[0].model)
    recordings = sorted((demo / "stop").glob("*.wav"))[:1] + sorted((demo / "go").glob("*.wav"))[:1]
    assert call(capsys, "gates", *recordings, "--model", model, "--gates", "z", "--out", page)[0] == 0
    data = held(page)
    assert [recording["name"] for recording in data["recordings"]] == [
        f"{p.parent.name}/{p.name}" for p in recordings
    ]
    assert data["start"]["gate"] == "z"
