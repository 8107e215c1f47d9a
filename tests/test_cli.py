"""The command line as a user meets it: answers, exit statuses, one line for every error."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from conftest import ROOT
from speech_lstm import commands
from speech_lstm.commands.parser import build_parser, summary
from speech_lstm.config import COMMANDS_8, SAMPLE_RATE, SILENCE, UNKNOWN, Config, read_config
from speech_lstm.model.bundled import bundled_model
from speech_lstm.recognition.recognizer import load
from speech_lstm.training.run import train
from support.command_line import SLOW, answer, call, refusal

LABELS = (*COMMANDS_8, UNKNOWN, SILENCE)


# --- help --------------------------------------------------------------------------------------------------------

LIGHT = """
import sys
import speech_lstm
from speech_lstm.cli import main
try:
    main(["train", "--help"])
finally:
    heavy = "torch torchaudio numpy soundfile soxr matplotlib librosa rich sounddevice tqdm safetensors".split()
    assert not [name for name in heavy if name in sys.modules], sorted(sys.modules)
"""


def test_help_imports_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=SLOW)
    assert run.returncode == 0, run.stderr
    assert "--learning-rate" in run.stdout


@pytest.mark.parametrize("command", commands.NAMES)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    status, out, _ = call(capsys, command, "--help")
    assert status == 0
    assert out.startswith(f"usage: speech-lstm {command} ")


def test_the_commands_are_listed_with_what_each_does(capsys: pytest.CaptureFixture[str]) -> None:
    listing = " ".join(call(capsys, "--help")[1].split())
    for command in commands.NAMES:
        about = summary(import_module(f"speech_lstm.commands.{command.replace('-', '_')}").__doc__)
        assert about
        assert f" {command} {about} " in listing


def test_the_help_fits_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in ((), *((command,) for command in commands.NAMES), ("train", "--help-all")):
        assert max(map(len, call(capsys, *words, "--help")[1].splitlines())) <= 80, words


@pytest.mark.parametrize("command", commands.NAMES)
def test_the_examples_are_command_lines(command: str) -> None:
    module = import_module(f"speech_lstm.commands.{command.replace('-', '_')}")
    words = getattr(module, "EXAMPLE", command).split()
    assert words[0] == command
    assert build_parser().parse_args(words).run == module.run


def test_every_setting_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    text, short = (call(capsys, "train", flag)[1] for flag in ("--help-all", "--help"))
    for group in Config().to_dict().values():
        for name in group:
            assert f"--{name.replace('_', '-')} " in text
    assert "--window-ms ms" in text
    assert "--plugin" in text
    assert 10 < len(set(re.findall(r"--[a-z-]+", short))) < 20
    assert "features –" not in short  # a group without a flag


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capsys)
    assert (status, err) == (1, "")
    assert out == call(capsys, "--help")[1]


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert answer(capsys, "--version") == f"speech-lstm {project['version']}\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("clasify a.wav", "speech-lstm: argument COMMAND: invalid choice: 'clasify'; did you mean 'classify'?; see "),
        ("xyzzy", "invalid choice: 'xyzzy'; choose from classify, listen, "),
        ("train --out a --hiden 64", "train: unknown flag --hiden; did you mean '--hidden'?; see speech-lstm train "),
        ("train --hiden 64", "train: unknown flag --hiden; did you mean '--hidden'?"),  # before the missing --out
        ("--jsonl", "speech-lstm: unknown flag --jsonl; see speech-lstm --help"),  # near to no other
        ("--verson", "unknown flag --verson; did you mean '--version'?"),
        ("classify a.wav --treshold=0.5", "classify: unknown flag --treshold; did you mean '--threshold'?"),
        ("classify a.wav --xyzzy", "classify: unknown flag --xyzzy; see speech-lstm classify --help"),
        ("devices all", "devices: unexpected argument 'all'; see speech-lstm devices --help"),
        ("study rum greff", "study: argument ACTION: invalid choice: 'rum'; did you mean 'run'?"),
        (
            "study run greff --trails 2",
            "study run: unknown flag --trails; did you mean '--trials'?; see speech-lstm s",
        ),
        ("evaluate m --data d --split test", "argument --split: invalid choice: 'test'; did you mean 'testing'?"),
    ],
)
def test_what_is_mistyped(capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    status, out, err = call(capsys, *words.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert says in err


COMPLETE = """
COMP_WORDS=(speech-lstm "$@"); COMP_CWORD=$#
_shtab_speech_lstm speech-lstm "${@: -1}"
echo "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "answers"),
    [
        (("cla",), "classify"),
        (("study", "re"), "report"),
        (("train", "--le"), "--level-db --leave-out --learning-rate"),
        (("evaluate", "m", "--split", "v"), "validation"),
        (("classify", "REA"), "README.md"),
        (("evaluate", "m", "--data", "doc"), "docs"),
    ],
)
def test_the_shell_completes(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], answers: str) -> None:
    script = answer(capsys, "--completion", "bash") + COMPLETE
    run = subprocess.run(["bash", "-c", script, "bash", *words], cwd=ROOT, capture_output=True, text=True)
    assert (run.stdout.split(), run.stderr) == (answers.split(), "")


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh"])
def test_other_shells_have_a_script(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert "classify" in answer(capsys, "--completion", shell)


@pytest.mark.parametrize(
    "words", ["recognise", "classify", "classify --top 0 a.wav", "classify --threshold 2 a.wav", "train --epoch"]
)
def test_a_wrong_command_line(capsys: pytest.CaptureFixture[str], words: str) -> None:
    status, out, err = call(capsys, *words.split())
    assert (status, out) == (2, "")
    assert err.count("\n") == 1


# --- classify ----------------------------------------------------------------------------------------------------


def test_classify_a_folder(capsys: pytest.CaptureFixture[str], model_file: Path, demo: Path) -> None:
    status, out, err = call(capsys, "classify", demo / "yes", "--model", model_file, "--top", 3)
    assert (status, err) == (0, "")
    names = [line.split("  ")[0] for line in out.splitlines()]
    assert names == [str(path) for path in sorted((demo / "yes").glob("*.wav"))]
    assert all(line.count(" %") == 3 for line in out.splitlines())
    assert sum("s  yes " in line for line in out.splitlines()) > 0.6 * len(names)


def test_classify_as_json_lines(capsys: pytest.CaptureFixture[str], model_file: Path, demo: Path) -> None:
    path = min((demo / "go").glob("*.wav"))
    status, out, _ = call(capsys, "classify", path, "--model", model_file, "--jsonl")
    assert status == 0
    (answer,) = map(json.loads, out.splitlines())
    assert answer.keys() == {"file", "start", "end", "label", "probability", "scores"}
    want = load(model_file).classify(path)
    assert (answer["file"], answer["label"]) == (str(path), want.label)
    assert (answer["start"], answer["end"]) == (0, want.end)
    assert answer["probability"] == pytest.approx(want.probability, abs=1e-5)
    assert answer["scores"] == pytest.approx(want.scores, abs=1e-5)


def test_classify_a_long_recording(
    capsys: pytest.CaptureFixture[str], model_file: Path, demo: Path, tmp_path: Path
) -> None:
    gap, voice = np.zeros(SAMPLE_RATE), min((demo / "yes").glob("*.wav")).name
    words = ["yes", "left", "stop"]
    parts = [part for word in words for part in (gap, soundfile.read(demo / word / voice)[0])]
    soundfile.write(tmp_path / "long.wav", np.concatenate([*parts, gap]), SAMPLE_RATE)
    soundfile.write(tmp_path / "quiet.wav", np.zeros(3 * SAMPLE_RATE), SAMPLE_RATE)
    flags = ("--model", model_file, "--threshold", 0.5)
    status, out, _ = call(capsys, "classify", tmp_path / "long.wav", tmp_path / "quiet.wav", *flags)
    assert status == 0
    *lines, quiet = out.splitlines()
    assert [line.split()[3] for line in lines] == words
    assert quiet == f"{tmp_path / 'quiet.wav'}  no command"
    status, out, _ = call(capsys, "classify", tmp_path, "--jsonl", *flags)
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["label"] for answer in answers] == words
    assert all(earlier["end"] <= later["start"] for earlier, later in pairwise(answers))


