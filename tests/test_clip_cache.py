"""The cache of a folder's recordings: what the files hold, kept on disk, built again when they change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.corpus.clip_cache import CACHE_FOLDER, ClipCache, cache_folders, check_space, load_clips, to_int16
from speech_lstm.errors import CorpusError, SpeechLSTMError
from speech_lstm.files import OutputError, atomic_path
from support.corpus_files import clip, speakers, write_clips

ROOT = Path(__file__).parent.parent
NAMES = [*speakers("yes", 5), *speakers("no", 4)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def load(root: Path, names: list[str], strict: bool = False) -> ClipCache:
    return load_clips(root, names, progress=False, strict=strict)


def copies(folder: Path) -> dict[str, int]:
    """The files of a copy and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def wait_a_tick(path: Path) -> None:
    """Make the file older, so that a change in the same tick of the clock is seen."""
    os.utime(path, (1, 1))


# --- content


def test_the_samples_are_those_of_the_files(tmp_path: Path) -> None:
    names = write_clips(tmp_path, NAMES)
    clips = load(tmp_path, names)
    assert clips.names == tuple(names)
    assert clips.samples.shape == (9, CLIP_SAMPLES)
    assert clips.samples.dtype == np.int16
    assert not clips.damaged
    for seed, row in enumerate(clips.samples):
        assert np.array_equal(row, clip(seed))


def test_more_recordings_than_are_read_at_once(tmp_path: Path) -> None:
    names = write_clips(tmp_path, speakers("yes", 300), samples=100)
    clips = load(tmp_path, names)
    assert clips.names == tuple(names)
    assert all(np.array_equal(row[7950:8050], clip(seed, 100)) for seed, row in enumerate(clips.samples))


@pytest.mark.parametrize("samples", [1, 9001, 15_999, 16_000, 16_001, 40_000])
@pytest.mark.parametrize(("suffix", "kind"), [("wav", "PCM_16"), ("flac", "PCM_16"), ("wav", "FLOAT")])
def test_every_kind_and_length_becomes_what_the_reader_gives(
    tmp_path: Path, samples: int, suffix: str, kind: str
) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", clip(3, samples), 16_000, kind)
    row = load(tmp_path, [f"a.{suffix}"]).samples[0]
    assert np.array_equal(row, to_int16(fit_clip(read_recording(tmp_path / f"a.{suffix}"))))


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 2), (48_000, 2)])
def test_other_rates_and_channels_are_converted(tmp_path: Path, rate: int, channels: int) -> None:
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    soundfile.write(tmp_path / "a.wav", np.repeat(sine[:, None], channels, axis=1), rate, "PCM_16")
    row = load(tmp_path, ["a.wav"]).samples[0] / 32768
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(CLIP_SAMPLES) / CLIP_SAMPLES)
    assert np.abs(row - expected)[500:-500].max() < 0.01


def test_floats_are_rounded_and_clipped() -> None:
    waveform = np.array([-2, -1, -1.4 / 32768, 0, 1.6 / 32768, 1, 2], np.float32)
    assert to_int16(waveform).tolist() == [-32768, -32768, -1, 0, 2, 32767, 32767]


# --- the copy on disk


def test_a_second_start_takes_the_copy(tmp_path: Path) -> None:
    names = write_clips(tmp_path, NAMES)
    first = load(tmp_path, names)
    before = copies(tmp_path / CACHE_FOLDER)
    assert len(before) == 2
    # Other samples in the copy are what comes back: the recordings themselves are not read again.
    samples = next((tmp_path / CACHE_FOLDER).glob("*.int16"))
    np.memmap(samples, np.int16, "r+", shape=first.samples.shape)[3, :5] = 77
    again = load(tmp_path, names)
    assert again.names == first.names
    assert again.samples[3, :5].tolist() == [77] * 5
    assert copies(tmp_path / CACHE_FOLDER).keys() == before.keys()


def test_writing_into_the_array_leaves_the_copy_as_it_is(tmp_path: Path) -> None:
    names = write_clips(tmp_path, NAMES)
    load(tmp_path, names).samples[:] = 0
    assert np.array_equal(load(tmp_path, names).samples[0], clip(0))


def test_a_changed_recording_is_noticed(tmp_path: Path) -> None:
    names = write_clips(tmp_path, NAMES)
    load(tmp_path, names)
    wait_a_tick(tmp_path / names[2])
    load(tmp_path, names)
    soundfile.write(tmp_path / names[2], clip(99), 16_000, "PCM_16")
    assert np.array_equal(load(tmp_path, names).samples[2], clip(99))
    assert len(copies(tmp_path / CACHE_FOLDER)) == 2  # the old copy is gone


