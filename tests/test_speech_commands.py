"""A folder becomes splits and tasks by the rules of Speech Commands, and oddities are noted."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from speech_lstm.config import COMMANDS_10, SILENCE, UNKNOWN
from speech_lstm.corpus.scored_set import scored_clips
from speech_lstm.corpus.speech_commands import SPLITS, Clip, Corpus, Split, hashed_split, scan, spoken_word
from speech_lstm.corpus.task import Task, rule_count, task_of
from speech_lstm.errors import ConfigError, CorpusError
from support.corpus_files import speakers, touch_clips, write_clips

DEMO = Path(__file__).parent.parent / "data" / "demo"
VERSION_2 = """
backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine no off on one
right seven sheila six stop three tree two up visual wow yes zero
"""
WORDS_35 = tuple(VERSION_2.split())


def which_set(filename: str, validation_percentage: float, testing_percentage: float) -> str:
    """The rule as the archive's README gives it."""
    most = 2**27 - 1  # ~134M
    hash_name = re.sub(r"_nohash_.*$", "", os.path.basename(filename))  # noqa: PTH119
    hashed = hashlib.sha1(hash_name.encode("utf-8")).hexdigest()
    percentage_hash = (int(hashed, 16) % (most + 1)) * (100.0 / most)
    if percentage_hash < validation_percentage:
        return "validation"
    if percentage_hash < (testing_percentage + validation_percentage):
        return "testing"
    return "training"


def corpus_of(names: list[str], split: Split = "testing") -> Corpus:
    """A corpus that is nowhere on disk."""
    return Corpus(Path("nowhere"), tuple(Clip(n, n.split("/")[0], spoken_word(n), split) for n in names), (), ())


def notes_of(root: Path) -> str:
    notes = scan(root).notes
    assert not any("\n" in note for note in notes)
    return "\n".join(notes)


# --- splits


def test_the_hash_rule_is_the_archive_s() -> None:
    names = speakers("yes", 3000)
    splits = [hashed_split(name) for name in names]
    assert splits == [which_set(name, 10, 10) for name in names]
    for split, share in [("validation", 0.1), ("testing", 0.1), ("training", 0.8)]:
        assert abs(splits.count(split) / len(splits) - share) < 0.02


@pytest.mark.parametrize(
    ("name", "split"),  # the percentage was worked out with sha1sum and bc
    [
        ("yes/00000000_nohash_0.wav", "validation"),  # 9.555729
        ("bed/060cd039_nohash_0.wav", "validation"),  # 7.819671; so is it on the archive's list
        ("bed/4342bbea_nohash_0.wav", "testing"),  # 17.221625
        ("stop/c50f55b8_nohash_3.wav", "training"),  # 48.476707
        ("no/00b01445_nohash_0.wav", "training"),  # 93.060231
    ],
)
def test_known_speakers(name: str, split: str) -> None:
    assert hashed_split(name) == split


def test_a_speaker_stays_in_one_split() -> None:
    for speaker in ("0a7c2a8d", "bde0f20a", "zoë"):
        names = [
            f"{word}/{speaker}_nohash_{i}.wav{more}"
            for word in ("yes", "no")
            for i in (0, 12)
            for more in ("", ".wav")
        ]
        assert len({hashed_split(name) for name in names}) == 1


def test_the_lists_and_the_hash_rule_agree_on_the_carried_corpus() -> None:
    corpus = scan(DEMO)
    assert not corpus.notes
    assert {clip.split for clip in corpus.clips} == set(SPLITS)
    assert all(clip.split == hashed_split(clip.name) for clip in corpus.clips)


