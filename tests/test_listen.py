"""`listen` and `devices` as a user runs them: words played into a sound server come out as commands."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from speech_lstm.recognition.detector import Detector
from speech_lstm.recognition.recognizer import load
from support.listening import COMMAND, MODEL, SLOW, lines_of, spoken
from support.virtual_microphone import VirtualMicrophone, missing, without_microphone

needs_sound_server = pytest.mark.skipif(bool(missing()), reason=f"{', '.join(missing())} is missing")
WORDS = ("yes", "stop", "go", "left", "right", "down")


@pytest.fixture(scope="module")
def virtual() -> Iterator[VirtualMicrophone]:
    with VirtualMicrophone() as microphone:
        yield microphone


def agreeing(labels: Sequence[str], expected: Sequence[str]) -> int:
    """How many labels agree, in order."""
    return sum(match.size for match in SequenceMatcher(None, labels, expected, False).get_matching_blocks())


@needs_sound_server
def test_words_come_out_as_commands_and_ctrl_c_ends_it(virtual: VirtualMicrophone, tmp_path: Path) -> None:
    recording = spoken(WORDS, tmp_path / "words.wav")
    detector = Detector(load(MODEL))
    expected = detector(recording) + detector.finish()
    process = subprocess.Popen(
        [*COMMAND, "listen", "--model", str(MODEL)],
        env=virtual.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, errors = lines_of(process.stdout), lines_of(process.stderr)
    try:
        assert errors.get(timeout=SLOW) == "listening to default; Ctrl-C ends"
        virtual.play(tmp_path / "words.wav")
        count, quiet = 0, 0  # the last word is certain when its window is through
        while count < len(expected) and quiet < 40:
            time.sleep(0.1)
            count, quiet = output.qsize(), 0 if output.qsize() > count else quiet + 1
        lines = [output.get() for _ in range(output.qsize())]  # they came while it listened, not when it ended
        process.send_signal(signal.SIGINT)
        assert process.wait(SLOW) == 0
    finally:
        process.kill()
    labels = [line.split()[2] for line in lines]
    assert agreeing(labels, WORDS) >= len(WORDS) - 2, lines
    # The commands are those of the recording itself, at the same distances.
    assert abs(len(labels) - len(expected)) <= 1, (lines, expected)
    assert agreeing(labels, [command.label for command in expected]) >= len(expected) - 1, (lines, expected)
    length = float(lines[-1].split()[0]) - float(lines[0].split()[0])
    if (labels[0], labels[-1]) == (expected[0].label, expected[-1].label):
        assert length == pytest.approx(expected[-1].start - expected[0].start, abs=0.2)
    summary = errors.get(timeout=SLOW)
    assert f"s of audio, {len(labels)} commands: " in summary
    assert "lost" not in summary


@needs_sound_server
def test_devices_are_listed(virtual: VirtualMicrophone) -> None:
    run = subprocess.run([*COMMAND, "devices"], env=virtual.environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    heading, *lines = run.stdout.splitlines()
    assert heading.split() == ["index", "name", "channels", "rate"]
    assert [line.split() for line in lines] == [
        ["0", "pulse", "32", "44100", "Hz"],
        ["*", "1", "default", "32", "44100", "Hz"],
        ["2", "Monitor", "of", "Null", "Output", "(virtual_mic.monitor)", "1", "48000", "Hz"],
    ]


@pytest.mark.skipif("libportaudio2" in missing(), reason="libportaudio2 is missing")
@pytest.mark.parametrize("command", ["devices", "listen"])
def test_without_a_microphone_it_ends_with_one_line(tmp_path: Path, command: str) -> None:
    model = ["--model", str(MODEL)] if command == "listen" else []
    run = subprocess.run(
        [*COMMAND, command, *model], env=without_microphone(tmp_path), capture_output=True, text=True, timeout=SLOW
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("speech-lstm: no microphone found: connect one")
    assert run.stderr.count("\n") == 1