def test_one_damaged_recording_among_many(
    capsys: pytest.CaptureFixture[str], model_file: Path, demo: Path, tmp_path: Path
) -> None:
    good = min((demo / "no").glob("*.wav"))
    (tmp_path / "cut.wav").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "text.wav").write_text("not audio")
    words = (good, tmp_path / "cut.wav", tmp_path / "text.wav", good)
    status, out, err = call(capsys, "classify", *words, "--model", model_file)
    assert status == 1
    assert [line.split("  ")[0] for line in out.splitlines()] == [str(good)] * 2
    cut, text, count = err.splitlines()
    assert cut.startswith(f"speech-lstm: {tmp_path / 'cut.wav'}: is truncated")
    assert text.startswith(f"speech-lstm: {tmp_path / 'text.wav'}: ")
    assert "2 of 4 recordings" in count


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", [".onnx", ".safetensors"])
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_samples_beyond_all_bounds_end_no_folder_and_give_no_nan(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path, form: str, rate: int
) -> None:
    word = np.resize(soundfile.read(demo / "stop" / "7a254b5f_nohash_0.wav")[0], 8_000)
    loud = 3.4e38 * np.resize([1, -1], 200)
    soundfile.write(tmp_path / "a.wav", np.concatenate([word, loud, 0 * word, 0 * word]), rate, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", np.append(word, 1e25), rate, subtype="FLOAT")
    shutil.copy(demo / "stop" / "7a254b5f_nohash_0.wav", tmp_path / "c.wav")
    status, out, err = call(capsys, "classify", tmp_path, "--jsonl", "--model", bundled_model(form))
    assert status == 1
    (answer,) = map(json.loads, out.splitlines())
    assert (answer["file"], answer["label"]) == (str(tmp_path / "c.wav"), "stop")
    first, second, count = err.splitlines()
    assert first.startswith(f"speech-lstm: {tmp_path / 'a.wav'}: has samples far beyond full scale")
    assert second.startswith(f"speech-lstm: {tmp_path / 'b.wav'}: has samples far beyond full scale")
    assert "2 of 3 recordings" in count
    assert "beyond full scale" in refusal(capsys, "listen", "--input", tmp_path / "b.wav", "--plain")


def test_a_foreign_recording_in_a_folder_is_named(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path
) -> None:
    shutil.copy(demo / "stop" / "7a254b5f_nohash_0.wav", tmp_path / "a.wav")
    (tmp_path / "b.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    (tmp_path / "more").symlink_to(demo / "go")
    status, out, err = call(capsys, "classify", tmp_path)
    assert status == 1
    assert len(out.splitlines()) == 1 + len(list((demo / "go").glob("*.wav")))
    assert err.startswith(f"speech-lstm: {tmp_path / 'b.m4a'}: not a recording in a supported format")


def test_classify_standard_input(model_file: Path, demo: Path) -> None:
    path = min((demo / "stop").glob("*.wav"))
    command = [sys.executable, "-m", "speech_lstm", "classify", "-", str(path), "--model", str(model_file), "--jsonl"]
    run = subprocess.run(command, input=path.read_bytes(), capture_output=True, timeout=SLOW)
    assert (run.returncode, run.stderr) == (0, b"")
    piped, named = (json.loads(line) for line in run.stdout.splitlines())
    assert (piped.pop("file"), named.pop("file")) == ("-", str(path))
    assert piped == named


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX pipe")
def test_a_reader_that_exits_is_no_error(demo: Path) -> None:
    command = [sys.executable, "-m", "speech_lstm", "classify", str(demo / "yes")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(SLOW) == 0


# --- evaluate ----------------------------------------------------------------------------------------------------


def test_evaluate_counts_every_clip(
    capsys: pytest.CaptureFixture[str], model_file: Path, demo: Path, tmp_path: Path
) -> None:
    numbers, plots = tmp_path / "scores.json", tmp_path / "plots"
    words = ("evaluate", model_file, "--data", demo, "--json", numbers, "--plots", plots, "--device", "cpu")
    status, out, _ = call(capsys, *words)
    assert status == 0
    scores = json.loads(numbers.read_text(encoding="utf-8"))
    testing = (demo / "testing_list.txt").read_text().split()
    spoken = [name for name in testing if name.split("/")[0] in COMMANDS_8]
    unknown = silence = -(-len(spoken) // 10)
    assert scores["count"] == len(spoken) + unknown + silence
    assert np.sum(scores["confusion"]) == scores["count"]
    model = load(model_file)
    answers = model.classify([demo / name for name in spoken])
    right = sum(answer.label == name.split("/")[0] for answer, name in zip(answers, spoken, strict=True))
    assert np.trace(np.array(scores["confusion"])[:8, :8]) == right
    assert f"of {scores['count']} recordings" in out
    assert {path.name for path in plots.iterdir()} == {
        *("confusion.png", "labels.png", "calibration.png", "open_set.png")
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in plots.iterdir())


def test_evaluate_another_split(capsys: pytest.CaptureFixture[str], run_folder: Path, demo: Path) -> None:
    """The last epoch of the run's own record, scored again."""
    status, out, _ = call(
        capsys, "evaluate", run_folder / "last.safetensors", "--data", demo, "--split", "validation"
    )
    assert status == 0
    last = json.loads((run_folder / "summary.json").read_text(encoding="utf-8"))["history"][-1]
    assert f"accuracy {100 * last['validation_accuracy']:.1f} %" in out


def test_evaluate_tells_how_held_out_words_are_refused(
    capsys: pytest.CaptureFixture[str], run_folder: Path, demo: Path, tmp_path: Path
) -> None:
    config = read_config(run_folder / "config.toml")
    corpus, training = replace(config.corpus, hold_out="bed,cat"), replace(config.training, epochs=1)
    train(replace(config, corpus=corpus, training=training), demo, tmp_path / "run", progress=False)
    status, out, _ = call(capsys, "evaluate", tmp_path / "run" / "last.safetensors", "--data", demo)
    assert status == 0
    count = sum(len(list((demo / word).glob("*.wav"))) for word in ("bed", "cat"))
    assert f" of {count} recordings" in out


# --- what cannot be used -----------------------------------------------------------------------------------------


def test_recordings_that_can_not_be_classified(
    capsys: pytest.CaptureFixture[str], model_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    soundfile.write(tmp_path / "nan.wav", np.full(SAMPLE_RATE, np.nan), SAMPLE_RATE, subtype="FLOAT")
    flags = ("--model", model_file)
    for name, says in {
        "text.wav": "not ",
        "empty.wav": "empty",
        "nan.wav": "not numbers",
        "folder": "without a recording",
        "nowhere": "there is no such file",
    }.items():
        assert says in refusal(capsys, "classify", tmp_path / name, *flags)


def test_models_that_are_none(
    capsys: pytest.CaptureFixture[str], model_file: Path, run_folder: Path, demo: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.safetensors").write_bytes(model_file.read_bytes()[:-1])
    clip = min((demo / "yes").glob("*.wav"))
    for path in (tmp_path / "none", tmp_path, clip, tmp_path / "cut.safetensors", run_folder / "state.safetensors"):
        assert str(path) in refusal(capsys, "classify", clip, "--model", path)
        assert str(path) in refusal(capsys, "evaluate", path, "--data", demo)


def test_corpora_that_are_none(capsys: pytest.CaptureFixture[str], model_file: Path, tmp_path: Path) -> None:
    assert "none: no such folder" in refusal(capsys, "evaluate", model_file, "--data", tmp_path / "none")
    assert f"{tmp_path}: no recordings" in refusal(capsys, "evaluate", model_file, "--data", tmp_path)
    assert "'tpu'" in refusal(capsys, "evaluate", model_file, "--data", tmp_path, "--device", "tpu")