@pytest.mark.parametrize("separator", ["/", "\\"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_lists_decide(tmp_path: Path, separator: str, end: str) -> None:
    names = touch_clips(tmp_path, speakers("yes", 6) + speakers("no", 6))
    lists = {"validation": [names[0], names[7]], "testing": [names[3]]}
    for split, listed in lists.items():
        text = "".join(name.replace("/", separator) + end for name in listed)
        (tmp_path / f"{split}_list.txt").write_bytes(b"\xef\xbb\xbf" * (end == "\r\n") + text.encode())
    splits = {clip.name: clip.split for clip in scan(tmp_path).clips}
    for split, listed in lists.items():
        assert [name for name, own in sorted(splits.items(), reverse=True) if own == split] == sorted(
            listed, reverse=True
        )
    assert sum(split == "training" for split in splits.values()) == 9


@pytest.mark.parametrize("existing", ["", "testing_list.txt", "validation_list.txt"])
def test_without_both_lists_the_hash_rule_is_followed_and_said(tmp_path: Path, existing: str) -> None:
    names = touch_clips(tmp_path, speakers("yes", 30))
    if existing:
        (tmp_path / existing).write_text("\n".join(names))
    corpus = scan(tmp_path)
    assert all(clip.split == hashed_split(clip.name) for clip in corpus.clips)
    for name in ("testing_list.txt", "validation_list.txt"):
        assert (name in notes_of(tmp_path)) == (name != existing)
    assert "hash rule" in notes_of(tmp_path)


def test_one_speaker_is_split_by_takes(tmp_path: Path) -> None:
    touch_clips(tmp_path, [*(f"yes/0123abcd_nohash_{i}.wav" for i in range(6)), "no/0123abcd_nohash_0.wav"])
    corpus = scan(tmp_path)
    splits = [clip.split for clip in corpus.clips if clip.folder == "yes"]
    assert (splits.count("training"), splits.count("validation"), splits.count("testing")) == (3, 2, 1)
    assert [clip.split for clip in corpus.clips if clip.folder == "no"] == ["training"]
    assert "split by takes" in notes_of(tmp_path)


def test_listed_but_absent_and_listed_twice_is_said(tmp_path: Path) -> None:
    names = touch_clips(tmp_path, speakers("yes", 4))
    (tmp_path / "validation_list.txt").write_text(f"{names[0]}\n{names[1]}\nyes/gone_nohash_0.wav\n")
    (tmp_path / "testing_list.txt").write_text(f"{names[1]}\n")
    assert [clip.split for clip in scan(tmp_path).clips] == ["validation", "testing", "training", "training"]
    assert "listed but missing: yes/gone_nohash_0.wav" in notes_of(tmp_path)
    assert f"on both lists, taken for testing: {names[1]}" in notes_of(tmp_path)


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    try:
        touch_clips(tmp_path, ["yes/\udcff_nohash_0.wav"])
    except (OSError, UnicodeError):
        pytest.skip("the file system takes Unicode names only")
    touch_clips(tmp_path, ["yes/two\nlines.txt"])
    assert scan(tmp_path).clips[0].split in SPLITS
    assert r"two\nlines.txt" in notes_of(tmp_path)


# --- what lies in the folder


def test_a_test_archive_is_for_testing_and_taken_whole(tmp_path: Path) -> None:
    words = [name for word in ("yes", "stop") for name in speakers(word, 20)]
    unknown = [f"{UNKNOWN}/{word}_{i:08x}_nohash_0.wav.wav" for word in ("bed", "cat") for i in range(9)]
    silence = [f"{SILENCE}/noise_{i}.wav" for i in range(7)]
    touch_clips(tmp_path, words + unknown + silence)
    corpus = scan(tmp_path)
    assert len(corpus.clips) == 65
    assert {clip.split for clip in corpus.clips} == {"testing"}
    assert {clip.word for clip in corpus.clips if clip.folder == UNKNOWN} == {"bed", "cat"}
    assert corpus.words == ("stop", "yes")
    assert len(corpus.notes) == 1
    assert "test archive" in corpus.notes[0]
    pairs, silences = scored_clips(corpus, task_of("yes,stop", corpus), "testing")
    assert silences == 0
    assert len(pairs) == 65
    assert [label for _, label in pairs].count(SILENCE) == 7
    assert [label for _, label in pairs].count(UNKNOWN) == 18


def test_own_silence_beside_lists_is_split_as_listed(tmp_path: Path) -> None:
    names = touch_clips(tmp_path, [*speakers("yes", 4), f"{SILENCE}/room.wav"])
    for split in ("validation", "testing"):
        (tmp_path / f"{split}_list.txt").write_text(names[0])
    assert {clip.split for clip in scan(tmp_path).clips} == {"training", "testing"}


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("yes/0a7c2a8d_nohash_0.wav", "yes"),
        (f"{UNKNOWN}/bed_0a7c2a8d_nohash_0.wav.wav", "bed"),
        (f"{UNKNOWN}/0a7c2a8d_nohash_0.wav", UNKNOWN),
        (f"{UNKNOWN}/something.wav", UNKNOWN),
        ("bed/cat_0a7c2a8d_nohash_0.wav", "bed"),
    ],
)
def test_the_word_that_is_spoken(name: str, word: str) -> None:
    assert spoken_word(name) == word


