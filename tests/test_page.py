"""The page contains everything that was recorded, needs no other file, and works in a browser."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import subprocess
from collections.abc import Callable
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
from speech_lstm.insight.inside import DIRECTIONS
from speech_lstm.insight.page import write_page
from speech_lstm.model.checkpoint import save_model
from speech_lstm.recurrent.cell import CELLS
from support.browser import BROWSER
from support.command_line import call
from support.insight_models import CLIP, LABELS, example, summary_of

needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs a browser: install the package chromium")
NAMES = ("one</script><script>fail()</script>.wav", "two.wav")


def page_of(name: str, folder: Path, recordings: int = 1, **settings: Any) -> Path:
    path = folder / f"{name}.html"
    summary = summary_of(name, 2, "backward")
    write_page(example(name)[0], NAMES[:recordings], [summary] * recordings, path, **settings)
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The page of a cell, made once: of two recordings for `peephole`, of one for others."""
    folder = tmp_path_factory.mktemp("pages")

    def make(name: str) -> Path:
        path = folder / f"{name}.html"
        return path if path.exists() else page_of(name, folder, 2 if name == "peephole" else 1)

    return make


@pytest.fixture(scope="module")
def peephole(page: Callable[[str], Path]) -> Path:
    return page("peephole")


def data_of(path: Path) -> Any:
    """The numbers in a page."""
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def array(spec: Any) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(spec["data"]), "<f4").reshape(spec["shape"])


# --- its contents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_a_page_of_all_that_was_recorded(name: str, page: Callable[[str], Path]) -> None:
    recordings, inside = data_of(page(name))["recordings"], example(name)[1]
    traces = recordings[0]["traces"]
    assert len(traces) == len(inside.traces) == 4
    for data, trace in zip(traces, inside.traces, strict=True):
        assert (data["layer"], data["direction"]) == (trace.layer, trace.direction)
        assert set(data["values"]) == set(trace.values)
        for value, recorded in trace.values.items():
            np.testing.assert_array_equal(np.broadcast_to(array(data["values"][value]), recorded.shape), recorded)
        assert set(data["interventions"]) == set(trace.gates)


def test_the_parts_and_the_answers_by_hand(peephole: Path) -> None:
    model, inside = example("peephole")
    trace = inside.trace(2, "backward")
    data = data_of(peephole)["recordings"][0]["traces"][3]
    for gate, parts in contributions(model, inside, trace).items():
        for part, values in parts.items():
            np.testing.assert_array_equal(np.broadcast_to(array(data["parts"][gate][part]), values.shape), values)
    for to in (0, 1):
        answers = influence.intervention(model, inside, trace, "f", to)
        np.testing.assert_allclose(array(data["interventions"]["f"][str(to)]), answers, atol=1e-6)
    np.testing.assert_allclose(data["drops"], influence.ablation(model, inside, trace), atol=1e-6)


def test_the_recording_can_be_played(peephole: Path) -> None:
    recording = data_of(peephole)["recordings"][0]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(recording["audio"])), dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(samples, CLIP, rtol=0, atol=1 / 32768)
    inside = example("peephole")[1]
    np.testing.assert_array_equal(array(recording["features"]), inside.normalised)
    np.testing.assert_array_equal(array(recording["posteriors"]), inside.posteriors)
    assert recording["times"] == (inside.times - inside.start).tolist()


