"""Words of one's own: from takes to a complete model, and every way in which that can fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pexpect
import pytest
import soundfile
import torch

from speech_lstm.audio.augment import Augment
from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.audio.timbre import Timbre
from speech_lstm.cli import main
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, SILENCE, UNKNOWN, AugmentConfig, FeatureConfig
from speech_lstm.corpus.own_words import write_take
from speech_lstm.errors import ModelError
from speech_lstm.export.model import recording_model, stream_model
from speech_lstm.model.checkpoint import save_model
from speech_lstm.model.onnx_file import KIND, STREAM_KIND, STREAM_SUFFIX, read_session, seal
from speech_lstm.recognition.onnx_model import OnnxModel, OnnxStream
from speech_lstm.recognition.recognizer import load
from speech_lstm.teaching.bank import NOISE, SPEECH, Bank, quantised, unit
from speech_lstm.teaching.gain import measure_gain
from speech_lstm.teaching.head import PENALTY, fit, softmax
from speech_lstm.teaching.lesson import Lesson, teach
from speech_lstm.teaching.report import confused_with
from speech_lstm.teaching.space import fit_space
from speech_lstm.teaching.tail import DETECTED, SECONDS, SHARE, Tail
from speech_lstm.teaching.teacher import Teacher
from speech_lstm.teaching.variations import Variation, filtered, resampled, vary
from speech_lstm.training.fine_tuning import thresholds_for
from support.command_line import SLOW, answer, call, refusal
from support.exported_models import model_of
from support.full_disk import files_of_at_most, needs_limits
from support.virtual_microphone import ROOT, VirtualMicrophone, missing

RATE = ("--false-accepts-per-hour", "1000")  # the bank has only 100 seconds of speech
TIME = np.arange(CLIP_SAMPLES) / SAMPLE_RATE
FORMANTS = {"lights": (5000, 5000), "musik": (7000, 7000), "stop it": (900, 900), "yes": (4000, 1500)}


def spoken(formants: tuple[float, float], seed: int) -> np.ndarray:
    """A glide from one frequency to another, as one voice says it one time: float32 [CLIP_SAMPLES]."""
    random = np.random.default_rng(seed)
    first, last = np.array(formants) * random.uniform(0.99, 1.01)
    share = np.clip((TIME - 0.25 - random.uniform(-0.01, 0.01)) / 0.5, 0, 1)
    phase = 2 * np.pi * np.cumsum(first + (last - first) * share) / SAMPLE_RATE
    shape = np.sin(np.pi * share) * (1 + np.sin(2 * np.pi * 3 * share)) / 2
    return (0.3 * shape * np.sin(phase) + 1e-3 * random.standard_normal(CLIP_SAMPLES)).astype(np.float32)


def others(count: int, seed: int) -> list[np.ndarray]:
    """Other glides."""
    pairs = np.random.default_rng(seed).uniform(300, 4000, (count, 2))
    return [spoken((float(a), float(b)), seed + i) for i, (a, b) in enumerate(pairs)]


def make_bank(folder: Path) -> None:
    """A bank for the model of a folder."""
    model = OnnxModel(folder / "model.onnx")
    noise = [(1e-2 * np.random.default_rng(i).standard_normal(CLIP_SAMPLES)).astype(np.float32) for i in range(20)]
    words = [spoken(FORMANTS["yes"], 900 + i) for i in range(10)]
    clips = [*others(150, 1), *others(100, 2000), *words, *noise]
    names = [f"w{i}" for i in range(150)] + [SPEECH] * 100 + ["yes"] * 10 + [NOISE] * 20
    vectors = model.vectors(np.stack(clips))
    known, kinds = np.unique(names, return_inverse=True)
    labels = np.where(np.isin(names, [SPEECH, NOISE]), -1, kinds)
    space = fit_space(vectors, labels, 24)
    Bank(model.source, space, quantised(space.points(vectors)), tuple(known), kinds.astype(np.uint16)).save(
        folder / "bank.npz"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights, its bank, and takes of three words."""
    folder = tmp_path_factory.mktemp("teach")
    (folder / "model.onnx").write_bytes(recording_model(model_of("lstm", hidden=24)))
    make_bank(folder)
    for word in ("lights", "musik", "stop it"):
        for i in range(5):
            write_take(folder / "own" / word / f"{i}.wav", spoken(FORMANTS[word], i))
    return folder


