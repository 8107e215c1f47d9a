"""The script that reads texts aloud, without commands in them."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile as sf

from conftest import ROOT
from speech_lstm.audio.energy import rms
from speech_lstm.config import SAMPLE_RATE, UNKNOWN
from speech_lstm.streams.truth import read_truth

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is missing")
TEXT = """# A heading

The garden was full of roses. You may go there. I know the way home! There were 7 men in it. Birds sang
in the old trees all day long.

```
This code is not read aloud. It has two sentences.
```

> Who would have thought so of them? Nobody knew them well, of course.
"""
READ = [
    "The garden was full of roses.",
    "Birds sang in the old trees all day long.",
    "Who would have thought so of them?",
    "Nobody knew them well, of course.",
]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import read_texts

    return read_texts


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.md").write_text(TEXT)
    (folder / "b.dat").write_bytes(b"\xff\xfe\x00")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@needs_espeak
def test_sentences_with_commands_or_words_that_sound_like_them_are_left_out(script: ModuleType) -> None:
    sentences = list(script.sentences(TEXT))
    assert not any("code" in sentence or "7" in sentence for sentence in sentences)
    assert script.without(sentences, ["go", "no"]) == READ
    assert script.without(sentences, ["go", "no", "wood", "new"]) == READ[:2]


@needs_espeak
def test_what_is_read_and_where_it_is(script: ModuleType, texts: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        assert script.main([str(texts), "--hours", "0.003", "--out", str(tmp_path / out), "--seed", "3"]) == 0
    one, two = (contents(tmp_path / out) for out in ("one", "two"))
    assert one == two
    assert set(one) == {"000.flac", "000.csv"}
    samples, rate = sf.read(tmp_path / "one" / "000.flac", dtype="float32")
    assert rate == SAMPLE_RATE
    assert len(samples) >= 0.003 * 3600 * SAMPLE_RATE
    events = read_truth(tmp_path / "one" / "000.csv")
    assert [event.file.partition(": ")[2] for event in events][:4] == READ
    for event in events:
        assert event.word == UNKNOWN
        assert event.end is not None
        assert 0.5 < event.end - event.start < 10
        piece = samples[round(event.start * SAMPLE_RATE) : round(event.end * SAMPLE_RATE)]
        assert -42 < 20 * np.log10(rms(piece)) < -22


def test_the_shares_of_the_voices_have_none_in_common(script: ModuleType) -> None:
    engines = {"espeak-ng": ("en-us+f1", "en-gb+f1", "en-us+m1", "en-us+m2"), "flite": ("slt", "awb")}
    shares = [script.voices_of(engines, (i, 3)) for i in (1, 2, 3)]
    assert shares[0]["espeak-ng"] == ("en-us+f1", "en-gb+f1")
    assert ["flite" in share for share in shares] == [True, True, False]
    assert sum(len(voices) for share in shares for voices in share.values()) == 6
    with pytest.raises(script.SpeechError, match="name fewer"):
        script.voices_of(engines, (4, 9))


@needs_espeak
@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        (b"\xff", [], "not UTF-8"),
        (b"You may go.", [], "no sentence is left"),
        (b"", [], "no sentence is left"),
        (b"A text.", ["--voices", "4/3"], "not a share"),
        (b"A text.", ["--hours", "-1"], "a number above 0"),
        (b"This is a text.", ["--noise", "absent"], "there is no such file"),
    ],
)
def test_wrong_input(
    script: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: bytes,
    flags: list[str],
    message: str,
) -> None:
    (tmp_path / "a.txt").write_bytes(text or b"\n")
    try:
        status = script.main([str(tmp_path / "a.txt"), "--hours", "0.001", "--out", str(tmp_path / "out"), *flags])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