def test_an_added_and_a_removed_recording_are_noticed(tmp_path: Path) -> None:
    names = write_clips(tmp_path, NAMES)
    load(tmp_path, names)
    soundfile.write(tmp_path / "yes" / "new.wav", clip(50), 16_000, "PCM_16")
    more = load(tmp_path, [*names, "yes/new.wav"])
    assert len(more.samples) == 10
    assert np.array_equal(more.samples[9], clip(50))
    fewer = load(tmp_path, names[1:])
    assert fewer.names == tuple(names[1:])
    assert np.array_equal(fewer.samples[0], clip(1))
    assert len(copies(tmp_path / CACHE_FOLDER)) == 2


@pytest.mark.parametrize("kind", ["cut", "longer", "empty", "no facts", "half facts", "other facts"])
def test_a_damaged_copy_is_built_anew(tmp_path: Path, kind: str) -> None:
    names = write_clips(tmp_path, NAMES)
    load(tmp_path, names)
    samples = next((tmp_path / CACHE_FOLDER).glob("*.int16"))
    facts = samples.with_suffix(".json")
    if kind == "cut":
        os.truncate(samples, 100_001)
    elif kind == "longer":
        samples.write_bytes(samples.read_bytes() + b"more")
    elif kind == "empty":
        samples.write_bytes(b"")
    elif kind == "no facts":
        facts.unlink()
    elif kind == "half facts":
        facts.write_text(facts.read_text()[:50])
    else:
        facts.write_text('["names"]')
    clips = load(tmp_path, names)
    assert all(np.array_equal(row, clip(seed)) for seed, row in enumerate(clips.samples))
    assert len(copies(tmp_path / CACHE_FOLDER)) == 2


def test_what_a_killed_run_left_is_removed_and_a_running_one_left_alone(tmp_path: Path) -> None:
    names = write_clips(tmp_path, NAMES)
    folder = tmp_path / CACHE_FOLDER
    folder.mkdir()
    (folder / ".abandoned.int16").write_bytes(b"half")
    with atomic_path(folder / "running.int16") as running:
        load(tmp_path, names)
        assert [name for name in sorted(copies(folder)) if name.startswith(".")] == [running.name]


def test_two_folders_have_two_copies(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    names = write_clips(one, NAMES)
    write_clips(two, reversed(names))
    for _ in range(2):
        assert np.array_equal(load(one, names).samples[0], clip(0))
        assert np.array_equal(load(two, names).samples[0], clip(8))


# --- damaged recordings


def damaged_corpus(root: Path) -> list[str]:
    names = write_clips(root, NAMES)
    (root / names[1]).write_bytes(b"no sound at all, but a text")
    content = (root / names[4]).read_bytes()
    (root / names[4]).write_bytes(content[:9000])  # its header promises more
    (root / names[6]).write_bytes(b"")
    return names


def test_damaged_recordings_are_named_and_the_others_kept(tmp_path: Path) -> None:
    names = damaged_corpus(tmp_path)
    for _ in range(2):  # as read, and from the copy
        clips = load(tmp_path, names)
        assert list(clips.damaged) == [names[1], names[4], names[6]]
        assert clips.names == tuple(name for name in names if name not in clips.damaged)
        seeds = [seed for seed, name in enumerate(names) if name not in clips.damaged]
        assert all(np.array_equal(row, clip(seed)) for seed, row in zip(seeds, clips.samples, strict=True))
        for name, reason in clips.damaged.items():
            assert name in reason
            assert "\n" not in reason
        assert "truncated" in clips.damaged[names[4]]
        assert "empty" in clips.damaged[names[6]]


def test_strict_ends_at_a_damaged_recording(tmp_path: Path) -> None:
    names = damaged_corpus(tmp_path)
    for _ in range(2):
        with pytest.raises(CorpusError, match=rf"{re.escape(names[1])}.* \(3 of 9 recordings in "):
            load(tmp_path, names, strict=True)


def test_nothing_but_damaged_recordings(tmp_path: Path) -> None:
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "a.wav").write_bytes(b"text")
    with pytest.raises(CorpusError, match=r"1 of 1 recordings") as caught:
        load(tmp_path, ["yes/a.wav"])
    assert "\n" not in str(caught.value)
    assert not copies(tmp_path / CACHE_FOLDER)


def test_a_recording_of_minutes_among_words_is_a_mistake(tmp_path: Path) -> None:
    names = write_clips(tmp_path, NAMES)
    soundfile.write(tmp_path / names[0], np.zeros(61 * 16_000, np.int16), 16_000, "PCM_16")
    assert "longer than 60 s" in load(tmp_path, names).damaged[names[0]]


