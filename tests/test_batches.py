"""Which recordings a training step sees: every command once an epoch, the rest in its share, all from the seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from speech_lstm.audio.context import splice
from speech_lstm.config import CLIP_SAMPLES, SILENCE, UNKNOWN, Config, CorpusConfig, TrainingConfig
from speech_lstm.corpus.examples import Examples
from speech_lstm.corpus.recordings import Recordings, read_recordings
from speech_lstm.corpus.speech_commands import scan
from speech_lstm.errors import ConfigError, CorpusError, RecordingError
from speech_lstm.training.batches import NONE, Batch, Batches, Kind, Rows, rows_of
from support.corpus_files import clip, speakers, write_clips

CPU = torch.device("cpu")
COMMANDS, OTHERS = ("yes", "no"), ("bed", "cat", "dog")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 recordings of each of two commands and three other words, of which 15 each are for training."""
    folder = tmp_path_factory.mktemp("corpus")
    names = [name for word in COMMANDS + OTHERS for name in speakers(word, 20)]
    write_clips(folder, names, samples=400)
    for split, start in [("validation", 15), ("testing", 17)]:
        own = [name for i, name in enumerate(names) if start <= i % 20 < start + 3 - (split == "validation")]
        (folder / f"{split}_list.txt").write_text("\n".join(own))
    return folder


def recordings_of(root: Path, **config: object) -> tuple[Recordings, CorpusConfig]:
    settings = CorpusConfig.from_dict({"labels": "yes,no", **config})
    return read_recordings(settings, root, progress=False), settings


def examples_of(root: Path, **config: object) -> Examples:
    return recordings_of(root, **config)[0].examples


def batches_of(root: Path, batch: int = 4, seed: int = 1, device: torch.device = CPU, **config: object) -> Batches:
    recordings, settings = recordings_of(root, **config)
    return Batches(recordings, Config(corpus=settings, training=TrainingConfig(batch=batch, seed=seed)), device)


def whole_epoch(batches: Batches, epoch: int = 0) -> Batch:
    """The batches of an epoch as one."""
    steps = batches.epoch(epoch)
    return Batch(batches, Rows.join([batch.content for batch in steps]))


def label_counts(batch: Batch) -> Counter[int]:
    return Counter(batch.labels.tolist())


# --- the examples


def test_only_the_training_split_is_trained_on(root: Path) -> None:
    examples = examples_of(root)
    names = [item.name for item in scan(root).clips]
    splits = {item.name: item.split for item in scan(root).clips}
    assert {splits[names[row]] for row in examples.row} == {"training"}
    assert Counter(examples.label.tolist()) == {0: 15, 1: 15, 2: 45}
    assert len(set(examples.row.tolist())) == len(examples) == 75
    for row, label in zip(examples.row, examples.label, strict=True):
        assert names[row].split("/")[0] == {0: "yes", 1: "no"}.get(label, names[row].split("/")[0])
    assert not examples.notes


def test_without_unknown_other_words_are_left_out(root: Path) -> None:
    examples = examples_of(root, labels="35")
    assert Counter(examples.label.tolist()) == dict.fromkeys(range(5), 15)


def test_held_out_words_are_absent(root: Path) -> None:
    examples = examples_of(root, hold_out="bed, dog")
    names = [item.name for item in scan(root).clips]
    assert {names[row].split("/")[0] for row in examples.row} == {"yes", "no", "cat"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hold_out": "bed,brd"}, "hold_out names 'brd'"),
        ({"hold_out": "yes"}, "hold_out names 'yes', which is one of the labels"),
        ({"labels": "yes,maybe"}, "no recordings of maybe"),
        ({"extra": "nowhere"}, "nowhere: no such folder"),
    ],
)
def test_words_and_folders_that_are_not_there(root: Path, config: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, CorpusError), match=message) as caught:
        examples_of(root, **config)
    assert "\n" not in str(caught.value)


