"""What happens on a word, as a user asks for it: `listen` as a process, words from a sound server."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from test_listen import COMMAND, MODEL, SLOW, lines_of, spoken, wait_for
from test_mqtt import Broker, Reader, needs_broker
from test_programs import alive, script
from virtual_microphone import VirtualMicrophone, missing

from speech_lstm.commands.listen import check_words
from speech_lstm.config import SILENCE, UNKNOWN
from speech_lstm.errors import ActionError

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"{', '.join(missing())} is missing")
LISTEN = [*COMMAND, "listen", "--model", str(MODEL)]


@pytest.fixture(scope="module")
def virtual() -> Iterator[VirtualMicrophone]:
    with VirtualMicrophone() as microphone:
        yield microphone


@pytest.fixture
def words(tmp_path: Path) -> Path:
    spoken(("yes", "stop"), tmp_path / "words.wav")
    return tmp_path / "words.wav"


class Listening:
    """`listen` with these flags; a context manager whose streams are queues of lines."""

    def __init__(self, virtual: VirtualMicrophone, *flags: str) -> None:
        self.process = subprocess.Popen(
            [*LISTEN, *flags],
            env=virtual.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Listening:
        self.output, self.errors = lines_of(self.process.stdout), lines_of(self.process.stderr)
        assert self.errors.get(timeout=SLOW) == "listening to default; Ctrl-C ends"
        return self

    def __exit__(self, *fault: object) -> None:
        self.process.kill()
        self.process.wait()

    def end(self, how: signal.Signals) -> list[str]:
        """Send a signal; returns what it says on standard error until it has ended, with status 0."""
        self.process.send_signal(how)
        assert self.process.wait(SLOW) == 0
        lines = []
        while True:
            try:
                lines.append(self.errors.get(timeout=0.5))
            except queue.Empty:
                return lines


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_programs_run_on_words_and_none_is_left_behind(
    virtual: VirtualMicrophone, words: Path, tmp_path: Path, how: signal.Signals
) -> None:
    facts, numbers = tmp_path / "facts", tmp_path / "numbers"
    path = script(tmp_path, f'echo "$1 $SPEECH_LSTM_WORD $SPEECH_LSTM_PROBABILITY $SPEECH_LSTM_START" > {facts}')
    stays = f"sh -c 'sleep 600 & echo $$ $! > {numbers}; wait'"
    with Listening(virtual, "--on", "yes", f"'{path}' lamp", "--on", "stop", stays, "--on", "stop", "false") as heard:
        virtual.play(words)
        first, second = (heard.output.get(timeout=SLOW).split() for _ in range(2))
        assert (first[2], second[2]) == ("yes", "stop")
        wait_for(lambda: facts.exists() and facts.read_text().endswith("\n"))
        lamp, word, chance, start = facts.read_text().split()
        assert (lamp, word) == ("lamp", "yes")
        assert float(chance) == pytest.approx(float(first[3]), abs=0.006)
        assert float(start) == pytest.approx(float(first[0]), abs=0.06)
        assert heard.errors.get(timeout=SLOW).endswith(" s  stop: false failed with exit status 1")
        wait_for(lambda: numbers.exists() and numbers.read_text().endswith("\n"))
        children = [int(number) for number in numbers.read_text().split()]
        assert len(children) == 2
        assert all(map(alive, children))
        began = time.monotonic()
        (summary,) = heard.end(how)
        assert time.monotonic() - began < 5
    assert "2 commands: yes 1, stop 1" in summary
    wait_for(lambda: not any(map(alive, children)))


def test_lines_of_json_for_a_pipe_that_closes(virtual: VirtualMicrophone, words: Path) -> None:
    process = subprocess.Popen(
        [*LISTEN, "--jsonl"], env=virtual.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        errors = lines_of(process.stderr)
        assert errors.get(timeout=SLOW) == "listening to default; Ctrl-C ends"
        virtual.play(words)
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        assert list(answer) == ["file", "start", "end", "label", "probability", "scores", "time"]
        assert (answer["file"], answer["label"]) == ("default", "yes")
        assert answer["start"] < answer["end"]
        process.stdout.close()
        assert process.wait(SLOW) == 0  # though nothing more is said
        assert errors.empty()
    finally:
        process.kill()


@needs_broker
def test_the_same_json_goes_to_a_broker(virtual: VirtualMicrophone, words: Path, tmp_path: Path) -> None:
    with (
        Broker(tmp_path) as broker,
        Reader(broker) as reader,
        Listening(virtual, "--jsonl", "--mqtt", broker.address("home/voice")) as heard,
    ):
        virtual.play(words)
        for label in ("yes", "stop"):
            topic, fields, _ = reader.messages.get(timeout=SLOW)
            assert topic == "home/voice"
            assert fields["label"] == label
            assert fields == json.loads(heard.output.get(timeout=SLOW))
        broker.process.kill()
        assert heard.errors.get(timeout=SLOW).endswith("MQTT: the broker went away; its return is waited for")
        began = time.monotonic()
        heard.end(signal.SIGINT)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            ["--on", "lamp", "true"],
            "--on lamp: no command of the model; its commands are yes, no, up, down, left, right, ",
        ),
        (["--on", "_silence_", "true"], "--on _silence_: no command of the model; "),
        (["--on", "yes", "no-such-program -x"], "--on yes: the program 'no-such-program' is not there; "),
        (["--on", "yes", "echo 'hi"], "--on yes: \"echo 'hi\" can't be divided into words"),
        (["--shell"], "--shell is for the commands of --on; give --on WORD COMMAND"),
        (
            ["--mqtt", "mqtt://127.0.0.1:1/home"],
            "mqtt://127.0.0.1:1/home: no MQTT broker answers (connection refused); ",
        ),
        (["--mqtt", "home"], "--mqtt: the address must be mqtt://"),
    ],
)
def test_what_can_not_be_is_refused_before_it_listens(
    virtual: VirtualMicrophone, flags: Sequence[str], says: str
) -> None:
    run = subprocess.run([*LISTEN, *flags], env=virtual.environment, capture_output=True, text=True, timeout=SLOW)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"speech-lstm: {says}")
    assert run.stderr.count("\n") == 1


def test_what_is_no_command_can_not_be_waited_for() -> None:
    with pytest.raises(ActionError, match="^--on _silence_: no command of the model; its commands are yes, no$"):
        check_words(["no", SILENCE], ("yes", "no", UNKNOWN, SILENCE))


@pytest.mark.parametrize("flags", [["--on", "yes"], ["--plain", "--jsonl"], ["--every", "-1"], ["--every", "soon"]])
def test_flags_that_can_not_be(flags: Sequence[str]) -> None:
    run = subprocess.run([*LISTEN, *flags], capture_output=True, text=True, timeout=SLOW)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("speech-lstm listen: ")
    assert run.stderr.count("\n") == 1
