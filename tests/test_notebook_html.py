"""What a notebook and Python's prompt show of a recogniser, a prediction and the inside of a network."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

import speech_lstm
from conftest import ROOT
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.insight.inside import Inside
from speech_lstm.recognition.prediction import BARS, Prediction
from speech_lstm.report.notebook import bars

STOP = "stop/7a254b5f_nohash_0.wav"
NASTY = "<script>alert('1')</script>\n\x1b[2J\"&"
HTML_TAGS = {"div", "p", "table", "tr", "td", "audio", "img"}
VOID = {"img"}


class Elements(HTMLParser):
    """The elements of a piece of HTML; fails if they are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"

    def contents(self, tag: str) -> list[bytes]:
        """The content of every `src` of a kind of element."""
        sources = [attributes["src"] or "" for name, attributes in self.attributes if name == tag]
        return [base64.b64decode(source.partition(",")[2]) for source in sources]


def elements(text: str) -> Elements:
    """The parsed HTML, which has no script and loads nothing."""
    parsed = Elements(text)
    assert {tag for tag, _ in parsed.attributes} <= HTML_TAGS
    for _, attributes in parsed.attributes:
        assert set(attributes) <= {"style", "controls", "src", "alt", "title"}
        assert (attributes.get("src") or "data:").startswith("data:")
        assert "url" not in (attributes.get("style") or "")
    return parsed


@pytest.fixture(scope="module")
def recognizer() -> speech_lstm.Recognizer:
    return speech_lstm.load()


@pytest.fixture(scope="module")
def inside(recognizer: speech_lstm.Recognizer, demo: Path) -> Inside:
    return recognizer.look_inside(demo / STOP)


def test_a_prediction(recognizer: speech_lstm.Recognizer, demo: Path) -> None:
    prediction = recognizer.classify(demo / STOP)
    assert re.fullmatch(r"<Prediction: stop 9\d\.\d %, 0\.00–0\.54 s; then _unknown_ \d\.\d %>", repr(prediction))
    page = elements(prediction._repr_html_())
    assert page.text.startswith("stop 9")
    names = [line for line in page.text.splitlines() if line in recognizer.labels]
    assert names == [label for label, _ in prediction.likeliest(BARS)]
    assert names[0] == "stop"


def test_of_many_labels_the_likeliest_are_shown() -> None:
    scores = {f"word{number}": number / 1000 for number in range(40)}
    page = elements(Prediction("word39", 0.039, 0, 1, scores)._repr_html_())
    assert [line for line in page.text.splitlines() if line.startswith("word")][1:] == [
        f"word{number}" for number in range(39, 39 - BARS, -1)
    ]


def test_names_are_escaped() -> None:
    prediction = Prediction(NASTY, 0.5, 0, 1, {NASTY: 0.5, "no": 0.5})
    for text in (repr(prediction), prediction._repr_html_()):
        assert text.isprintable()
    assert "<script>alert('1')</script>\\n\\x1b[2J\"&" in elements(prediction._repr_html_()).text


def test_a_prediction_without_scores() -> None:
    prediction = Prediction("yes", 0.5, 0, 1, {})
    assert repr(prediction) == "<Prediction: yes 50.0 %, 0.00–1.00 s>"
    elements(prediction._repr_html_())


def test_bars_stay_in_their_frame() -> None:
    widths = re.findall(r"width:([\d.]+)%", bars([("a", 1.0000001), ("b", 0.5), ("c", -0.1), ("d", None)]))
    assert widths == ["100.0", "50.0", "0.0"]


def test_a_recogniser_shows_its_labels_and_thresholds(recognizer: speech_lstm.Recognizer) -> None:
    assert recognizer.thresholds == pytest.approx(recognizer.detection.thresholds)
    assert repr(recognizer).startswith("<Recognizer of commands8.onnx; labels and thresholds: yes 0.")
    assert repr(recognizer).endswith(", _unknown_, _silence_>")
    text = elements(recognizer._repr_html_()).text
    assert set(recognizer.labels) <= set(text.splitlines())
    assert recognizer.detection.rate in text


def test_a_recogniser_of_some_words_in_torch() -> None:
    some = speech_lstm.load(ROOT / "checkpoints" / "commands8.safetensors", words=["yes", "no"])
    assert set(some.thresholds) == {"yes", "no"}
    assert "_unknown_" in some.labels
    assert repr(some).startswith("<Recognizer of a model on cpu; ")
    elements(some._repr_html_())


def test_the_inside_of_a_network(inside: Inside) -> None:
    assert re.fullmatch(r"<Inside: stop .* %, -0\.23–0\.77 s; 3 layers, lstm, .*: i, f, o, z, h, c>", repr(inside))
    assert repr(inside.traces[-1]).startswith("<LayerTrace: layer 3, backward, lstm, ")
    page = elements(inside._repr_html_())
    assert "forget gate" in page.text
    (wav,) = page.contents("audio")
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
    assert rate == SAMPLE_RATE
    assert np.abs(samples - inside.waveform).max() < 1e-4
    features, *gates = (imread(io.BytesIO(content)).shape for content in page.contents("img"))
    assert features[:2] == inside.features.shape[::-1]
    assert gates == [(*array.shape[::-1], 4) for array in inside.traces[0].values.values()]
