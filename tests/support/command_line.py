"""A command of `speech-lstm`, called in the tests' own process."""

from __future__ import annotations

import pytest

from speech_lstm.cli import main

SLOW = 120  # seconds; a loaded machine takes long to import torch


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit status, output and standard error of a command in this process."""
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    printed = capsys.readouterr()
    return int(caught.value.code or 0), printed.out, printed.err


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The output of a command that succeeds and has nothing else to say."""
    status, out, err = call(capsys, *words)
    assert (status, err) == (0, "")
    return out


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line with which a command is refused."""
    status, out, err = call(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith("speech-lstm: ")
    assert err.count("\n") == 1
    return err