def test_a_recording_that_went_away(tmp_path: Path) -> None:
    names = write_clips(tmp_path, NAMES)
    (tmp_path / names[3]).unlink()
    with pytest.raises(CorpusError, match=re.escape(names[3])) as caught:
        load(tmp_path, names)
    assert "\n" not in str(caught.value)


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    try:
        names = write_clips(tmp_path, ["yes/\udcff.wav", "yes/zoë.wav"])
    except (OSError, UnicodeError):
        pytest.skip("the file system takes Unicode names only")
    for _ in range(2):
        assert load(tmp_path, names).names == tuple(names)


# --- where it can't be written


def test_a_folder_without_place_for_the_copy_uses_the_user_s_cache(tmp_path: Path) -> None:
    names = write_clips(tmp_path / "corpus", NAMES)
    (tmp_path / "corpus" / CACHE_FOLDER).write_text("a file of that name")
    for _ in range(2):
        assert np.array_equal(load(tmp_path / "corpus", names).samples[4], clip(4))
    own = cache_folders(tmp_path / "corpus")[1]
    assert own.is_relative_to(os.environ["XDG_CACHE_HOME"])
    assert len(copies(own)) == 2


LOAD = """
import mmap, os, sys, tqdm  # before the interpreter may be out of reach
from pathlib import Path
from speech_lstm.corpus.clip_cache import load_clips
from speech_lstm.errors import SpeechLSTMError
if os.geteuid() == 0:  # the superuser may write everywhere
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
root = Path(sys.argv[1])
names = [str(path.relative_to(root)) for path in sorted(root.glob("*/*.wav"))]
try:
    print(len(load_clips(root, names, progress=False).samples))
except SpeechLSTMError as error:
    print(error)
"""


def loaded_elsewhere(root: Path, prelude: str = "", **environment: str) -> str:
    """The one line that a process of its own prints, that is not the superuser's."""
    more = {"PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", prelude + LOAD, str(root)]
    answer = subprocess.run(command, env=os.environ | more, capture_output=True, text=True)
    assert not answer.stderr
    assert answer.stdout.count("\n") == 1
    return answer.stdout.strip()


def test_a_read_only_folder_uses_the_user_s_cache() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own are closed to other users
        base = Path(name)
        write_clips(base / "corpus", NAMES)
        (base / "cache").mkdir()
        (base / "cache").chmod(0o777)
        (base / "corpus").chmod(0o555)
        base.chmod(0o755)
        for _ in range(2):
            assert loaded_elsewhere(base / "corpus", XDG_CACHE_HOME=str(base / "cache")) == "9"
        assert len(list((base / "cache").rglob("*.int16"))) == 1
        (base / "corpus").chmod(0o755)
        assert not (base / "corpus" / CACHE_FOLDER).exists()


def test_a_copy_in_a_read_only_folder_is_used() -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        names = write_clips(base / "corpus", NAMES)
        load(base / "corpus", sorted(names))
        (base / "corpus").chmod(0o555)
        (base / "corpus" / CACHE_FOLDER).chmod(0o555)
        base.chmod(0o755)
        assert loaded_elsewhere(base / "corpus", XDG_CACHE_HOME=str(base / "none")) == "9"
        assert not (base / "none").exists()
        (base / "corpus").chmod(0o755)
        (base / "corpus" / CACHE_FOLDER).chmod(0o755)


def test_nowhere_to_write_is_one_line() -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        write_clips(base / "corpus", NAMES)
        (base / "corpus").chmod(0o555)
        base.chmod(0o555)
        answer = loaded_elsewhere(base / "corpus", XDG_CACHE_HOME=str(base / "cache"))
        assert "choose a folder that you may write to" in answer
        base.chmod(0o755)
        (base / "corpus").chmod(0o755)


def test_too_little_space_is_told_before_anything_is_read(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    check_space(tmp_path, free // 2)
    with pytest.raises(OutputError, match=r"needs [\d,]+ MB and [\d,]+ MB are free") as caught:
        check_space(tmp_path, 2 * free)
    assert isinstance(caught.value, SpeechLSTMError)
    assert "\n" not in str(caught.value)


def test_a_disk_that_fills_up_while_writing_is_one_line() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        write_clips(base, NAMES)
        base.chmod(0o777)
        assert "cannot be written" in loaded_elsewhere(base, limit)
        assert not copies(base / CACHE_FOLDER)  # nothing half written
