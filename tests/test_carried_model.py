"""The model that the repository carries, on the recordings that the repository carries."""

from pathlib import Path

import pytest

import speech_lstm
from speech_lstm.config import COMMANDS_8, SILENCE, UNKNOWN
from speech_lstm.recognition.recognizer import carried_model

DEMO = Path(__file__).parents[1] / "data" / "demo"
MOST_BYTES = 2_500_000


@pytest.fixture(scope="module")
def model():
    return speech_lstm.load()


def test_knows_the_eight_commands(model):
    assert model.labels == (*COMMANDS_8, UNKNOWN, SILENCE)
    assert carried_model().stat().st_size <= MOST_BYTES


def test_understands_synthetic_voices(model):
    """Speech of a kind that it was not made for: the card tells how well it understands people."""
    paths = [path for word in COMMANDS_8 for path in sorted((DEMO / word).glob("*.wav"))]
    answers = model.classify(paths)
    right = sum(answer.label == path.parent.name for answer, path in zip(answers, paths, strict=True))
    assert right / len(paths) >= 0.6


def test_takes_background_noise_for_silence(model):
    for path in sorted((DEMO / "_background_noise_").glob("*.wav")):
        assert list(model.commands(path)) == [], path.name


def test_card_tells_what_the_file_is():
    card = carried_model().with_suffix(".md").read_text()
    for fact in ("CC BY 4.0", "speech-lstm train", "95 %", "arXiv:1804.03209"):
        assert fact in card