def test_what_is_no_recording_is_named_and_counted(tmp_path: Path) -> None:
    touch_clips(tmp_path, speakers("yes", 3))
    touch_clips(tmp_path, ["no/README.md", "yes/notes.txt", "yes/b.npy", "stray_nohash_0.wav", "LICENSE"])
    notes = notes_of(tmp_path)
    assert "no/: an empty folder" in notes
    assert "yes/: skipped, no recordings: b.npy, notes.txt" in notes
    assert "skipped, outside a word's folder: stray_nohash_0.wav" in notes
    assert len(scan(tmp_path).clips) == 3
    assert scan(tmp_path).words == ("yes",)


def test_links_are_followed_and_what_leads_nowhere_is_named(tmp_path: Path) -> None:
    root, other = tmp_path / "corpus", tmp_path / "other"
    touch_clips(root, [*speakers("yes", 3), "yes/more/0_nohash_0.wav"])
    touch_clips(other, ["0_nohash_0.wav", "1_nohash_0.wav"])
    (root / "no").symlink_to(other)
    (root / "up").symlink_to(tmp_path / "nowhere")
    (root / "yes" / "link_nohash_0.wav").symlink_to(other / "0_nohash_0.wav")
    (root / "yes" / "lost_nohash_0.wav").symlink_to(tmp_path / "nowhere.wav")
    assert scan(root).words == ("no", "yes")
    assert len(scan(root).clips) == 6
    notes = notes_of(root)
    assert "skipped, links that lead nowhere: up" in notes
    assert "yes/: skipped, links that lead nowhere: lost_nohash_0.wav" in notes
    assert "yes/: skipped, folders inside a word's folder: more" in notes


def test_hidden_files_and_the_cache_are_passed_over(tmp_path: Path) -> None:
    names = touch_clips(tmp_path, speakers("yes", 3))
    touch_clips(tmp_path, [".speech_lstm/0_nohash_0.wav", "yes/._0_nohash_0.wav", ".DS_Store"])
    corpus = scan(tmp_path)
    assert [clip.name for clip in corpus.clips] == names
    assert "skipped" not in notes_of(tmp_path)


def test_other_kinds_of_recordings_count_too(tmp_path: Path) -> None:
    touch_clips(tmp_path, ["yes/a.flac", "yes/b.OGG", "yes/c_nohash_0.wav.wav"])
    assert len(scan(tmp_path).clips) == 3


def test_noise_is_no_word_and_its_absence_is_said(tmp_path: Path) -> None:
    touch_clips(tmp_path, speakers("yes", 3))
    assert "generated noise" in notes_of(tmp_path)
    write_clips(tmp_path, ["_background_noise_/tap.wav"])
    (tmp_path / "_background_noise_" / "README.md").touch()
    corpus = scan(tmp_path)
    assert corpus.noise == ("_background_noise_/tap.wav",)
    assert corpus.words == ("yes",)
    assert "noise" not in notes_of(tmp_path)


def test_damaged_noise_is_skipped_with_a_note_or_strictly_refused(tmp_path: Path) -> None:
    touch_clips(tmp_path, speakers("yes", 3))
    write_clips(tmp_path, ["_background_noise_/a.wav", "_background_noise_/b.wav"])
    (tmp_path / "_background_noise_" / "b.wav").write_bytes(b"no sound at all, but a text")
    assert scan(tmp_path).noise == ("_background_noise_/a.wav",)
    assert re.search(r"skipped: .*b\.wav: ", notes_of(tmp_path))
    with pytest.raises(CorpusError, match=r"b\.wav"):
        scan(tmp_path, strict=True)


def refusal(root: Path) -> str:
    with pytest.raises(CorpusError) as caught:
        scan(root)
    assert "\n" not in str(caught.value)
    assert str(root) in str(caught.value)
    return str(caught.value)


def test_no_corpus_is_refused_in_one_line(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "nothing")
    assert "no recordings" in refusal(tmp_path)
    (tmp_path / "yes").mkdir()
    assert "no recordings" in refusal(tmp_path)
    write_clips(tmp_path, ["_background_noise_/tap.wav"])
    assert "no recordings" in refusal(tmp_path)
    assert "no such folder" in refusal(tmp_path / "_background_noise_" / "tap.wav")


