"""The page in headless Chromium: sounds, gates set by hand, two cells, the tour, the microphone, and one file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import soundfile
import soxr
import torch
from torch import Tensor

from conftest import ROOT
from speech_lstm.audio.clips import find_clip
from speech_lstm.audio.recording import read_recording
from speech_lstm.errors import ConfigError, ModelError, SpeechLSTMError
from speech_lstm.insight.contributions import contributions
from speech_lstm.insight.diagram import Numbers, evaluate, format_number
from speech_lstm.insight.inside import Inside, look_inside
from speech_lstm.insight.views import View, recording_title
from speech_lstm.model.checkpoint import save_model
from speech_lstm.model.torch_model import TorchModel
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.web import gates_page
from speech_lstm.web.one_file import IMPORT
from speech_lstm.web.pack import pack
from speech_lstm.web.server import POLICY
from speech_lstm.web.site import (
    PackedModel,
    models_of,
    page_files,
    site_files,
    small_models,
    write_site,
)
from support.browser import BROWSER
from support.command_line import answer, call, refusal
from support.insight_models import LABELS, example, random_model, summary_of
from support.pages import ONE_FILE, drive, serving

needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs a browser: install the package chromium")
VOICE = "7a254b5f_nohash_0.wav"
MOST_BYTES = 3_000_000  # of everything that `speech-lstm web` serves
HELD = 0.35  # what the forget gate is held at
FROM, TO = 12, 20  # the frames of it


def texts(path: str) -> str:
    return page_files()[path].decode()


# --- the files ---------------------------------------------------------------------------------------------------


def test_the_site_is_complete_and_small(tmp_path: Path) -> None:
    content = site_files(models_of([]))
    assert sum(map(len, content.values())) < MOST_BYTES
    manifest = json.loads(content["manifest.json"])
    assert [model["key"] for model in manifest["models"]] == ["commands8", "gru", "lstm", "peephole", "rnn"]
    for entry in [*manifest["models"], *manifest["sounds"]]:
        assert entry["file"] in content
    write_site(content, tmp_path / "new" / "site")
    assert (tmp_path / "new" / "site" / "index.html").read_bytes() == content["index.html"]


def test_the_small_models_are_of_one_size() -> None:
    headers = [json.loads(m.content[4 : 4 + int.from_bytes(m.content[:4], "little")]) for m in small_models()]
    assert {header["layers"][0]["cell"] for header in headers} == {"lstm", "peephole", "gru", "rnn"}
    assert all(19_000 < header["parameters"] < 21_000 for header in headers)
    assert sum(len(model.content) for model in small_models()) < 1_500_000


def test_the_page_asks_nobody_else() -> None:
    for name, content in page_files().items():
        text = content.decode()
        assert set(re.findall(r"https?://[^\s\"'`<>)]*", text)) <= {"http://www.w3.org/2000/svg"}, name
        assert not re.search(r"\beval\(|new Function|innerHTML", text), name
    assert "default-src 'none'" in texts("index.html")
    assert set(re.search(r'Policy" content="([^"]*)"', texts("index.html"))[1].split("; ")) <= set(POLICY.split("; "))  # type: ignore[index]


def test_the_scripts_can_become_one() -> None:
    """Names at the top of a script are unique in all scripts, and each script is imported in one way."""
    names: list[str] = []
    for file, content in page_files().items():
        if file.endswith(".js") and file not in ("worker.js", "tap.js"):
            text = content.decode()
            assert len(IMPORT.findall(text)) == len(re.findall("^import", text, re.MULTILINE)), file
            names += re.findall(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names))


def named_words() -> list[str]:
    """The words that the page and its scripts name."""
    named = set(re.findall(r'data-(?:word|name)="(\w+)"', texts("index.html")))
    for file in page_files():
        named |= set(re.findall(r'\bsay\("(\w+)"', texts(file)))
    return sorted(named)


def test_models_that_the_page_cannot_show() -> None:
    with pytest.raises(ModelError, match=r"no such file, and no bundled model"):
        models_of(["none"])
    with pytest.raises(ModelError, match=r"commands8\.onnx: the page shows the inside of a model; name its"):
        models_of([str(ROOT / "checkpoints" / "commands8.onnx")])


def test_models_of_the_same_name_have_keys_of_their_own(tmp_path: Path) -> None:
    save_model(tmp_path / "gru.safetensors", example("gru")[0].model)
    models = models_of([str(tmp_path / "gru.safetensors"), "commands8"])
    assert [model.key for model in models] == ["gru", "commands8", "gru-2", "lstm", "peephole", "rnn"]


# --- the server and the command ----------------------------------------------------------------------------------


def test_the_server_gives_its_files_and_nothing_else() -> None:
    from http.client import HTTPConnection

    with serving({"index.html": b"<p>page", "a.js": b"1"}) as server:
        connection = HTTPConnection("127.0.0.1", server.server_port)
        for path, status, content in (
            ("/", 200, b"<p>page"),
            ("/a.js?x=1", 200, b"1"),
            ("/../pyproject.toml", 404, None),
            ("/%2e%2e/a.js", 404, None),
        ):
            connection.request("GET", path)
            reply = connection.getresponse()
            body = reply.read()
            assert reply.status == status, path
            if content is not None:
                assert body == content
                assert reply.headers["Content-Security-Policy"] == POLICY
                assert reply.headers["X-Content-Type-Options"] == "nosniff"
        connection.request("HEAD", "/")
        reply = connection.getresponse()
        assert (reply.status, reply.read(), reply.headers["Content-Length"]) == (200, b"", "7")
        connection.close()
        with pytest.raises(ConfigError, match=rf"port {server.server_port}: cannot be served"):
            type(server).__mro__[1]({}, port=server.server_port)
    assert server.address == f"http://localhost:{server.server_port}/"


def test_a_browser_that_leaves_is_no_news(capfd: pytest.CaptureFixture[str]) -> None:
    import socket
    import struct

    with serving({"index.html": b"<p>page"}) as server:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", server.server_port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # resets when closed
                client.sendall(b"GET /")
        with socket.create_connection(("127.0.0.1", server.server_port)) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"<p>page" in client.makefile("rb").read()
    assert capfd.readouterr().err == ""


def test_files_for_another_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = answer(capsys, "web", "--out", tmp_path / "site")
    assert re.fullmatch(rf"{re.escape(str(tmp_path / 'site'))}: \d+ files, [\d.]+ MB\n", out)
    assert "Content-Security-Policy" in (tmp_path / "site" / "index.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("flags", "fact"),
    [
        (["--model", "none.safetensors"], "none.safetensors: no such file"),
        (["--host", "192.0.2.1", "--no-browser"], "192.0.2.1, port 0: cannot be served"),
        (["--port", "70000", "--no-browser"], "port 70000: cannot be served (no such port); choose another"),
        (["--out", "/proc/none/site"], "cannot be written"),
    ],
)
def test_bad_flags(capsys: pytest.CaptureFixture[str], flags: list[str], fact: str) -> None:
    assert fact in refusal(capsys, "web", *flags)


# --- in a browser ------------------------------------------------------------------------------------------------


def tiny() -> TorchModel:
    return random_model("lstm")


def roles_of(cell: str) -> set[str]:
    """The roles of a cell's values; a value that is its own role has none."""
    traces = example(cell)[1].traces
    return {trace.role(value) for trace in traces for value in trace.values} - {v for t in traces for v in t.values}


