"""Synthetic streams: the same seed gives the same stream, and its truth is true."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_lstm.audio.energy import rms
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import COMMANDS_8, SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.corpus.speech_commands import scan
from speech_lstm.errors import ConfigError, CorpusError, RecordingError
from speech_lstm.files import OutputError
from speech_lstm.streams.scenes import Plan, SyntheticStream
from speech_lstm.streams.truth import Event, TruthError, read_truth
from speech_lstm.streams.voices import QUIETEST, utterance_of, word_bounds
from speech_lstm.streams.writing import MOST_SECONDS, truth_path, write_stream
from support.command_line import refusal
from support.corpus_files import speakers, write_clips
from support.full_disk import files_of_at_most, needs_limits, small_disk

PLAN = Plan("testing", COMMANDS_8, 150.0, seed=7, snr_low_db=15, snr_high_db=25)


@pytest.fixture(scope="module")
def made(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Event, ...]]:
    """A stream of the demo corpus with other speech in it, and its truth."""
    folder = tmp_path_factory.mktemp("streams")
    voice = read_recording(min((demo / "tree").glob("*.wav")))
    (folder / "extra" / "talk").mkdir(parents=True)
    (folder / "extra" / "yes").mkdir()
    soundfile.write(folder / "extra" / "talk" / "long.wav", np.tile(voice, 25), SAMPLE_RATE)
    soundfile.write(folder / "extra" / "yes" / "yes.wav", voice, SAMPLE_RATE)
    out = folder / "stream.wav"
    write_stream(scan(demo), replace(PLAN, extra=(folder / "extra",)), out, progress=False)
    return out, read_truth(truth_path(out))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes() + truth_path(path).read_bytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes(demo: Path, tmp_path: Path) -> None:
    plan = replace(PLAN, seconds=40.0)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_stream(scan(demo), replace(plan, seed=seed), tmp_path / f"{name}.wav", progress=False)
    assert digest(tmp_path / "a.wav") == digest(tmp_path / "b.wav") != digest(tmp_path / "c.wav")


def test_a_stream_has_its_length_and_everything_in_it(made: tuple[Path, tuple[Event, ...]]) -> None:
    path, events = made
    facts = soundfile.info(path)
    assert (facts.samplerate, facts.channels, facts.subtype) == (SAMPLE_RATE, 1, "PCM_16")
    assert facts.frames == 150 * SAMPLE_RATE
    words = {event.word for event in events}
    assert {UNKNOWN, SILENCE} < words
    assert words & set(COMMANDS_8)
    assert words & {"bed", "cat", "dog", "happy", "tree"}
    for event in events:
        assert event.end is not None
        assert 0 <= event.start < event.end <= 150
        assert (event.snr_db is None) == (event.word == SILENCE)
        assert event.snr_db is None or 15 <= event.snr_db <= 25
    starts = [event.start for event in events if event.word not in (UNKNOWN, SILENCE)]
    assert starts == sorted(starts)


def test_only_speakers_of_the_split_occur(demo: Path, made: tuple[Path, tuple[Event, ...]]) -> None:
    listed = set((demo / "testing_list.txt").read_text().split())
    said = [event.file for event in made[1] if event.word not in (UNKNOWN, SILENCE)]
    assert set(said) <= listed
    assert [Path(event.file).name for event in made[1] if event.word == UNKNOWN] == ["long.wav"] * sum(
        event.word == UNKNOWN for event in made[1]
    )


def test_the_truth_is_where_the_words_are(demo: Path, made: tuple[Path, tuple[Event, ...]]) -> None:
    """The samples at the time are the recording's own, and its noise is as far below as the truth says."""
    path, events = made
    wave = read_recording(path).astype(np.float64)
    sounds = [event for event in events if event.word not in (UNKNOWN, SILENCE)]
    ratios = []
    for before, event, after in zip(sounds, sounds[1:], sounds[2:], strict=False):
        if event.start - (before.end or 0) < 1 or after.start - (event.end or 0) < 1:
            continue
        sound = utterance_of(event.word, event.file, read_recording(demo / event.file))
        assert sound is not None
        assert event.file.split("/")[0] == event.word
        first = round(event.start * SAMPLE_RATE)
        word = sound.samples[sound.onset :][: sound.length].astype(np.float64)
        word_wave = wave[first : first + sound.length]
        assert (event.end or 0) - event.start == pytest.approx(sound.length / SAMPLE_RATE, abs=2e-5)
        assert np.corrcoef(word_wave, word)[0, 1] > 0.95
        gain = word_wave @ word / (word @ word)
        rest = wave.copy()
        rest[first - sound.onset :][: len(sound.samples)] -= gain * sound.samples
        middle = first + sound.length // 2
        noise = rest[middle - SAMPLE_RATE // 2 : middle + SAMPLE_RATE // 2].std()
        assert event.snr_db is not None
        ratios.append(20 * np.log10(gain / noise) - event.snr_db)
    assert len(ratios) > 5
    assert min(ratios) > -0.5  # the noise is never louder than the truth says,
    assert np.median(ratios) < 3  # and only in its pauses quieter


def test_no_recording_comes_twice_before_all_came_once(demo: Path) -> None:
    events = [event for scene in SyntheticStream(scan(demo), replace(PLAN, seconds=400.0)) for event in scene.events]
    for word in COMMANDS_8:
        files = [event.file for event in events if event.word == word]
        count = len(set(files))
        for start in range(0, len(files) - count + 1, count):
            assert len(set(files[start : start + count])) == count


def test_the_place_of_a_word_in_its_recording() -> None:
    random = np.random.default_rng(1)
    wave = (0.001 * random.standard_normal(SAMPLE_RATE)).astype(np.float32)
    wave[4000:6400] += (0.2 * random.standard_normal(2400)).astype(np.float32)
    wave[7360:8000] += (0.02 * random.standard_normal(640)).astype(np.float32)  # after a closure of 60 ms
    wave[14400:14720] += (0.02 * random.standard_normal(320)).astype(np.float32)  # too far to be of the word
    assert word_bounds(wave) == (3840, 8000)
    sound = utterance_of("up", "up/a.wav", wave)
    assert sound is not None
    assert rms(sound.samples[sound.onset : sound.onset + sound.length]) == pytest.approx(1, abs=1e-3)
    assert utterance_of("up", "up/b.wav", np.full(SAMPLE_RATE, QUIETEST / 2, np.float32)) is None


def test_damaged_and_silent_recordings_are_skipped(tmp_path: Path) -> None:
    names = write_clips(tmp_path, [*speakers("yes", 6), *speakers("no", 6)])
    (tmp_path / "testing_list.txt").write_text("\n".join(names))
    (tmp_path / "validation_list.txt").write_text("")
    (tmp_path / names[0]).write_bytes(b"no sound")
    soundfile.write(tmp_path / names[1], np.zeros(SAMPLE_RATE), SAMPLE_RATE, "PCM_16")
    stream = SyntheticStream(scan(tmp_path), Plan("testing", ("yes",), 100.0))
    files = {event.file for scene in stream for event in scene.events} - {""}
    assert files == set(names[2:])
    assert sum(note.startswith("skipped ") for note in stream.notes) == 2
    for name in names[:6]:
        (tmp_path / name).write_bytes(b"no sound")
    with pytest.raises(CorpusError, match="no recording of 'yes' is usable"):
        list(SyntheticStream(scan(tmp_path), Plan("testing", ("yes",), 100.0)))


@needs_limits
@pytest.mark.parametrize("size", [10, 100_000])
def test_on_a_full_disk_neither_file_is_touched(size: int, demo: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.wav"
    out.write_text("old recording")
    truth_path(out).write_text("old truth")
    corpus = scan(demo)
    refused = pytest.raises(OutputError, match=r"s\.wav: cannot be written: file too large; ")
    with refused as caught, files_of_at_most(size):
        write_stream(corpus, replace(PLAN, seconds=20), out, progress=False)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.csv", "s.wav"]
    assert (out.read_text(), truth_path(out).read_text()) == ("old recording", "old truth")


def test_a_stream_on_a_full_disk_is_one_line(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with small_disk(tmp_path / "disk", 262_144) as disk:
        flags = ["--minutes", 1, "--words", "yes,no"]
        message = refusal(capsys, "make-stream", "--data", demo, "--out", disk / "s.wav", *flags)
        assert not list(disk.iterdir())
    assert "s.wav: cannot be written: no space left on device; free some disk space" in message


def test_what_can_not_be_made(demo: Path, tmp_path: Path) -> None:
    corpus, out = scan(demo), tmp_path / "stream.wav"
    (tmp_path / "empty").mkdir()
    wrong = [
        (CorpusError, "has no recording of zebra", replace(PLAN, commands=("yes", "zebra")), out),
        (RecordingError, "without a recording", replace(PLAN, extra=(tmp_path / "empty",)), out),
        (RecordingError, "is of a command", replace(PLAN, extra=(demo / "yes",)), out),
        (ConfigError, "ends in .wav", PLAN, tmp_path / "stream.mp3"),
        (ConfigError, "at most 2,236 minutes", replace(PLAN, seconds=MOST_SECONDS + 1.0), out),
    ]
    for error, says, plan, path in wrong:
        with pytest.raises(error, match=says):
            write_stream(corpus, plan, path, progress=False)
    with pytest.raises(ConfigError, match="must not be above"):
        replace(PLAN, snr_low_db=30.0, snr_high_db=10.0)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


# --- truth files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "word,start\nyes,1.5\nno,3\n",
        "\ufeffWord;Start;comment\nyes;1.5;a\n\nno;3;b\n",
        "start\tword\n3\tno\n1.5\tyes\n",
    ],
)
def test_a_truth_needs_words_and_starts_only(tmp_path: Path, text: str) -> None:
    (tmp_path / "truth.csv").write_text(text, encoding="utf-8")
    assert read_truth(tmp_path / "truth.csv") == (Event("yes", 1.5), Event("no", 3.0))


def test_labels_as_audacity_exports_them(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("1.5\t1.9\tyes\n\\\t100.0\t200.0\n3.0\t3.0\tno\n")
    assert read_truth(tmp_path / "labels.txt") == (Event("yes", 1.5, 1.9), Event("no", 3.0, 3.0))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"word,time\nyes,1\n", "has no column 'start'"),
        (b"RIFF\xff\xfe\x00\x00", "is not UTF-8 text"),
        (b"just some words\n", "has no column 'word'"),
        (b"word,start\nyes,soon\n", "line 2: start is 'soon'"),
        (b"word,start\nyes,1\nno,nan\n", "line 3: start is 'nan'"),
        (b"word,start\nyes,-1\n", "line 2: start is -1"),
        (b"word,start,end\nyes,2,1\n", "line 2: ends at 1 s, before"),
        (b"word,start\nyes\n", "line 2: has no start"),
        (b"word,start\n,1\n", "line 2: has no word"),
        (b'word,start\n"yes"x,1\n', "line 2 is not CSV"),
    ],
)
def test_files_that_are_no_truth(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "truth.csv"
    path.write_bytes(content)
    with pytest.raises(TruthError) as caught:
        read_truth(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(TruthError, match="cannot be read"):
        read_truth(tmp_path / "none.csv")