def test_a_damaged_recording_is_left_out(tmp_path: Path) -> None:
    names = write_clips(tmp_path, speakers("yes", 30) + speakers("no", 30), samples=400)
    (tmp_path / names[0]).write_bytes(b"text")
    whole = [item for item in scan(tmp_path).clips if item.split == "training" and item.name != names[0]]
    assert len(examples_of(tmp_path)) == len(whole)


@pytest.fixture
def extra(tmp_path: Path) -> Path:
    """Further recordings: of a command, of a word of the corpus, of a new one, of none in particular."""
    names = ["yes/a.wav", "deep/no/b.wav", "bed/c.wav", "marvin/d.wav", "e.wav", "_background_noise_/f.wav"]
    write_clips(tmp_path / "extra", names, samples=300)
    return tmp_path / "extra"


def test_extra_recordings_have_the_label_of_their_folder_or_none(root: Path, extra: Path) -> None:
    examples = examples_of(root, extra=str(extra))
    added = examples.source == 1
    assert added.sum() == 5  # noise is no speech
    assert Counter(examples.label[added].tolist()) == {0: 1, 1: 1, 2: 3}
    samples = examples.sources[1]
    for row, label in zip(examples.row[added], examples.label[added], strict=True):
        seed = next(seed for seed in range(6) if np.array_equal(samples[row, 7850:8150], clip(seed, 300)))
        assert label == {0: 0, 1: 1}.get(seed, 2)


def test_extra_recordings_of_held_out_words_are_absent_too(root: Path, extra: Path) -> None:
    examples = examples_of(root, extra=str(extra), hold_out="bed,marvin")
    assert (examples.source == 1).sum() == 3


def test_extra_recordings_of_no_label_need_unknown(root: Path, extra: Path) -> None:
    examples = examples_of(root, labels="35", extra=str(extra))
    assert (examples.source == 1).sum() == 3  # yes, no and bed


def test_a_share_of_the_extra_commands_comes_in_each_epoch(root: Path, tmp_path: Path) -> None:
    write_clips(tmp_path / "extra", [f"{word}/{i}.wav" for word in ("yes", "no") for i in range(20)], samples=300)
    batches = batches_of(root, batch=1, extra=str(tmp_path / "extra"), extra_commands=20, unknown=0, silence=0)
    source, seen = batches.examples.source, set()
    for epoch in range(60):
        first = whole_epoch(batches, epoch).content.first
        assert Counter(source[first].tolist()) == {0: 30, 1: 6}
        assert len(set(first.tolist())) == 36
        seen |= set(first.tolist())
    assert set(np.flatnonzero(source == 1).tolist()) <= seen


def test_splices_are_of_the_corpus_s_own_voices(root: Path, extra: Path) -> None:
    batches = batches_of(root, batch=1, extra=str(extra), unknown=1000, splices=1.0)
    for epoch in range(5):
        rows = whole_epoch(batches, epoch).content
        spliced = rows.kind == Kind.SPLICED
        halves = np.concatenate([rows.first[spliced], rows.second[spliced]])
        assert not batches.examples.source[halves].any()


def test_several_extra_folders(root: Path, extra: Path, tmp_path: Path) -> None:
    write_clips(tmp_path / "more", ["x.wav"], samples=300)
    batches = batches_of(root, extra=f"{extra}, {tmp_path / 'more'}")
    assert Counter(batches.examples.source.tolist()) == {0: 75, 1: 5, 2: 1}
    (last,) = np.flatnonzero(batches.examples.source == 2)
    waveform = batches.gather(np.array([last]))[0]
    assert torch.equal(waveform[7850:8150] * 32768, torch.from_numpy(clip(0, 300)).float())


def test_damaged_extra_recordings_are_noted(root: Path, extra: Path) -> None:
    (extra / "yes" / "a.wav").write_bytes(b"text")
    (note,) = examples_of(root, extra=str(extra)).notes
    assert "a.wav" in note
    with pytest.raises(CorpusError, match=r"a\.wav"):
        examples_of(root, extra=str(extra), strict=True)