def test_the_page_needs_no_other_file(peephole: Path) -> None:
    text = peephole.read_text("utf-8")
    assert set(re.findall(r"https?://[^\s\"'<>)]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(src|href)\s*=|@import|url\((?!#)", text)
    assert "default-src 'none'" in text
    assert text.count("</script>") == 2  # the name of a recording cannot end a script
    assert len(text) < 1_000_000


def test_it_opens_with_the_chosen_gate_and_order(tmp_path: Path) -> None:
    start = data_of(page_of("gru", tmp_path, gates=("n",), order="decision"))["start"]
    summary = summary_of("gru", 2, "backward")
    assert (start["layer"], start["direction"], start["gate"], start["order"]) == (2, "backward", "n", "decision")
    assert start["unit"] == int(summary.drops.argmax())


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(SpeechLSTMError, match="it is a folder"):
        write_page(example("rnn")[0], NAMES[:1], [summary_of("rnn")], tmp_path)


# --- in a browser ------------------------------------------------------------------------------------------------


# Goes before the steps of a test, which run at the end of a page and do what a hand would.
PRELUDE = """
const results = {};
const note = (name) => {  // all numbers of the diagram, by formula and form
  const key = (text) => `${text.dataset.text} ${text.dataset.form}`;
  const texts = [...at("diagram").querySelectorAll("[data-text]")];
  results[name] = Object.fromEntries(texts.map((text) => [key(text), text.textContent]));
};
"""


def drive(path: Path, folder: Path, address: str, steps: str) -> Any:
    """Open a page in a browser, with a state in its address; the `results` that the steps leave."""
    assert BROWSER is not None
    driven = folder / "driven.html"
    script = f"<script>{{{PRELUDE}{steps}document.body.dataset.results = JSON.stringify(results);}}</script></body>"
    driven.write_text(path.read_text("utf-8").replace("</body>", script), "utf-8")
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    run = subprocess.run(
        [BROWSER, *switches, f"--user-data-dir={folder / 'profile'}", "--dump-dom", f"{driven.as_uri()}#{address}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 'data-ready="yes"' in run.stdout, run.stderr[-2000:]
    assert re.findall(r'<p id="failure"[^>]*>(.*?)</p>', run.stdout) == [""]
    match = re.search(r'data-results="([^"]*)"', run.stdout)
    assert match is not None
    return json.loads(html.unescape(match[1]))


def printed(name: str, layer: int, direction: str, unit: int, frame: int, keys: dict[str, str]) -> dict[str, str]:
    """The numbers of the printed diagram, by the keys of the page's."""
    model, inside = example(name)
    trace = inside.trace(layer, direction)
    numbers = Numbers(trace, contributions(model, inside, trace), unit, frame)
    formulas = {key: key.rsplit(" ", 1) for key in keys}
    return {key: format_number(evaluate(formula, numbers.at), form) for key, (formula, form) in formulas.items()}


@needs_browser
@pytest.mark.parametrize(("name", "unit"), [("gru", 1), ("rnn", 2), ("grid-tf", 1)])
def test_the_page_shows_the_numbers_of_the_printed_diagram(
    name: str, unit: int, page: Callable[[str], Path], tmp_path: Path
) -> None:
    """The script's formulas are Python's, in both directions and at both ends."""
    last = len(example(name)[1].features) - 1
    places = [(direction, frame) for direction in DIRECTIONS for frame in (0, last)]
    steps = "".join(f'choose({{ direction: "{way}", frame: {at} }}); note("{way} {at}");' for way, at in places)
    address = f"layer=1&direction=backward&unit={unit}&frame={last}"
    results = drive(page(name), tmp_path, address, f'note("address");{steps}')
    assert results["address"] == results[f"backward {last}"]
    for way, at in places:
        texts = results[f"{way} {at}"]
        assert len(texts) > 8
        assert texts == printed(name, 1, way, unit, at, texts)


@pytest.fixture(scope="module")
def visit(peephole: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A visit to a page of two recordings: a gate is set by hand, then keys, clicks and choices follow."""
    steps = """
    note("plain");
    location.hash += "&set=0&scope=all&lit=true"; recall(); note("changed");
    results.lit = at("diagram").firstChild.classList.contains("lit");
    const rows = [...at("answer").tBodies[0].rows];
    results.answers = Object.fromEntries(
      rows.map((row) => [row.cells[0].textContent, row.querySelector("em").textContent]));
    const log = results.log = [], names = ["recording", "layer", "direction", "gate", "unit", "frame"];
    const log_state = () => log.push(names.map((name) => state[name]).join(" "));
    const press = (name) => new KeyboardEvent("keydown", { key: name, bubbles: true });
    const key = (name) => { document.body.dispatchEvent(press(name)); log_state(); };
    const pick = (id, value) => { at(id).value = value; at(id).dispatchEvent(new Event("change")); log_state(); };
    choose({ recording: 0, layer: 1, unit: 4, frame: 5, set: "", scope: "unit", lit: false });
    log_state();
    key("ArrowRight"); key("ArrowLeft"); key("ArrowLeft"); key("ArrowDown"); key("ArrowUp");
    at("next").click(); log_state();
    pick("layer", "2"); pick("direction", "backward"); pick("gate", "c"); pick("unit", "99");
    document.querySelector('[data-light="o"]').click(); log_state();
    document.querySelectorAll("#values button")[2].click();
    log.push(at("effect").textContent.split(":")[0]);
    const map = views[1].strips[1].canvas, box = map.getBoundingClientRect();
    map.dispatchEvent(new MouseEvent("mousemove", { clientX: box.left + box.width / 2, clientY: box.top + 1 }));
    log.push(at("tip").firstChild.textContent.split(" = ")[0]);
    map.dispatchEvent(new MouseEvent("click", { clientX: box.left + 1, clientY: box.top + 1 })); log_state();
    pick("order", "decision"); key("ArrowDown");
    """
    return drive(peephole, tmp_path_factory.mktemp("visit"), "layer=2&direction=forward&gate=f&unit=2&frame=6", steps)


@needs_browser
def test_a_gate_set_by_hand_changes_the_frame_and_the_answer(visit: Any) -> None:
    model, inside = example("peephole")
    trace = inside.trace(2, "forward")
    plain, changed = visit["plain"], visit["changed"]
    i, z, o, c = (float(trace[name][6, 2]) for name in "izoc")
    peephole = float(contributions(model, inside, trace)["o"]["peepholes"][6, 2])
    o = 1 / (1 + np.exp(-(np.log(o / (1 - o)) + peephole * (i * z / c - 1))))
    assert plain == printed("peephole", 2, "forward", 2, 6, plain)
    assert changed["f share"] == "0.000"
    assert changed["c signed"] == format_number(i * z, "signed")
    assert changed["h signed"] == format_number(o * np.tanh(i * z), "signed")
    assert changed["z signed"] == plain["z signed"]
    after = influence.intervention(model, inside, trace, "f", 0)[-1]
    assert visit["answers"] == {label: f"{100 * share:.1f} %" for label, share in zip(LABELS, after, strict=True)}
    assert visit["lit"]


@needs_browser
def test_keys_clicks_and_choices(visit: Any) -> None:
    drops = influence.ablation(*example("peephole"), example("peephole")[1].trace(2, "backward"))
    order = np.argsort(-drops, kind="stable").tolist()
    second = order[min(order.index(0) + 1, 7)]
    assert visit["log"] == [
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
    path, model = tmp_path / "page.html", tmp_path / "small.safetensors"
    save_model(model, example("gru")[0].model)
    recordings = sorted((demo / "stop").glob("*.wav"))[:1] + sorted((demo / "go").glob("*.wav"))[:1]
    assert call(capsys, "gates", *recordings, "--model", model, "--gates", "z", "--out", path)[0] == 0
    data = data_of(path)
    assert [recording["name"] for recording in data["recordings"]] == [
        f"{p.parent.name}/{p.name}" for p in recordings
    ]
    assert data["start"]["gate"] == "z"