@pytest.fixture(scope="module")
def stop() -> Any:
    return look_inside(tiny(), *find_clip([read_recording(ROOT / "data" / "demo" / "stop" / VOICE)]))


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a visit to the page with two small models finds."""
    models = [
        PackedModel("tiny", "tiny", pack(tiny().model, "tiny", "float32")),
        PackedModel("other", "other", pack(random_model("gru").model, "other", "float32")),
    ]
    roles = sorted({role for name in CELLS for role in roles_of(name)})
    facts = {"value": HELD, "from": FROM, "to": TO, "words": named_words(), "roles": roles}
    return drive(site_files(models), "visit.js", tmp_path_factory.mktemp("visit"), facts)


def percentages(scores: Any) -> dict[str, str]:
    return {label: f"{100 * score:.1f} %" for label, score in zip(LABELS, scores, strict=True)}


@torch.no_grad()
def held_answer(
    model: TorchModel, inside: Inside, gate: str, value: float, place: tuple[int, int], frames: range
) -> Any:
    """The posteriors with a gate held in a layer (from 0) and direction (1 is backward) at some frames."""
    stack, (level, direction), steps = model.network.stack, place, [0]

    def tap(name: str, values: Tensor) -> Tensor:
        if name == gate:
            frame = len(inside.features) - 1 - steps[0] if direction else steps[0]
            steps[0] += 1
            if frame in frames:
                values = values.clone()
                values[direction] = value
        return values

    track, _ = stack.climb(level, inside.tracks[level], tap=tap)
    for above in range(level + 1, len(inside.tracks)):
        track, _ = stack.climb(above, track)
    return model.network.head(model.network.pooling(track.hidden.transpose(0, 1))).softmax(1)[0].tolist()


def near(shown: dict[str, str], expected: dict[str, str]) -> bool:
    """Whether the numbers are the same but for the rounding of their last digit."""
    return shown.keys() == expected.keys() and all(
        abs(float(shown[key].split()[0]) - float(expected[key].split()[0])) < 0.11 for key in shown
    )


@needs_browser
def test_the_numbers_of_a_unit_are_those_of_the_printed_drawing(visit: Any, stop: Inside) -> None:
    trace = stop.trace(2, "backward")
    numbers = Numbers(trace, contributions(tiny(), stop, trace), 3, 9)
    formulas = {key: key.rsplit(" ", 1) for key in visit["plain"]}
    printed = {key: format_number(evaluate(formula, numbers.at), form) for key, (formula, form) in formulas.items()}
    assert len(printed) > 20
    for key, text in printed.items():
        shown, expected = (part.replace("−", "-").removesuffix(" %") for part in (visit["plain"][key], text))
        assert float(shown) == pytest.approx(float(expected), abs=0.0011 if "percent" not in key else 1.1), key
    assert near(visit["answers"], percentages([stop.answer.scores[label] for label in LABELS]))
    assert visit["title"].startswith("stop · tiny: ")


@needs_browser
def test_a_gate_set_by_hand_gives_the_answer_of_torch(visit: Any, stop: Inside) -> None:
    always, stretch = range(len(stop.features)), range(FROM, TO + 1)
    assert near(visit["held"], percentages(held_answer(tiny(), stop, "f", HELD, (1, 1), always)))
    assert near(visit["stretch"], percentages(held_answer(tiny(), stop, "f", HELD, (1, 1), stretch)))
    assert visit["held"] != visit["answers"] == visit["released"]
    assert visit["effect"].startswith(f"f held at {HELD} in all units of this layer and direction, from frame {FROM}")
    assert visit["address"] | {"hold": str(HELD), "from": str(FROM), "to": str(TO), "gate": "f"} == visit["address"]


@needs_browser
def test_keys_choices_and_the_map(visit: Any) -> None:
    assert visit["log"] == [
        "2 backward f 3 10",
        "2 backward f 3 9",
        "2 backward f 3 8",
        "2 backward f 4 8",
        "2 backward f 4 9",
        "2 backward c 4 9",
        " backward c 4 9",  # layer 1 is where the page begins, so it is not in the address
        " backward o 0 0",
    ]
    assert visit["tip"].startswith("unit 0: o = ")
    assert visit["dragged"]["gate"] == "o"
    assert "from" not in visit["dragged"]  # from the first frame is from the beginning
    assert 15 < int(visit["dragged"]["to"]) < 25
    assert visit["overview"] == 4 * 6  # two layers, two directions; i, f, o, z, c, h
    assert visit["alike"].count(" alike") == 5


@needs_browser
def test_two_cells_stand_side_by_side(visit: Any) -> None:
    assert [text.split(":")[0] for text in visit["two"]] == ["go · tiny", "go · other"]
    assert visit["maps"] == [["i", "f", "o", "z", "c", "h"], ["r", "z", "n", "h"]]
    assert "NaN" not in "".join(visit["two"])
    one, other = (float(width.removesuffix("px")) for width in visit["cursors"])
    assert one == pytest.approx(other, abs=0.1)


@needs_browser
def test_never_forget_holds_for_both_cells(visit: Any) -> None:
    """The gate that keeps the memory of the other cell has another name, and may keep where it is 0."""
    model, keeps = random_model("gru"), {"z": 1.0, "1-z": 0.0}[CELLS["gru"].keeps]
    inside = look_inside(model, *find_clip([read_recording(ROOT / "data" / "demo" / "go" / VOICE)]))
    scores = held_answer(model, inside, "z", keeps, (0, 0), range(len(inside.features)))
    label, share = visit["kept"][1].split(" → ")[1].removesuffix(" %").rsplit(" ", 1)
    assert label == LABELS[int(np.argmax(scores))]
    assert float(share) == pytest.approx(100 * max(scores), abs=0.11)
    assert (visit["handed"]["column"], visit["handed"]["set"], float(visit["handed"]["hold"])) == ("1", "z", keeps)


@needs_browser
def test_the_tour_in_both_languages(visit: Any) -> None:
    english, czech = visit["tour"]["en"], visit["tour"]["cs"]
    assert 8 <= len(english) == len(czech) <= 10
    assert all(all(words) for words in english + czech)
    assert not {text for words in english for text in words} & {text for words in czech for text in words}
    assert visit["words"]["en"][:2] == ["en", "Open a file …"]
    assert visit["words"]["cs"][:2] == ["cs", "Otevřít soubor …"]
    assert "candidate" in visit["words"]["en"][2]
    assert "kandidát" in visit["words"]["cs"][2]
    assert visit["missing"] == []
    assert visit["terms"] == [24, 24]
    assert visit["unexplained"] == []


@needs_browser
def test_files_of_ones_own(visit: Any) -> None:
    assert visit["refused"].startswith("notes.txt: the browser cannot read this file as sound")
    assert visit["mine"].startswith("mine.wav · tiny: ")


@needs_browser
def test_it_fits_narrow_and_wide_windows_and_names_what_it_has(visit: Any) -> None:
    assert all(found <= int(width) for width, found in visit["widths"].items()), visit["widths"]
    assert visit["unnamed"] == []
    assert visit["elsewhere"] == []


@needs_browser
def test_it_resamples_as_soxr_does(tmp_path: Path) -> None:
    speech = read_recording(ROOT / "data" / "demo" / "stop" / VOICE)
    sounds = {}
    for rate in (44_100, 48_000, 22_050, 8_000):
        sounds[rate] = soxr.resample(speech, 16_000, rate, "VHQ").astype("<f4")
        if rate > 32_000:  # what would fold back below 8 kHz
            sounds[rate] += 0.2 * np.sin(2 * np.pi * 11_000 * np.arange(len(sounds[rate])) / rate, dtype="<f4")
    content = page_files() | {f"{rate}.raw": sound.tobytes() for rate, sound in sounds.items()}
    found = drive(content, "resample.js", tmp_path, list(sounds))
    for rate in sounds:
        page, expected = (
            np.array(found[str(rate)]),
            low(speech if rate > 16_000 else soxr.resample(sounds[rate], rate, 16_000, "VHQ")),
        )
        assert abs(len(page) - len(speech)) <= 2 + 16 * 16_000 / min(rate, 16_000), rate
        middle = slice(400, len(page) - 400)
        assert np.abs(low(page)[middle] - expected[: len(page)][middle]).max() < 0.01 * np.abs(expected).max(), rate


def low(sound: Any) -> Any:
    """What is below 6 kHz: near half the rate every resampler has a slope of its own."""
    return scipy.signal.sosfiltfilt(scipy.signal.butter(8, 6000, fs=16_000, output="sos"), sound)


@needs_browser
@pytest.mark.parametrize("refuse", [False, True], ids=["16 kHz", "no 16 kHz"])
def test_it_recognises_what_is_spoken(tmp_path: Path, refuse: bool) -> None:
    """The microphone plays words again and again, until the page has shown each; `refuse` makes the page resample."""
    words = ("stop", "left", "yes")
    pause = np.zeros(16_000, np.int16)
    parts = [soundfile.read(ROOT / "data" / "demo" / word / VOICE, dtype="int16")[0] for word in words]
    soundfile.write(
        tmp_path / "speech.wav", np.concatenate([pause, *(x for part in parts for x in (part, pause))]), 16_000
    )
    found = drive(
        site_files(models_of([])), "speak.js", tmp_path, {"words": words, "refuse": refuse}, tmp_path / "speech.wav"
    )
    assert all((rate == 16_000) != refuse for rate in found["rates"])
    assert found["shown"].startswith("your word ")
    assert all(colours > 20 for colours in found["colours"])  # each word has its picture


# --- one file ----------------------------------------------------------------------------------------------------


NAMES = ("one</script><script>fail()</script>.wav", "two.wav")


def page_of(name: str, path: Path, recordings: int = 1, **settings: Any) -> Path:
    view = View(
        example(name)[0],
        NAMES[:recordings],
        (summary_of(name, 2, "backward"),) * recordings,
        settings.get("gates", ()),
        settings.get("order", "index"),
    )
    gates_page.write_page(view, path)
    return path


def data_of(path: Path) -> Any:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def test_one_file_needs_no_other(tmp_path: Path) -> None:
    text = page_of("peephole", tmp_path / "page.html", 2).read_text("utf-8")
    assert set(re.findall(r"https?://[^\s\"'`<>)]*", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r'<(script|link|img)[^>]* (src|href)="(?!data:,)', text)
    assert "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'" in text
    assert text.count("</script>") == 2  # the name of a recording cannot end a script
    assert "import {" not in text
    assert len(text) < 1_000_000


def test_one_file_opens_with_the_chosen_gate_and_order(tmp_path: Path) -> None:
    start = data_of(page_of("gru", tmp_path / "page.html", gates=("n",), order="decision"))["start"]
    summary = summary_of("gru", 2, "backward")
    assert (start["layer"], start["direction"], start["gate"], start["order"]) == (2, "backward", "n", "decision")
    assert start["unit"] == int(summary.drops.argmax())


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(SpeechLSTMError, match="it is a folder"):
        page_of("rnn", tmp_path)


@needs_browser
def test_one_file_works_in_a_browser(tmp_path: Path) -> None:
    page = page_of("peephole", tmp_path / "page.html", 2)
    found = drive({ONE_FILE: page.read_bytes(), **page_files()}, "one_file.js", tmp_path)
    inside = example("peephole")[1]
    trace = inside.trace(2, "backward")
    unit, frame = int(found["state"]["unit"]), int(found["state"].get("frame", 0))
    numbers = Numbers(trace, contributions(example("peephole")[0], inside, trace), unit, frame)
    for name in ("c", "o.peepholes"):
        shown = float(found["numbers"][f"{name} signed"].replace("−", "-"))
        assert shown == pytest.approx(numbers.at(name, 0), abs=0.0011)
    assert [text.split(" · ")[0] for text in found["headings"]] == [recording_title(name) for name in NAMES]
    assert found["title"].startswith("Inside the network: “")
    assert found["speak"]


def test_from_the_command_line(capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path) -> None:
    path, model = tmp_path / "page.html", tmp_path / "small.safetensors"
    save_model(model, example("gru")[0].model)
    recordings = sorted((demo / "stop").glob("*.wav"))[:1] + sorted((demo / "go").glob("*.wav"))[:1]
    assert call(capsys, "gates", *recordings, "--model", model, "--gates", "z", "--out", path)[0] == 0
    data = data_of(path)
    assert [sound["name"] for sound in data["sounds"]] == [f"{p.parent.name}/{p.name}" for p in recordings]
    assert data["start"]["gate"] == "z"