# --- tasks


def archive(per_word: int = 3) -> Corpus:
    return corpus_of([name for word in WORDS_35 for name in speakers(word, per_word)])


def test_35_labels_are_the_folders() -> None:
    corpus = archive()
    task = task_of("35", corpus)
    assert task.labels == task.commands == WORDS_35
    pairs, silences = scored_clips(corpus, task, "testing")
    assert len(pairs) == 3 * 35
    assert silences == 0


def test_12_labels_count_as_the_standard_task_does() -> None:
    # As many recordings of commands as the testing split of version 0.02 has.
    counts = [408] * 4 + [407] * 6
    commands = [name for word, n in zip(COMMANDS_10, counts, strict=True) for name in speakers(word, n)]
    others = [name for word in WORDS_35 if word not in COMMANDS_10 for name in speakers(word, 50)]
    corpus = corpus_of(commands + others)
    task = task_of("12", corpus)
    assert set(task.labels) == {*COMMANDS_10, UNKNOWN, SILENCE}
    assert len(task.labels) == 12
    pairs, silences = scored_clips(corpus, task, "testing")
    labels = [label for _, label in pairs]
    assert sum(label in COMMANDS_10 for label in labels) == 4074
    assert labels.count(UNKNOWN) == silences == 408
    assert len(pairs) + silences == 4890


@pytest.mark.parametrize(("commands", "count"), [(0, 0), (1, 1), (10, 1), (11, 2), (4074, 408), (30_769, 3077)])
def test_the_rule_rounds_up(commands: int, count: int) -> None:
    assert rule_count(commands) == count


def test_the_unknown_that_are_scored_are_always_the_same() -> None:
    corpus = archive(40)
    task = task_of("yes,no", corpus)
    pairs, _ = scored_clips(corpus, task, "testing")
    assert pairs == scored_clips(corpus, task, "testing")[0]
    unknown = [clip for clip, label in pairs if label == UNKNOWN]
    assert len(unknown) == 8
    assert len({clip.word for clip in unknown}) > 3
    assert len({clip.name for clip, _ in pairs}) == len(pairs)


def test_few_unknown_are_taken_all() -> None:
    corpus = corpus_of(speakers("yes", 100) + speakers("bed", 3))
    pairs, silences = scored_clips(corpus, task_of("yes", corpus), "testing")
    assert [label for _, label in pairs].count(UNKNOWN) == 3
    assert silences == 10


def test_a_list_of_words_keeps_their_order() -> None:
    task = task_of(" stop, yes ,on", archive())
    assert task.labels == ("stop", "yes", "on", UNKNOWN, SILENCE)
    assert task.commands == ("stop", "yes", "on")
    assert task_of(f"stop,{UNKNOWN},yes,on,{SILENCE}", archive()) == task


def test_every_recording_has_its_label_or_none() -> None:
    task = Task(("yes", UNKNOWN, SILENCE))
    for folder, label in [("yes", "yes"), ("bed", UNKNOWN), (UNKNOWN, UNKNOWN), (SILENCE, SILENCE)]:
        assert task.label_of(Clip(f"{folder}/a.wav", folder, folder, "testing")) == label
    only = Task(("yes", "no"))
    for folder, label in [("yes", "yes"), ("bed", None), (UNKNOWN, None), (SILENCE, None)]:
        assert only.label_of(Clip(f"{folder}/a.wav", folder, folder, "testing")) == label


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("yes,maybe,perhaps", "no recordings of maybe, perhaps; it has backward, bed"),
        ("yes,no,yes", "'yes' twice"),
        ("yes,,no", "separated by commas"),
        ("", "separated by commas"),
        (UNKNOWN, "separated by commas"),
    ],
)
def test_labels_that_can_not_be(labels: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        task_of(labels, archive())
    assert "\n" not in str(caught.value)


def test_12_labels_need_their_words() -> None:
    with pytest.raises(ConfigError, match=r"no recordings of .*off"):
        task_of("12", scan(DEMO))


def test_a_split_without_commands_is_refused() -> None:
    corpus = archive()
    with pytest.raises(CorpusError, match="the validation split has no recording of yes"):
        scored_clips(corpus, task_of("yes", corpus), "validation")
