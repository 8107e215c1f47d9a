"""What happens on a word, as a user asks for it: `listen` as a process with words on its standard input."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from speech_lstm.commands.listen import check_words
from speech_lstm.config import SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.errors import ActionError
from support.command_line import call, refusal
from support.listening import COMMAND, MODEL, SLOW, lines_of, spoken, wait_for
from support.mqtt_broker import Broker, Reader, needs_broker
from support.programs import alive, script
from support.virtual_microphone import PYTHONPATH

PIPED = [*COMMAND, "listen", "--model", str(MODEL), "--input", "-", "--raw", str(SAMPLE_RATE)]
ENVIRONMENT = os.environ | {"PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def words(tmp_path: Path) -> bytes:
    """Two words and a second of silence, as raw samples."""
    samples = np.pad(spoken(("yes", "stop"), tmp_path / "words.wav"), (0, SAMPLE_RATE))
    return (32767 * samples.clip(-1, 1)).astype("<i2").tobytes()


class Listening:
    """`listen` with these flags; a context manager whose streams are queues of lines."""

    def __init__(self, *flags: str, before: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*before, *PIPED, *flags],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Listening:
        self.errors = lines_of(self.process.stderr)
        assert self.errors.get(timeout=SLOW) == "listening to standard input; Ctrl-C ends"
        return self

    def __exit__(self, *fault: object) -> None:
        self.process.kill()
        self.process.wait()

    def send(self, samples: bytes) -> None:
        """Write samples to its standard input, which stays open."""
        assert self.process.stdin is not None
        self.process.stdin.buffer.write(samples)
        self.process.stdin.flush()

    def end(self, how: signal.Signals) -> list[str]:
        """Send a signal; returns the lines on standard error until it ends, with status 0."""
        self.process.send_signal(how)
        assert self.process.wait(SLOW) == 0
        return list(iter(lambda: self.errors.get(timeout=SLOW), None))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_programs_run_on_words_and_none_is_left_behind(words: bytes, tmp_path: Path, how: signal.Signals) -> None:
    facts, numbers = tmp_path / "facts", tmp_path / "numbers"
    path = script(tmp_path, f'echo "$1 $SPEECH_LSTM_WORD $SPEECH_LSTM_PROBABILITY $SPEECH_LSTM_START" > {facts}')
    stays = f"sh -c 'sleep 600 & echo $$ $! > {numbers}; wait'"
    with Listening("--on", "yes", f"'{path}' lamp", "--on", "stop", stays, "--on", "stop", "false") as listening:
        listening.send(words)
        output = lines_of(listening.process.stdout)
        first, second = (output.get(timeout=SLOW).split() for _ in range(2))
        assert (first[2], second[2]) == ("yes", "stop")
        wait_for(lambda: facts.exists() and facts.read_text().endswith("\n"))
        lamp, word, chance, start = facts.read_text().split()
        assert (lamp, word) == ("lamp", "yes")
        assert float(chance) == pytest.approx(float(first[3]), abs=0.006)
        assert float(start) == pytest.approx(float(first[0]), abs=0.06)
        assert listening.errors.get(timeout=SLOW).endswith(" s  stop: false failed with exit status 1")
        wait_for(lambda: numbers.exists() and numbers.read_text().endswith("\n"))
        children = [int(number) for number in numbers.read_text().split()]
        assert len(children) == 2
        assert all(map(alive, children))
        (summary,) = listening.end(how)
    assert "2 commands: yes 1, stop 1" in summary
    wait_for(lambda: not any(map(alive, children)))


def test_what_its_starter_ignores_does_not_end_it(words: bytes) -> None:
    with Listening(before=("nohup",)) as listening:
        output = lines_of(listening.process.stdout)
        listening.send(words)
        assert "  yes  " in output.get(timeout=SLOW)
        listening.process.send_signal(signal.SIGHUP)
        listening.process.stdin.close()
        assert "  stop  " in output.get(timeout=SLOW)
        assert listening.process.wait(SLOW) == 0


def test_lines_of_json_for_a_pipe_that_closes(words: bytes) -> None:
    with Listening("--jsonl") as listening:
        listening.send(words)
        assert listening.process.stdout is not None
        answer = json.loads(listening.process.stdout.readline())
        assert list(answer) == ["file", "start", "end", "label", "probability", "scores", "time"]
        assert (answer["file"], answer["label"]) == ("standard input", "yes")
        assert answer["start"] < answer["end"]
        listening.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # it may have ended before it has read all of it
            listening.send(words[-2 * SAMPLE_RATE :])  # silence: it ends without another command
        assert listening.process.wait(SLOW) == 0
        assert listening.errors.get(timeout=SLOW) is None


def test_at_the_end_of_the_sound_programs_are_waited_for(words: bytes) -> None:
    command = [*PIPED, "--jsonl", "--on", "stop", "sh -c 'sleep 0.5; echo done'"]
    run = subprocess.run(command, input=words, env=ENVIRONMENT, capture_output=True, timeout=SLOW)
    assert run.returncode == 0
    assert [json.loads(line)["label"] for line in run.stdout.splitlines()] == ["yes", "stop"]
    _, note, summary = run.stderr.decode().splitlines()
    assert note.endswith(" s  stop: done")
    assert summary.endswith("2 commands: yes 1, stop 1")


@needs_broker
def test_the_same_json_goes_to_a_broker(words: bytes, tmp_path: Path) -> None:
    with (
        Broker(tmp_path) as broker,
        Reader(broker) as reader,
        Listening("--jsonl", "--mqtt", broker.address("home/voice")) as listening,
    ):
        output = lines_of(listening.process.stdout)
        listening.send(words)
        for label in ("yes", "stop"):
            topic, fields, _ = reader.messages.get(timeout=SLOW)
            assert topic == "home/voice"
            assert fields["label"] == label
            assert fields == json.loads(output.get(timeout=SLOW))
        broker.process.kill()
        listening.send(words[-2 * SAMPLE_RATE :])
        assert listening.errors.get(timeout=SLOW).endswith("MQTT: lost the connection to the broker; reconnecting")
        listening.end(signal.SIGINT)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    spoken(("yes",), tmp_path / "yes.wav")
    return tmp_path / "yes.wav"


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (["--on", "lamp", "true"], "--on lamp: not a command that is recognised; those are yes, no, up, down, "),
        (["--on", "_silence_", "true"], "--on _silence_: not a command that is recognised; "),
        (["--on", "lamp", "no-such-program -x", "--device", "99"], "--on lamp: not a command that is recognised; "),
        (["--on", "yes", "no-such-program -x"], "--on yes: the program 'no-such-program' does not exist; "),
        (["--shell"], "--shell applies to the commands of --on; "),
    ],
)
def test_an_impossible_action_is_refused(
    capsys: pytest.CaptureFixture[str], recording: Path, flags: Sequence[str], fault: str
) -> None:
    line = refusal(capsys, "listen", "--model", MODEL, "--input", recording, *flags)
    assert line.startswith(f"speech-lstm: {fault}")


def test_without_a_broker_it_does_not_listen() -> None:
    command = [*PIPED, "--mqtt", "mqtt://127.0.0.1:1/home"]
    run = subprocess.run(
        command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SLOW
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("speech-lstm: mqtt://127.0.0.1:1/home: ")
    assert run.stderr.count("\n") == 1


def test_a_label_that_is_no_command_starts_no_program() -> None:
    with pytest.raises(ActionError, match=r"; those are yes, stop; did you mean 'stop'\?$"):
        check_words(["stopp"], ("yes", "stop", "_unknown_"))
    with pytest.raises(ActionError, match=r"^--on _silence_: .+; those are yes, no$"):
        check_words(["no", SILENCE], ("yes", "no", UNKNOWN, SILENCE))


@pytest.mark.parametrize("flags", [["--on", "yes"], ["--plain", "--jsonl"], ["--every", "-1"], ["--every", "soon"]])
def test_invalid_flags(capsys: pytest.CaptureFixture[str], flags: Sequence[str]) -> None:
    status, output, errors = call(capsys, "listen", *flags)
    assert (status, output) == (2, "")
    assert errors.startswith("speech-lstm listen: ")
    assert errors.count("\n") == 1
