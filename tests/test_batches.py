"""Which recordings a training step sees: every command once an epoch, the rest in its share, all from the seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from speech_lstm.audio.augment import splice
from speech_lstm.config import CLIP_SAMPLES, SILENCE, UNKNOWN, CorpusConfig
from speech_lstm.corpus.clip_cache import load_memory
from speech_lstm.corpus.speech_commands import scan, task_of
from speech_lstm.errors import ConfigError, CorpusError, RecordingError
from speech_lstm.training.batches import BACKWARDS, NONE, Batches, Examples, training_examples
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


def examples_of(root: Path, **config: object) -> Examples:
    corpus = scan(root)
    settings = CorpusConfig.from_dict({"labels": "yes,no", **config})
    memory = load_memory(root, [item.name for item in corpus.clips], progress=False)
    return training_examples(corpus, memory, task_of(settings.labels, corpus), settings, progress=False)


def batches_of(root: Path, batch: int = 4, seed: int = 1, **config: object) -> Batches:
    settings = CorpusConfig.from_dict({"labels": "yes,no", **config})
    return Batches(examples_of(root, **config), task_of(settings.labels, scan(root)), settings, batch, seed, CPU)


def labels_of(batches: Batches, epoch: int = 0) -> Counter[int]:
    first, second = batches.epoch(epoch)
    return Counter(batches.labels(first.ravel(), second.ravel()).tolist())


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
        ({"hold_out": "bed,brd"}, "hold_out names 'brd', of which there are no recordings"),
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
        first, _ = batches.epoch(epoch)
        assert Counter(source[first.ravel()].tolist()) == {0: 30, 1: 6}
        assert len(set(first.ravel().tolist())) == 36
        seen |= set(first.ravel().tolist())
    assert set(np.flatnonzero(source == 1).tolist()) <= seen


def test_splices_are_of_the_corpus_s_own_voices(root: Path, extra: Path) -> None:
    batches = batches_of(root, batch=1, extra=str(extra), unknown=1000, splices=1.0)
    for epoch in range(5):
        first, second = (half.ravel() for half in batches.epoch(epoch))
        halves = np.concatenate([first[second != NONE], second[second != NONE]])
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


# --- an epoch


def test_every_command_comes_once_and_the_others_in_their_share(root: Path) -> None:
    batches = batches_of(root, batch=1, unknown=50, silence=20)
    assert batches.steps == 30 + 15 + 6
    for epoch in range(3):
        first, second = batches.epoch(epoch)
        assert (second == NONE).all()
        seen = Counter(first.ravel().tolist())
        assert seen.pop(NONE) == 6
        assert set(seen.values()) == {1}
        assert set(batches.commands.tolist()) <= set(seen)
        assert labels_of(batches, epoch) == {0: 15, 1: 15, 2: 15, 3: 6}


@pytest.mark.parametrize(("unknown", "silence", "counts"), [(0, 0, (0, 0)), (10, 10, (3, 3)), (1000, 100, (45, 30))])
def test_the_shares_are_percent_of_the_commands(
    root: Path, unknown: float, silence: float, counts: tuple[int, int]
) -> None:
    batches = batches_of(root, batch=1, unknown=unknown, silence=silence)
    assert (batches.unknown_count, batches.silence_count) == counts
    assert batches.steps == 30 + sum(counts)


def test_the_unknown_change_from_epoch_to_epoch(root: Path) -> None:
    batches = batches_of(root, unknown=20)
    seen = {int(i) for epoch in range(40) for i in batches.epoch(epoch)[0].ravel()}
    assert seen == {NONE, *range(len(batches.examples))}


def test_the_seed_decides_everything(root: Path) -> None:
    def order(seed: int, epoch: int) -> NDArray[np.int64]:
        return np.stack(batches_of(root, seed=seed, splices=0.5, unknown=100).epoch(epoch))

    assert np.array_equal(order(1, 0), order(1, 0))
    assert not np.array_equal(order(1, 0), order(2, 0))
    assert not np.array_equal(order(1, 0), order(1, 1))


def test_only_whole_batches(root: Path) -> None:
    batches = batches_of(root, batch=7, unknown=10, silence=10)  # 36 recordings
    first, second = batches.epoch(0)
    assert batches.steps == 5
    assert first.shape == second.shape == (5, 7)


def test_a_batch_larger_than_the_epoch_is_refused(root: Path) -> None:
    assert batches_of(root, batch=36).steps == 1
    with pytest.raises(ConfigError, match="batch is 37, but an epoch has only 36 recordings") as caught:
        batches_of(root, batch=37)
    assert "\n" not in str(caught.value)


def test_a_task_without_unknown_and_silence(root: Path) -> None:
    batches = batches_of(root, batch=5, labels="35", splices=1.0)
    assert batches.steps == 15
    assert labels_of(batches) == dict.fromkeys(range(5), 15)


# --- splices and waveforms


def test_the_drawn_share_of_unknown_is_spliced_of_different_words(root: Path) -> None:
    batches = batches_of(root, batch=1, unknown=1000, splices=0.5)
    shares, words = [], batches.examples.word
    for epoch in range(20):
        first, second = (half.ravel() for half in batches.epoch(epoch))
        spliced = second != NONE
        shares.append(spliced.sum() / batches.unknown_count)
        assert (words[first[spliced]] != words[second[spliced]]).all()
        assert (batches.labels(first, second)[torch.from_numpy(spliced)] == 2).all()
        assert labels_of(batches, epoch) == {0: 15, 1: 15, 2: 45, 3: 3}
        assert set(batches.commands.tolist()) <= set(first[~spliced].tolist())
    # Of two halves drawn from five words, a fifth is of the same word: those stay as they were.
    assert np.mean(shares) == pytest.approx(0.5 * 0.8, abs=0.05)


def test_the_drawn_share_of_unknown_is_the_corpus_s_own_words_backwards(root: Path, extra: Path) -> None:
    batches = batches_of(root, batch=1, extra=str(extra), unknown=1000, splices=0.25, reversals=0.5)
    shares = []
    for epoch in range(20):
        first, second = (half.ravel() for half in batches.epoch(epoch))
        backwards = np.flatnonzero(second == BACKWARDS)
        shares.append(len(backwards) / batches.unknown_count)
        assert not batches.examples.source[first[backwards]].any()
        assert (batches.labels(first, second)[torch.from_numpy(backwards)] == batches.unknown_label).all()
        forwards = batches.waveforms(first[backwards], np.full(len(backwards), NONE))
        assert torch.equal(batches.waveforms(first[backwards], second[backwards]), forwards.flip(1))
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)


def test_splices_and_reversals_are_shares_of_the_same_recordings() -> None:
    with pytest.raises(ConfigError, match="splices and reversals exceed 1"):
        CorpusConfig(splices=0.6, reversals=0.5)


def test_waveforms_are_the_recordings_the_splices_and_zeros(root: Path) -> None:
    batches = batches_of(root)
    rows = batches.examples.row
    first, second = np.array([3, NONE, 70, 3, 20]), np.array([NONE, NONE, NONE, 40, 41])
    waveforms = batches.waveforms(first, second)
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
    task = task_of("yes,no", scan(root))
    first, second = np.array([*batches.commands[[0, -1]], NONE, 0]), np.array([NONE, NONE, NONE, 20])
    labels = [task.labels[i] for i in batches.labels(first, second)]
    assert labels[2:] == [SILENCE, UNKNOWN]
    assert set(labels[:2]) == {"yes", "no"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA device is missing")
def test_a_gpu_gathers_the_same(root: Path) -> None:
    batches = batches_of(root)
    on_gpu = Batches(batches.examples, task_of("yes,no", scan(root)), batches.config, 4, 1, torch.device("cuda"))
    first, second = batches.epoch(0)
    assert torch.allclose(batches.waveforms(first[0], second[0]), on_gpu.waveforms(first[0], second[0]).cpu())