def test_extra_folders_must_not_hold_what_is_scored(root: Path, tmp_path: Path) -> None:
    for folder in (root, root / "yes", root.parent):
        with pytest.raises(ConfigError, match="overlap"):
            examples_of(root, extra=str(folder))
    with pytest.raises(RecordingError, match="without a recording"):
        examples_of(root, extra=str(tmp_path))


# --- recordings that are left out


def training_names(root: Path, **config: object) -> set[str]:
    """The corpus's own recordings that are trained on."""
    recordings, _ = recordings_of(root, **config)
    examples = recordings.examples
    return {recordings.clips.names[row] for row in examples.row[examples.source == 0]}


@pytest.mark.parametrize(
    "text",
    [
        "{}\n{}\n",
        "\ufeff# wrong labels\r\n\r\n  {}  \r\n# another\r\n./{}\r\n{}",
        "recording,label,answer\n{},yes,no\n#kept: yes/00000002_nohash_0.wav,yes,no\n{},bed,no\n",
        '# reviewed\n"recording","label"\n"{}",yes\n"{}",bed\n',
    ],
)
def test_recordings_that_a_file_names_are_left_out(root: Path, tmp_path: Path, text: str) -> None:
    names = ["yes/00000001_nohash_0.wav", "bed/00000003_nohash_0.wav"]
    file = tmp_path / "wrong"
    file.write_bytes(text.format(*names, names[0]).encode())
    assert training_names(root, leave_out=str(file)) == training_names(root) - set(names)
    assert examples_of(root, leave_out=str(file)).notes == (f"left out by {file}: 2 of 75 training recordings",)
    assert recordings_of(root, leave_out=str(file))[0].digest != recordings_of(root)[0].digest