def words(folder: Path, *more: str | Path) -> list[str]:
    """The command line of `teach` with this folder's model and bank."""
    return [
        "teach",
        "--model",
        str(folder / "model.onnx"),
        "--bank",
        str(folder / "bank.npz"),
        *RATE,
        *map(str, more),
    ]


@pytest.fixture(scope="module")
def taught(folder: Path) -> Path:
    out = folder / "mine.onnx"
    with pytest.raises(SystemExit) as end:
        main(words(folder, "--from", folder / "own", "--out", out, "--keep", "yes"))
    assert not end.value.code
    return out


def test_the_command_tells_how_good_the_words_are(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.onnx"
    status, text, _ = call(capsys, *words(folder, "--from", folder / "own", "--out", out))
    assert status == 0
    assert all(word in text for word in ("lights", "musik", "stop it", "recognised takes", "of 5"))
    assert f"speech-lstm listen --model {out}" in text


def test_new_takes_are_recognised_and_other_words_are_not(taught: Path) -> None:
    model = load(taught)
    assert model.labels == ("lights", "musik", "stop it", "yes", UNKNOWN, SILENCE)
    takes = {word: [spoken(formants, 100 + i) for i in range(5)] for word, formants in FORMANTS.items()}
    right = [model.classify(clip, SAMPLE_RATE).label == word for word, clips in takes.items() for clip in clips]
    assert np.mean(right) >= 0.7
    taken = [model.classify(clip, SAMPLE_RATE).label not in (UNKNOWN, SILENCE) for clip in others(50, 5000)]
    assert np.mean(taken) <= 0.2
    assert model.thresholds == dict.fromkeys(FORMANTS, 0.5)
    assert "1000 an hour of continuous speech" in model.detection.rate
    assert model.detection.isolation > 0  # a word of a sentence is no command


def test_the_file_is_complete(taught: Path) -> None:
    """Plain ONNX Runtime gives what the package gives."""
    clips = np.stack(others(3, 7000))
    session = onnxruntime.InferenceSession(taught)
    (probabilities,) = session.run(["probabilities"], {"waveforms": clips})
    np.testing.assert_allclose(probabilities, load(taught).posteriors(clips), atol=1e-6)
    entries = session.get_modelmeta().custom_metadata_map
    assert json.loads(entries["labels"])[:3] == ["lights", "musik", "stop it"]


def test_the_head_in_the_file_is_that_of_numpy(folder: Path, tmp_path: Path) -> None:
    teacher = Teacher(OnnxModel(folder / "model.onnx"), Bank.load(folder / "bank.npz"))
    teacher.learn("lights", [spoken(FORMANTS["lights"], i) for i in range(3)])
    result = teacher.teach(0.5)
    teacher.write(tmp_path / "mine.onnx", result, 0.5)
    clips = np.stack([*others(4, 8000), np.zeros(CLIP_SAMPLES, np.float32)])
    points = teacher.bank.space.points(teacher.model.vectors(clips))
    expected = softmax(result.head.logits(points))
    np.testing.assert_allclose(load(tmp_path / "mine.onnx").posteriors(clips), expected, atol=1e-5)


def test_words_are_added_and_removed_later(
    taught: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "mine.onnx"
    model.write_bytes(taught.read_bytes())
    for i in range(3):
        write_take(tmp_path / "own" / "lamp" / f"{i}.wav", spoken((1500, 3500), i))
    change = ["teach", "--model", str(model), "--bank", str(folder / "bank.npz"), *RATE]
    assert call(capsys, *[*change, "--from", str(tmp_path / "own"), "--add", "lamp"])[0] == 0
    assert load(model).labels == ("lights", "musik", "stop it", "lamp", "yes", UNKNOWN, SILENCE)
    assert call(capsys, *[*change, "--remove", "musik,yes"])[0] == 0
    assert load(model).labels == ("lights", "stop it", "lamp", UNKNOWN, SILENCE)
    answers = [load(model).classify(spoken(FORMANTS["lights"], 50 + i), SAMPLE_RATE).label for i in range(5)]
    assert answers.count("lights") >= 3
    assert "no word that the model was taught" in refusal(capsys, *[*change, "--remove", "musik"])


def test_what_is_no_command_and_further_takes_are_learnt_from(
    taught: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near = [spoken((600, 2300), i) for i in range(4)]
    for i, clip in enumerate(near):
        write_take(tmp_path / "kept" / UNKNOWN / f"{i}.wav", clip)
        write_take(tmp_path / "kept" / "lights" / f"{i}.wav", spoken(FORMANTS["lights"], 30 + i))
    out = tmp_path / "better.onnx"
    more = ["--from", str(folder / "own"), "--also", str(tmp_path / "kept"), "--out", str(out)]
    write_take(tmp_path / "kept" / "foo" / "0.wav", near[0])
    status, text, notes = call(capsys, *words(folder, *more))
    assert status == 0

    def accepted(model: Path) -> float:
        return float(load(model).posteriors(np.stack(near))[:, 0].mean())

    assert accepted(out) < accepted(taught)
    assert "what was kept" in text
    assert "of 4" in text
    assert "foo: not used" in notes


def test_the_room_raises_thresholds(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A room in which a word is said all the time is one in which the word may not be detected."""
    silence = np.zeros(CLIP_SAMPLES, np.float32)
    room = np.concatenate([part for i in range(6) for part in (spoken(FORMANTS["lights"], 60 + i), silence)])
    write_take(tmp_path / "room.wav", room)
    out = tmp_path / "mine.onnx"
    status, text, _ = call(
        capsys, *words(folder, "--from", folder / "own", "--out", out, "--room", tmp_path / "room.wav")
    )
    assert status == 0
    assert "of the room" in text
    detection = load(out).detection
    assert detection.thresholds["lights"] > 0.5
    assert detection.false_accepts <= detection.false_accepts_per_hour * detection.hours


def test_calibrate_takes_a_room_too(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model(tmp_path / "model.safetensors", model_of("lstm", hidden=24))
    write_take(tmp_path / "room.wav", np.concatenate(others(6, 3000)))
    out = tmp_path / "calibrated.safetensors"
    text = answer(capsys, "calibrate", tmp_path / "model.safetensors", "--room", tmp_path / "room.wav", "--out", out)
    assert "of the room" in text
    assert load(out).detection.hours == pytest.approx(6 / 3600)
    refused = ["calibrate", tmp_path / "model.safetensors", "--out", out]
    assert "one of the arguments --data --room is required" in call(capsys, *refused)[2]


def test_a_taught_model_is_calibrated_too(taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lights = [spoken(FORMANTS["lights"], 60 + i) for i in range(6)]
    write_take(tmp_path / "room.wav", np.concatenate([part for clip in lights for part in (clip, 0 * clip)]))
    out, room = tmp_path / "calibrated.onnx", ("--room", tmp_path / "room.wav")
    assert "of the room" in answer(capsys, "calibrate", taught, *room, "--out", out)
    before, after, clips = load(taught), load(out), np.stack(others(2, 7))
    assert after.thresholds["lights"] > before.thresholds["lights"]
    np.testing.assert_array_equal(before.posteriors(clips), after.posteriors(clips))
    assert "must end in .onnx" in refusal(capsys, "calibrate", taught, *room, "--out", tmp_path / "a.safetensors")


def test_a_taught_model_is_not_looked_into(taught: Path) -> None:
    with pytest.raises(ModelError, match="a taught model cannot be looked into"):
        _ = load(taught).torch_model


def test_the_network_itself_is_trained(
    folder: Path, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("speech_lstm.training.fine_tuning.EPOCHS", 2)
    monkeypatch.setattr("speech_lstm.training.fine_tuning.LEAST_TAKES", 5)
    save_model(folder / "model.safetensors", model_of("lstm", hidden=24))
    out = tmp_path / "mine.onnx"
    line = words(folder, "--from", folder / "own", "--finetune", demo, "--out", out)
    status, text, error = call(capsys, *line)
    assert status == 0, error
    assert "The network itself was trained too" in text
    assert load(out).labels == ("lights", "musik", "stop it", UNKNOWN, SILENCE)
    assert load(out).torch_model.model.digest == load(out.with_suffix(".safetensors")).torch_model.model.digest
    assert all(0.5 <= level <= 1 for level in load(out).thresholds.values())
    assert "leave out --keep" in refusal(capsys, *line, "--keep", "yes")
    silent = own(tmp_path, {"lights": [SILENT]})
    refused = words(folder, "--from", silent, "--finetune", demo, "--out", tmp_path / "no.onnx")
    assert "all its takes are silent" in refusal(capsys, *refused)
    few = words(folder, "--from", folder / "own", "--finetune", folder / "own", "--out", tmp_path / "no.onnx")
    assert "recordings of other words" in refusal(capsys, *few)
    monkeypatch.setattr("speech_lstm.training.fine_tuning.LEAST_TAKES", 6)
    assert "lights has 5 takes" in refusal(capsys, *line)


def test_thresholds_let_few_other_words_through() -> None:
    posteriors = np.random.default_rng(1).uniform(0, 1, (20_000, 2)).astype(np.float32)
    levels = thresholds_for(posteriors)
    assert (posteriors >= levels).any(1).mean() == pytest.approx(0.01, rel=0.1)
    assert thresholds_for(posteriors * 0.4) == [0.5, 0.5]


@pytest.mark.skipif(bool(missing()), reason=f"{', '.join(missing())} is missing")
def test_words_are_recorded_and_tried_out(folder: Path, tmp_path: Path) -> None:
    """Ctrl-C between two takes loses none of them."""

    def take(terminal: pexpect.spawn, virtual: VirtualMicrophone) -> None:
        terminal.expect_exact("yes: ")
        terminal.sendline("")
        terminal.expect('say "yes"')
        virtual.play(ROOT / "data" / "demo" / "yes" / "7a254b5f_nohash_0.wav")
        terminal.expect(r"\d\.\d\d s, -\d+ dBFS")

    line = ["-u", "-m", "speech_lstm", *words(folder, "--each", 2), "yes"]
    with VirtualMicrophone() as virtual:
        options = {"encoding": "utf-8", "timeout": SLOW, "cwd": str(tmp_path), "env": virtual.environment}
        terminal = pexpect.spawn(sys.executable, line, **options)
        take(terminal, virtual)
        terminal.expect_exact("yes: ")
        terminal.sendcontrol("c")
        terminal.expect("1 of 2 recordings are in own; run the same command to continue")
        terminal.expect(pexpect.EOF)
        assert [path.name for path in tmp_path.iterdir()] == ["own"]
        assert len(list((tmp_path / "own" / "yes").iterdir())) == 1
        terminal = pexpect.spawn(sys.executable, line, **options)
        take(terminal, virtual)
        terminal.expect_exact("own.onnx is written")
        terminal.expect("Enter to try it out")
        terminal.sendline("")
        terminal.expect("listening to")
        terminal.sendcontrol("c")
        terminal.expect("s of audio")
        terminal.expect(pexpect.EOF)
        terminal.close()
    assert terminal.exitstatus == 0
    assert load(tmp_path / "own.onnx").labels == ("yes", UNKNOWN, SILENCE)


WITHOUT_TORCH = """
import sys
for name in ("torch", "torchaudio", "onnx", "librosa", "safetensors", "scipy", "matplotlib"):
    sys.modules[name] = None  # an import of it fails
from speech_lstm.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_lean_install_suffices(folder: Path, tmp_path: Path) -> None:
    line = words(folder, "--from", folder / "own", "--out", tmp_path / "mine.onnx")
    run = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *line], capture_output=True, text=True, timeout=SLOW)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "mine.onnx").is_file()


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_a_typed_word_is_spoken(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "said.onnx"
    status, text, notes = call(capsys, *words(folder, "--say", "lamp", "--out", out))
    assert status == 0
    assert "of 20" in text
    assert "lamp is learnt from synthetic speech alone" in notes
    assert load(out).labels[0] == "lamp"
    refused = words(folder, "--out", tmp_path / "no.onnx")
    assert "says nothing of" in refusal(capsys, *refused, "--say", "-")
    assert "cannot speak 'xx'" in refusal(capsys, *refused, "--say", "lamp", "--language", "xx")
    assert "name them with --say" in refusal(capsys, *refused, "--from", folder / "own", "--language", "en")


def test_without_espeak_a_word_is_not_spoken(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert "install it" in refusal(capsys, *words(folder, "--say", "lamp", "--out", tmp_path / "no.onnx"))


# --- bad input ---------------------------------------------------------------------------------------------------


def own(tmp_path: Path, takes: dict[str, list[np.ndarray]]) -> Path:
    for word, clips in takes.items():
        (tmp_path / "own" / word).mkdir(parents=True)
        for i, clip in enumerate(clips):
            write_take(tmp_path / "own" / word / f"{i}.wav", clip)
    return tmp_path / "own"


SILENT = np.zeros(CLIP_SAMPLES, np.float32)
LIGHTS = [spoken(FORMANTS["lights"], i) for i in range(3)]


@pytest.mark.parametrize(
    ("takes", "says"),
    [
        ({}, "no such folder"),
        ({"lights": []}, "has no takes"),
        ({"lights": [SILENT, SILENT]}, "all its takes are silent"),
        ({"lights": LIGHTS, "music": LIGHTS}, "are the same recording"),
        ({UNKNOWN: LIGHTS}, "give what is no command with --also"),
        ({"_noise": LIGHTS}, "cannot name a word's folder"),
    ],
)
def test_takes_that_cannot_be_learnt_from(
    folder: Path, tmp_path: Path, takes: dict[str, list[np.ndarray]], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.onnx"
    assert says in refusal(capsys, *words(folder, "--from", own(tmp_path, takes), "--out", out))
    assert not out.exists()


def test_takes_that_look_wrong_are_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loud = np.clip(20 * LIGHTS[2], -1, 1)
    wrong = spoken(FORMANTS["musik"], 77)
    music = [spoken(FORMANTS["musik"], i) for i in range(5)]
    takes = {"lights": [*LIGHTS, SILENT, loud, wrong], "musik": music, "lamp": [spoken((1500, 3500), 1)]}
    status, _, notes = call(capsys, *words(folder, "--from", own(tmp_path, takes), "--out", tmp_path / "mine.onnx"))
    assert status == 0
    assert "lights/3.wav: silent, not used" in notes
    assert "lights/4.wav: clipped" in notes
    assert "lights/5.wav: sounds" in notes
    assert "lamp has only 1 take" in notes


@pytest.fixture(scope="module")
def forwards(folder: Path) -> Path:
    """A folder with a model of one direction, in both forms, and its bank."""
    place = folder / "forwards"
    place.mkdir()
    model = model_of("gru", hidden=24, bidirectional=False)
    (place / "model.onnx").write_bytes(recording_model(model))
    (place / "model.stream.onnx").write_bytes(stream_model(model))
    make_bank(place)
    return place


def test_a_model_of_one_direction_is_taught_in_both_forms(forwards: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.onnx"

    def words_left(*flags: str | Path) -> tuple[str, ...]:
        with pytest.raises(SystemExit) as end:
            main([*words(forwards, *flags, "--out", out)])
        assert not end.value.code
        model, stream = OnnxModel(out), OnnxStream(out.with_suffix(".stream.onnx"), SAMPLE_RATE // 10)
        assert isinstance(load(out).stream().scorer, OnnxStream)
        second = spoken(FORMANTS["lights"], 3)
        np.testing.assert_allclose(stream.step(second), model.posteriors(second[None]), atol=1e-5)
        assert np.ptp(stream.step(second[-SAMPLE_RATE // 10 :])) > 0  # the state goes on
        return model.labels

    assert words_left("--from", folder / "own") == ("lights", "musik", "stop it", UNKNOWN, SILENCE)
    room = tmp_path / "room.wav"
    soundfile.write(room, np.concatenate(others(5, 70)), SAMPLE_RATE)
    assert words_left("--from", folder / "own", "--room", room)[0] == "lights"
    assert words_left("--model", out, "--remove", "musik") == ("lights", "stop it", UNKNOWN, SILENCE)


def test_the_stream_of_another_model_is_left_alone(
    forwards: Path, folder: Path, taught: Path, tmp_path: Path
) -> None:
    """A model of two directions has no such form, whatever lies beside it."""
    out = shutil.copy(taught, tmp_path / "mine.onnx")
    stray = shutil.copy(forwards / "model.stream.onnx", tmp_path / "mine.stream.onnx")
    with pytest.raises(SystemExit) as end:
        main(words(folder, "--model", out, "--remove", "musik"))
    assert not end.value.code
    assert "musik" not in OnnxModel(out).labels
    assert stray.read_bytes() == (forwards / "model.stream.onnx").read_bytes()


def test_a_stream_without_the_vector_is_named_and_nothing_written(
    forwards: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = shutil.copytree(forwards, tmp_path / "old") / "model.stream.onnx"
    file = onnx.load(old)
    kept = [part for part in file.graph.output if part.name != "vector"]
    del file.graph.output[:]
    file.graph.output.extend(kept)
    del file.metadata_props[-1:]  # the seal
    old.write_bytes(seal(file.SerializeToString()))
    line = refusal(capsys, *words(tmp_path / "old", "--from", folder / "own", "--out", tmp_path / "mine.onnx"))
    assert "model.stream.onnx: does not give the vector" in line
    assert "speech-lstm export" in line
    assert not list(tmp_path.glob("mine*"))


def test_thresholds_of_a_room_for_both_forms(
    forwards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room = tmp_path / "room.wav"
    soundfile.write(room, np.concatenate(others(5, 70)), SAMPLE_RATE)
    call(capsys, "calibrate", forwards / "model.onnx", "--room", room, "--out", tmp_path / "quiet.onnx")
    ours, theirs = (
        read_session(tmp_path / f"quiet{suffix}", kind)[1]
        for suffix, kind in ((".onnx", KIND), (STREAM_SUFFIX, STREAM_KIND))
    )
    assert ours == theirs
    assert ours.detection.hours == pytest.approx(5 / 3600)


def test_models_and_banks_that_cannot_be_used(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes((folder / "bank.npz").read_bytes()[:-2000])
    takes = ["--from", str(folder / "own"), "--out", str(tmp_path / "mine.onnx")]
    model = ["teach", "--model", str(folder / "model.onnx"), *takes]
    assert "not a bank, or damaged" in refusal(capsys, *[*model, "--bank", str(damaged)])
    assert "no such file" in refusal(capsys, *[*model, "--bank", str(tmp_path / "none.npz")])
    assert "no bank of other words" in refusal(capsys, *model)
    assert "only an exported model can be taught" in refusal(capsys, *["teach", "--model", "m.safetensors", *takes])
    assert "was not taught" in refusal(capsys, *words(folder, "--remove", "lights"))
    other = tmp_path / "other.onnx"
    other.write_bytes(recording_model(model_of("lstm", hidden=8)))
    bank = ["--bank", str(folder / "bank.npz")]
    assert "of another model" in refusal(capsys, *["teach", "--model", str(other), *takes, *bank])
    assert "cannot be kept" in refusal(capsys, *words(folder, *takes, "--keep", "lamp"))
    assert "must end in .onnx" in refusal(
        capsys, *words(folder, "--from", folder / "own", "--out", tmp_path / "mine.bin")
    )
    assert not (tmp_path / "mine.onnx").exists()


def test_a_file_that_nobody_named_is_not_overwritten(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.onnx").write_bytes(b"precious")
    assert "own.onnx exists" in refusal(capsys, *words(folder, "--from", folder / "own"))
    assert (tmp_path / "own.onnx").read_bytes() == b"precious"


@needs_limits
def test_a_full_disk_leaves_the_model_that_was_there(
    taught: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.onnx"
    out.write_bytes(taught.read_bytes())
    with files_of_at_most(10_000):
        assert "cannot be written" in refusal(capsys, *words(folder, "--from", folder / "own", "--out", out))
    assert out.read_bytes() == taught.read_bytes()
    assert list(tmp_path.iterdir()) == [out]


def test_only_the_room_of_a_taught_model_changes(
    taught: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is said of takes: the model is changed, and keeps its words."""
    model = tmp_path / "mine.onnx"
    model.write_bytes(taught.read_bytes())
    write_take(tmp_path / "room.wav", np.concatenate(others(3, 3000)))
    change = ["teach", "--model", model, "--bank", folder / "bank.npz", *RATE, "--room", tmp_path / "room.wav"]
    assert call(capsys, *change)[0] == 0
    assert load(model).labels == load(taught).labels
    assert load(model).detection.hours == pytest.approx(3 / 3600)


@pytest.mark.parametrize("part", ["points", "kinds", "names", "offset"])
def test_a_bank_whose_parts_do_not_fit_together(folder: Path, tmp_path: Path, part: str) -> None:
    with np.load(folder / "bank.npz") as file:
        arrays = dict(file)
    arrays[part] = arrays[part][:-1]
    np.savez(tmp_path / "bank.npz", **arrays)
    with pytest.raises(ModelError, match="not a bank, or damaged"):
        Bank.load(tmp_path / "bank.npz")


BANKS = sorted((Path(__file__).parents[1] / "checkpoints").glob("*.bank.npz"))


@pytest.mark.parametrize("file", BANKS, ids=lambda file: file.name)
def test_an_included_bank_is_that_of_its_model(file: Path) -> None:
    """If not, run scripts/make_bank.py: the model has changed."""
    bank, model = Bank.load(file), OnnxModel(file.with_name(file.name.replace(".bank.npz", ".onnx")))
    assert bank.source == model.source
    assert bank.space.projection.shape[0] == model.session.vector_size
    assert bank.is_speech.sum() > 1000
    assert bank.is_noise.any()
    assert file.stat().st_size <= 2_000_000


# --- parts -------------------------------------------------------------------------------------------------------


def test_variations_are_those_of_training(folder: Path) -> None:
    """Shift, speed, level and noise are torch's; the response has nearly the same effect on the features."""
    features = FeatureConfig()
    clip, noise = spoken(FORMANTS["lights"], 1), np.random.default_rng(1).uniform(-1, 1, CLIP_SAMPLES)
    noise = noise.astype(np.float32)
    variation = Variation(rate=1.07, shift=-900, gain=0.6, snr=9.0, response=np.zeros(4))
    augment = Augment(AugmentConfig(), torch.from_numpy(noise), CLIP_SAMPLES, features)
    changes = {"rate": 1.07, "shift": -900.0, "gain": 0.6, "noise_snr": 9.0, "noise_volume": 1.0, "noise_start": 0}
    draws = augment.draw(1, 1)
    for name, value in changes.items():
        getattr(draws, name).fill_(value)
    expected = augment.waveforms(torch.from_numpy(clip)[None].clone(), torch.zeros(1, dtype=torch.bool), draws)[0]
    np.testing.assert_allclose(vary(clip, variation, noise, features), expected.numpy(), atol=2e-4)
    response = np.array([3.0, -2.0, 1.0, 2.0])
    white = (0.1 * noise).astype(np.float32)
    logs = FeatureConfig(kind="log-mel", mels=40)
    front_end, timbre = FrontEnd(logs), Timbre(logs, torch.device("cpu"))
    there = timbre(front_end(torch.from_numpy(white)[None]), torch.ones(1), torch.from_numpy(response)[None].float())
    here = front_end(torch.from_numpy(filtered(white, response, logs))[None])
    assert float((there - here)[:, 5:-5].abs().mean()) < 0.1
    np.testing.assert_array_equal(resampled(clip, 1.0, 0), clip)


def test_only_words_are_named_as_confused(folder: Path) -> None:
    """A bank also has running speech, noise, and recordings of several words, whose name says nothing."""
    bank = Bank.load(folder / "bank.npz")
    taught = teach(Lesson({"lamp": [bank.points[:4], bank.points[4:8]]}, bank), 0.5)
    confused = {"lamp": Counter({"_several": 4, SPEECH: 3, NOISE: 2, "clamp": 1})}
    assert confused_with(replace(taught, confused=confused), "lamp") == "clamp 1"


def test_the_fit_reaches_the_minimum() -> None:
    random = np.random.default_rng(3)
    points = random.standard_normal((300, 6)).astype(np.float32)
    labels = (points @ random.standard_normal((6, 3)) + random.gumbel(size=(300, 3))).argmax(1)
    head = fit(points, labels, np.full(300, 1 / 300, np.float32), 3)
    error = (softmax(head.logits(points)) - np.eye(3, dtype=np.float32)[labels]) / 300
    assert np.abs(points.T @ error + PENALTY * head.weights).max() < 1e-4


def test_the_tail_of_exponential_margins_is_found() -> None:
    margins = np.random.default_rng(4).exponential(2.0, 20_000).astype(np.float32)
    tail = Tail.of(margins)
    assert tail.scale == pytest.approx(2, rel=0.1)
    margin = tail.margin(0.5)
    assert tail.rate(margin) == pytest.approx(0.5)
    assert np.exp(-margin / 2) * SECONDS * DETECTED == pytest.approx(0.5, rel=0.7)
    low, high = tail.interval(margin)
    assert low < 0.5 < high
    assert SHARE * len(margins) == pytest.approx(tail.above, abs=1)


def test_the_gain_is_of_recordings_that_the_head_has_not_seen(folder: Path) -> None:
    """Points at random: learning one half says nothing of the other, so nothing is gained."""
    bank = Bank.load(folder / "bank.npz")
    lesson = Lesson({"lamp": [bank.points[:4], bank.points[4:8]]}, bank)
    noise = unit(np.random.default_rng(5).standard_normal((20, bank.points.shape[1])).astype(np.float32))
    gain = measure_gain(lesson, {"lamp": list(noise[:10, None])}, list(noise[10:, None]), 1000)
    assert (gain.takes, gain.others) == (10, 10)
    assert gain.takes_after <= 5
    same = measure_gain(lesson, {"lamp": [bank.points[20:21]] * 10}, [], 1000)
    assert (same.takes_before, same.takes_after, same.others) == (0, 10, 0)


def test_one_take_is_never_left_out(folder: Path) -> None:
    bank = Bank.load(folder / "bank.npz")
    take = bank.points[:4]
    result = teach(Lesson({"lamp": [take]}, bank), 0.5)
    assert result.answers == {"lamp": []}


def test_more_words_do_not_weaken_each_other(folder: Path) -> None:
    """Of five words and more, each counts for as much beside the bank."""
    bank = Bank.load(folder / "bank.npz")

    def weight(count: int) -> float:
        rows = Lesson({f"word {i}": [bank.points[i : i + 4]] for i in range(count)}, bank).rows()
        words, unknown = (rows.shares[rows.labels == label].sum() for label in (0, count))
        return float(words / unknown)

    assert weight(1) == pytest.approx(2 * weight(2), rel=1e-4) == pytest.approx(5 * weight(5), rel=1e-4)
    assert weight(17) == pytest.approx(weight(5), rel=1e-4)