def test_recordings_that_are_not_trained_on_may_be_named_too(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong"
    file.write_text("yes/00000001_nohash_0.wav\nyes/00000012_nohash_0.wav\nbed/00000000_nohash_0.wav\n")
    (note,) = examples_of(root, leave_out=str(file), hold_out="bed").notes
    assert note == f"left out by {file}: 1 of 60 training recordings; not trained on anyway: 2 more"


def test_recordings_of_an_extra_folder_are_named_with_it(root: Path, extra: Path, tmp_path: Path) -> None:
    file, same = tmp_path / "wrong", "yes/00000001_nohash_0.wav"  # which the corpus has too
    (extra / same).write_bytes((extra / "yes" / "a.wav").read_bytes())
    (extra / "e.wav").write_bytes(b"text")
    file.write_text(f"{extra}/deep/no/b.wav\n{extra}/{same}\n{extra}/e.wav\n")
    examples = examples_of(root, extra=str(extra), leave_out=str(file))
    assert (examples.source == 0).sum() == 75
    assert examples.row[examples.source == 1].tolist() == [0, 2, 4]  # bed/c.wav, marvin/d.wav, yes/a.wav
    assert examples.notes[-1].endswith("2 of 80 training recordings; not trained on anyway: 1 more")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"bed/x.wav", r"line 1, names 'bed/x.wav', which is no recording of the corpus .*; correct or remove it"),
        (b"#\n\nyes/00000001_nohash_0.wav\na\nb\n", r"line 4, names 'a', .*; 2 of its 3 lines do; correct"),
        (b"recording\na,b\n", "line 2, names 'a'"),
        (b'recording\n"' + b"a" * 140_000, "line 2, is not CSV"),
        (b"caf\xe9\n", r"line 1, names 'caf\\udce9'"),
        (b"\x1b[2J\n", r"line 1, names '\\x1b\[2J'"),
        (None, "wrong: cannot be read"),
    ],
)
def test_files_of_recordings_to_leave_out_that_are_wrong(
    root: Path, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "wrong"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        examples_of(root, leave_out=str(file))
    assert str(caught.value).startswith(f"leave_out: {file}")
    assert "\n" not in str(caught.value)


def test_something_must_remain(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong"
    file.write_text("\n".join(training_names(root)))
    with pytest.raises(ConfigError, match="wrong names every recording to train on"):
        examples_of(root, leave_out=str(file))


# --- an epoch


def test_every_command_comes_once_and_the_others_in_their_share(root: Path) -> None:
    batches = batches_of(root, batch=1, unknown=50, silence=20)
    assert batches.steps == 30 + 15 + 6
    for epoch in range(3):
        batch = whole_epoch(batches, epoch)
        assert np.isin(batch.content.kind, (Kind.WHOLE, Kind.SILENCE)).all()
        assert batch.silent.sum() == 6
        seen = Counter(batch.content.first[batch.content.first != NONE].tolist())
        assert set(seen.values()) == {1}
        assert set(batches.commands.tolist()) <= set(seen)
        assert label_counts(batch) == {0: 15, 1: 15, 2: 15, 3: 6}


@pytest.mark.parametrize(("unknown", "silence", "counts"), [(0, 0, (0, 0)), (10, 10, (3, 3)), (1000, 100, (45, 30))])
def test_the_shares_are_percent_of_the_commands(
    root: Path, unknown: float, silence: float, counts: tuple[int, int]
) -> None:
    batches = batches_of(root, batch=1, unknown=unknown, silence=silence)
    assert (batches.unknown_count, batches.silence_count) == counts
    assert batches.steps == 30 + sum(counts)


def test_the_unknown_change_from_epoch_to_epoch(root: Path) -> None:
    batches = batches_of(root, unknown=20)
    seen = {int(i) for epoch in range(40) for i in whole_epoch(batches, epoch).content.first}
    assert seen == {NONE, *range(len(batches.examples))}


def test_the_seed_decides_everything(root: Path) -> None:
    def order(seed: int, epoch: int) -> NDArray[np.int64]:
        rows = whole_epoch(batches_of(root, seed=seed, splices=0.5, unknown=100), epoch).content
        return np.stack([rows.first, rows.second])

    assert np.array_equal(order(1, 0), order(1, 0))
    assert not np.array_equal(order(1, 0), order(2, 0))
    assert not np.array_equal(order(1, 0), order(1, 1))


def test_only_whole_batches(root: Path) -> None:
    batches = batches_of(root, batch=7, unknown=10, silence=10)  # 36 recordings
    assert batches.steps == 5
    assert [len(batch) for batch in batches.epoch(0)] == [7] * 5


def test_a_batch_larger_than_the_epoch_is_refused(root: Path) -> None:
    assert batches_of(root, batch=36).steps == 1
    with pytest.raises(ConfigError, match="batch is 37, but an epoch has only 36 recordings") as caught:
        batches_of(root, batch=37)
    assert "\n" not in str(caught.value)


def test_a_task_without_unknown_and_silence(root: Path) -> None:
    batches = batches_of(root, batch=5, labels="35", splices=1.0)
    assert batches.steps == 15
    assert label_counts(whole_epoch(batches)) == dict.fromkeys(range(5), 15)
    assert not any(batch.silent.any() or batch.unknown.any() for batch in batches.epoch(0))


# --- running speech


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Two long recordings of 4.5 and 3.2 seconds, the second of which is quiet in its last two seconds."""
    folder = tmp_path / "speech"
    folder.mkdir()
    random = np.random.default_rng(1)
    for name, seconds in [("a", 4.5), ("b", 3.2)]:
        samples = 0.1 * random.standard_normal(round(seconds * CLIP_SAMPLES))
        if name == "b":
            samples[CLIP_SAMPLES:] *= 0.01
        soundfile.write(folder / f"{name}.flac", samples, CLIP_SAMPLES)
    return folder


def test_seconds_of_running_speech_are_unknown_and_others_in_each_epoch(root: Path, speech: Path) -> None:
    batches = batches_of(root, batch=1, speech=str(speech), speech_seconds=50, silence=0, unknown=0)
    assert len(batches.speech) == 7 * CLIP_SAMPLES  # whole seconds
    assert set(batches.examples.loud.tolist()) == {i * CLIP_SAMPLES for i in range(5)}
    starts = []
    for epoch in range(3):
        batch = whole_epoch(batches, epoch)
        assert Counter(batch.content.kind.tolist()) == {Kind.WHOLE: 30, Kind.SPEECH: 15}
        spoken = np.flatnonzero(batch.content.kind == Kind.SPEECH)
        assert batch.unknown[torch.from_numpy(spoken)].all()
        starts += batch.content.second[spoken].tolist()
        waveform = batch.waveforms[spoken[0]]
        start = batch.content.second[spoken[0]]
        assert torch.equal(waveform * 32768, batches.speech[start : start + CLIP_SAMPLES].float())
    assert len(set(starts)) > 30
    assert max(starts) <= 5.5 * CLIP_SAMPLES


def test_words_cut_off_and_in_speech_are_unknown_those_beside_it_are_not(root: Path, speech: Path) -> None:
    kinds = {"cut_off": 20, "in_speech": 30, "beside_speech": 0.5}
    batches = batches_of(root, batch=1, speech=str(speech), speech_seconds=0, silence=0, unknown=0, **kinds)
    batch = whole_epoch(batches)
    counts = Counter(batch.content.kind.tolist())
    assert (counts[Kind.CUT_OFF], counts[Kind.IN_SPEECH]) == (6, 9)
    assert counts[Kind.WHOLE] + counts[Kind.BESIDE_SPEECH] == 30
    assert 5 < counts[Kind.BESIDE_SPEECH] < 25
    assert label_counts(batch) == {0: 15, 1: 15, 2: 15}
    assert set(batch.content.first.tolist()) == set(batches.commands.tolist())
    plain = Batch(batches, rows_of(Kind.WHOLE, batch.content.first)).waveforms
    differs = (plain != batch.waveforms).any(1).numpy()
    assert np.array_equal(differs, batch.content.kind != Kind.WHOLE)
    assert torch.isfinite(batch.waveforms).all()


def test_the_rest_of_an_epoch_is_as_without_running_speech(root: Path, speech: Path) -> None:
    """What is drawn besides has random numbers of its own."""

    def firsts(**config: object) -> list[int]:
        rows = whole_epoch(batches_of(root, batch=1, unknown=40, splices=0.5, **config)).content
        return sorted(rows.first[np.isin(rows.kind, (Kind.WHOLE, Kind.SPLICED, Kind.SILENCE))].tolist())

    assert firsts() == firsts(speech=str(speech), cut_off=50)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"in_speech": 10}, "in_speech and beside_speech need running speech"),
        ({"speech": "nowhere"}, "nowhere: no such folder; speech names folders"),
    ],
)
def test_running_speech_that_is_not_there(root: Path, config: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, CorpusError), match=message) as caught:
        examples_of(root, **config)
    assert "\n" not in str(caught.value)


def test_a_long_recording_shorter_than_a_second_is_noted(root: Path, speech: Path) -> None:
    soundfile.write(speech / "c.wav", np.zeros(8_000), CLIP_SAMPLES)
    (note,) = examples_of(root, speech=str(speech)).notes
    assert "c.wav: is shorter than a second" in note


# --- splices and waveforms


def test_the_drawn_share_of_unknown_is_spliced_of_different_words(root: Path) -> None:
    batches = batches_of(root, batch=1, unknown=1000, splices=0.5)
    shares, words = [], batches.examples.word
    for epoch in range(20):
        batch = whole_epoch(batches, epoch)
        first, second = batch.content.first, batch.content.second
        spliced = batch.content.kind == Kind.SPLICED
        shares.append(spliced.sum() / batches.unknown_count)
        assert (words[first[spliced]] != words[second[spliced]]).all()
        assert batch.unknown[torch.from_numpy(spliced)].all()
        assert label_counts(batch) == {0: 15, 1: 15, 2: 45, 3: 3}
        assert set(batches.commands.tolist()) <= set(first[~spliced].tolist())
    # Of two halves drawn from five words, a fifth is of the same word: those stay as they were.
    assert np.mean(shares) == pytest.approx(0.5 * 0.8, abs=0.05)


def test_the_drawn_share_of_unknown_is_the_corpus_s_own_words_backwards(root: Path, extra: Path) -> None:
    batches = batches_of(root, batch=1, extra=str(extra), unknown=1000, splices=0.25, reversals=0.5)
    shares = []
    for epoch in range(20):
        batch = whole_epoch(batches, epoch)
        backwards = batch.content.kind == Kind.BACKWARDS
        first = batch.content.first[backwards]
        shares.append(len(first) / batches.unknown_count)
        assert not batches.examples.source[first].any()
        assert batch.unknown[torch.from_numpy(backwards)].all()
        forwards = Batch(batches, rows_of(Kind.WHOLE, first)).waveforms
        assert torch.equal(Batch(batches, batch.content[backwards]).waveforms, forwards.flip(1))
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)


def test_splices_and_reversals_are_shares_of_the_same_recordings() -> None:
    with pytest.raises(ConfigError, match="splices and reversals exceed 1"):
        CorpusConfig(splices=0.6, reversals=0.5)


def test_waveforms_are_the_recordings_the_splices_and_zeros(root: Path) -> None:
    batches = batches_of(root)
    rows = batches.examples.row
    content = rows_of(Kind.WHOLE, np.array([3, NONE, 70, 3, 20]))
    content.kind[:], content.second[3:] = [0, Kind.SILENCE, 0, Kind.SPLICED, Kind.SPLICED], (40, 41)
    batch = Batch(batches, content)
    waveforms = batch.waveforms
    assert waveforms.shape == (5, CLIP_SAMPLES)
    assert waveforms.dtype == torch.float32

    def plain(example: int) -> torch.Tensor:
        return torch.from_numpy(batches.examples.sources[0][rows[example]] / np.float32(32768))

    assert torch.equal(waveforms[0], plain(3))
    assert not waveforms[1].any()
    assert torch.equal(waveforms[2], plain(70))
    expected = splice(torch.stack([plain(3), plain(20)]), torch.stack([plain(40), plain(41)]))
    assert torch.allclose(waveforms[3:], expected)


def test_labels_of_recordings_silence_and_splices(root: Path) -> None:
    batches = batches_of(root)
    names = recordings_of(root)[0].task.labels
    content = rows_of(Kind.WHOLE, np.array([*batches.commands[[0, -1]], NONE, 0]))
    content.kind[2:], content.second[3] = (Kind.SILENCE, Kind.SPLICED), 20
    batch = Batch(batches, content)
    labels = [names[i] for i in batch.labels]
    assert labels[2:] == [SILENCE, UNKNOWN]
    assert set(labels[:2]) == {"yes", "no"}
    assert batch.silent.tolist() == [False, False, True, False]
    assert batch.unknown.tolist() == [False, False, False, True]


def test_the_rows_of_a_batch_are_those_of_the_whole(root: Path) -> None:
    """Each of several processes computes its rows, and all of them together are the batch."""
    batch = whole_epoch(batches_of(root, batch=3, unknown=100, splices=0.5, silence=20))
    parts = [batch.rows(slice(start, start + 9)) for start in range(0, len(batch), 9)]
    for name in ("labels", "silent", "unknown", "waveforms"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA device is missing")
def test_a_gpu_gathers_the_same(root: Path) -> None:
    on_gpu = batches_of(root, device=torch.device("cuda")).epoch(0)[0]
    assert torch.allclose(batches_of(root).epoch(0)[0].waveforms, on_gpu.waveforms.cpu())
