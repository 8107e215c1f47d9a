"""Measuring detection and choosing thresholds, from the posteriors on and from the command line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from conftest import ROOT
from speech_lstm.commands.calibrate import place_of
from speech_lstm.commands.parser import build_parser
from speech_lstm.config import COMMANDS_8, SAMPLE_RATE, SILENCE, UNKNOWN, DetectionConfig
from speech_lstm.model.checkpoint import load_model, save_model
from speech_lstm.recognition.posteriors import Rows
from speech_lstm.recognition.recognizer import load
from speech_lstm.streams.replay import StreamPosteriors, join
from speech_lstm.streams.report import precision_notes, thresholds_table
from speech_lstm.streams.score import Rate, StreamScore
from speech_lstm.streams.speech_thresholds import Material, choose_decision
from speech_lstm.streams.thresholds import ChosenThresholds, ThresholdError, choose_thresholds, share_out
from speech_lstm.streams.tradeoff import TradeOff, trade_off
from speech_lstm.streams.truth import Event
from support.command_line import SLOW, call, refusal

LABELS = ("yes", "no", UNKNOWN, SILENCE)
EASY, HARD = DetectionConfig({"yes": 0.5, "no": 0.5}), DetectionConfig({"yes": 0.9, "no": 0.9})


def scripted(peaks: list[tuple[str, float, float]], events: list[Event], seconds: float = 1010.0) -> StreamPosteriors:
    """A stream in which the posterior of a label rises to a height at these times, the rest of it silent.

    It counts as one hour, although its rows end after `seconds`: more rows of silence would only cost time.
    """
    times = np.arange(0, seconds, 0.1)
    posteriors = np.tile(np.array([0, 0, 0, 1], np.float32), (len(times), 1))
    for label, time, height in peaks:
        rows = (times >= time - 0.3) & (times < time + 0.3)
        posteriors[rows] = 0
        posteriors[rows, LABELS.index(label)] = height
        posteriors[rows, 2] = 1 - height
    return StreamPosteriors(
        LABELS, 1.0, tuple(events), Rows(times, posteriors, np.full(len(times), 60, np.float32)), 0.1
    )


PEAKS = [
    *(("yes", 10.0 * i, 0.55 + 0.02 * i) for i in range(1, 21)),  # said: heights 0.57–0.95
    *(("no", 300 + 10.0 * i, 0.75 + 0.01 * i) for i in range(1, 21)),  # said: 0.76–0.95
    *(("yes", 600 + 10.0 * i, 0.5 + 0.04 * i) for i in range(1, 6)),  # dog: 0.54–0.70
    ("no", 900.0, 0.8),  # in silence
]
EVENTS = [
    *(Event("yes", 10.0 * i - 0.6, 10.0 * i - 0.2, 12.0, "y") for i in range(1, 21)),
    *(Event("no", 300 + 10.0 * i - 0.6, 300 + 10.0 * i - 0.2, 22.0, "n") for i in range(1, 21)),
    *(Event("dog", 600 + 10.0 * i - 0.6, 600 + 10.0 * i - 0.2, 12.0, "d") for i in range(1, 6)),
    Event(SILENCE, 800.0, 1000.0),
]


def score(posteriors: StreamPosteriors, detection: DetectionConfig) -> StreamScore:
    matching = posteriors.decide(detection)
    return StreamScore(posteriors.hours, posteriors.commands, posteriors.events, matching)


def test_what_a_score_counts() -> None:
    stream = score(scripted(PEAKS, EVENTS), DetectionConfig({"yes": 0.5, "no": 0.79}))
    total = stream.total
    assert (total.occurrences, total.matched, total.missed, total.wrong) == (40, 37, 3, 0)
    assert {group.name: (group.occurrences, group.reported) for group in stream.false_accept_groups} == {
        "dog": (5, {"yes": 5}),
        "no speech": (None, {"no": 1}),
    }
    assert stream.false_accepts.per_hour == pytest.approx(6)
    assert [counts.false_accepts.count for counts in stream.words if counts.false_accepts] == [5, 1]
    assert [(counts.name, counts.occurrences) for counts in stream.snr_ranges] == [
        ("10 to 15 dB", 20),
        ("20 to 25 dB", 20),
    ]
    assert [counts.occurrences for counts in stream.spacings] == [40, 0]
    assert (stream.latencies > -0.4).all()
    assert (stream.latencies < 0.3).all()
    assert json.loads(json.dumps(stream.to_dict()))["all"]["not_matched"]["hits"] == 3


def test_a_wrong_word_is_no_false_accept() -> None:
    stream = score(scripted([("no", 10.0, 0.9)], [Event("yes", 9.5, 9.9)]), EASY)
    assert (stream.total.matched, stream.total.wrong, stream.total.missed) == (0, 1, 0)
    assert stream.false_accepts.count == 0


def test_the_operating_point_lies_on_the_curve() -> None:
    posteriors, detection = scripted(PEAKS, EVENTS), DetectionConfig({"yes": 0.62, "no": 0.85})
    curve = trade_off(posteriors, detection, progress=False)
    rates, missed = curve.curve()
    own = score(posteriors, detection)
    assert rates[curve.operating] == pytest.approx(own.false_accepts.per_hour)
    assert missed[curve.operating] == pytest.approx(own.total.not_matched.share)
    assert list(curve.thresholds[curve.operating]) == [0.62, 0.85]
    assert missed[0] == 0
    assert missed[-1] == 1
    assert (rates[0], rates[-1]) == (6, 0)
    assert curve.missed_at(0.5) is not None
    assert curve.missed_at(0.5) >= (curve.missed_at(3) or 0) >= (curve.missed_at(6) or 0) == 0  # type: ignore[operator]


@pytest.mark.parametrize(("rate", "matched"), [(6, 40), (5, 39), (1, 32), (0.5, 27)])
def test_the_false_accepts_are_shared_out_among_the_words(rate: float, matched: int) -> None:
    """The five of `yes` buy seven commands together, the one of `no` five."""
    chosen = choose_thresholds(scripted(PEAKS, EVENTS), DetectionConfig(), rate, progress=False)
    assert chosen.score.false_accepts.count <= rate
    assert chosen.score.total.matched >= matched
    assert chosen.detection.thresholds.keys() == {"yes", "no"}
    assert len(precision_notes(chosen)) == (rate < 5)


def test_no_threshold_is_high_enough() -> None:
    sure = scripted([("yes", 100.0, 1.0)], [Event("yes", 10.0, 10.5), Event("no", 20.0, 20.5)])
    with pytest.raises(ThresholdError, match=r"thresholds of 0\.99\d* still give 1 false accepts in 1 h"):
        choose_thresholds(sure, DetectionConfig(), 0.5, progress=False)


def test_a_command_that_does_not_occur_gets_no_threshold() -> None:
    with pytest.raises(ThresholdError, match=r"1 h of stream do not contain no; .+ --hours"):
        choose_thresholds(scripted(PEAKS, EVENTS[:20]), DetectionConfig(), 0.5, progress=False)


@pytest.mark.parametrize("own", [0.0, 0.05, 1.0])
def test_the_curve_of_thresholds_outside_of_it(own: float) -> None:
    short = scripted(PEAKS[:8], EVENTS, 90.0)
    curve = trade_off(short, DetectionConfig({"yes": own, "no": own}), progress=False)
    assert set(curve.thresholds[curve.operating]) == {own}
    assert (np.diff(curve.thresholds[:, 0]) > 0).all()


counts = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=3, max_size=3)


@settings(max_examples=100, deadline=None)
@given(words=st.lists(counts, min_size=1, max_size=3), budget=st.integers(0, 6))
def test_no_other_share_would_match_more(words: list[list[tuple[int, int]]], budget: int) -> None:
    """Compared with every combination of the thresholds."""
    table = np.array(words).transpose(1, 0, 2)  # [settings, words, matched and false]
    table = np.concatenate([table, np.zeros_like(table[:1])])  # the highest threshold: nothing fires
    names = tuple(f"w{i}" for i in range(len(words)))
    thresholds = np.repeat(np.arange(4.0)[:, None], len(words), 1)
    occurrences = np.full(len(words), 9)
    curve = TradeOff(names, 1.0, occurrences, thresholds, table[..., 0], table[..., 1], 0)
    chosen = share_out(curve, budget).astype(int)
    everything = np.array(np.meshgrid(*[range(4)] * len(words))).reshape(len(words), -1).T
    columns = range(len(words))
    allowed = [choice for choice in everything if table[choice, columns, 1].sum() <= budget]
    assert table[chosen, columns, 1].sum() <= budget
    assert table[chosen, columns, 0].sum() == max(table[choice, columns, 0].sum() for choice in allowed)


@pytest.mark.parametrize("count", [0, 1, 7, 40])
def test_the_interval_of_a_rate_is_exact(count: int) -> None:
    """At its ends, that many events or more, or that many or fewer, have a probability of 2.5 %."""
    low, high = Rate(count, 2.0).interval
    assert poisson.cdf(count, 2 * high) == pytest.approx(0.025)
    assert low == 0 if count == 0 else poisson.sf(count - 1, 2 * low) == pytest.approx(0.025)


def test_only_a_short_stream_is_too_short() -> None:
    def notes(hours: float) -> list[str]:
        posteriors = replace(scripted(PEAKS[:1], EVENTS, 20.0), hours=hours)
        return precision_notes(ChosenThresholds(HARD, score(posteriors, HARD), 0.5))

    assert notes(10.0) == []
    (note,) = notes(4.0)
    assert "0.5 an hour is 2.0 in 4 h" in note
    assert "--hours 10" in note


def speech_of(*peaks: tuple[str, float, float], hours: float = 1.0) -> StreamPosteriors:
    """Continuous speech: its posteriors rise to these peaks, and it has no pauses."""
    speech = scripted(list(peaks), [])
    return replace(
        speech, hours=hours, rows=speech.rows._replace(isolations=np.zeros(len(speech.rows.times), np.float32))
    )


def test_joined_streams_are_decided_as_apart() -> None:
    parts = [
        scripted(PEAKS[:3], EVENTS[:3], 40.0),
        scripted(PEAKS[1:9], EVENTS[1:9], 95.0),
        speech_of(("no", 9.0, 0.9)),
    ]
    whole = join(parts)
    for detection in (EASY, replace(EASY, smoothing=0.6, isolation=9.0)):
        assert (whole.counts(detection) == sum(part.counts(detection) for part in parts)).all()
    assert whole.hours == 3
    assert (np.diff(whole.rows.times) > 0).all()
    assert [event.word for event in whole.events] == ["yes"] * 11


def test_the_curve_counts_the_false_accepts_in_speech_besides() -> None:
    posteriors, speech = scripted(PEAKS, EVENTS), speech_of(("yes", 10.0, 0.7), ("no", 20.0, 0.9), hours=2.0)
    curve = trade_off(posteriors, EASY, progress=False, speech=speech)
    rates, missed = curve.curve(speech=True)
    assert rates[0] == 1
    assert rates[-1] == 0
    assert (missed == curve.curve()[1]).all()
    assert (curve.curve("yes", speech=True)[0] <= 0.5).all()
    assert (curve.missed_at(0.4, speech=True) or 0) > (curve.missed_at(0.6, speech=True) or 0)
    facts = json.loads(json.dumps(curve.to_dict()))
    assert facts["speech_curves"]["all"]["not_matched"] == facts["curves"]["all"]["not_matched"]
    assert "speech_curves" not in trade_off(posteriors, EASY, progress=False).to_dict()


def test_speech_without_pauses_makes_the_decision_ask_for_pauses() -> None:
    """At any threshold that matches a command the speech is falsely accepted, but it has no pauses."""
    speech = speech_of(*(("yes", 10.0 * i, 1.0) for i in range(1, 9)))
    material = Material(scripted(PEAKS, EVENTS), speech, 1.0)
    chosen, comparison = choose_decision(material, DetectionConfig({"yes": 0.3}, 7.0), progress=False)
    detection = chosen.detection
    assert comparison.best == (0.3, 6.0)
    assert all((share is None) == (isolation == 0) for (_, isolation), share in comparison.missed.items())
    assert chosen.score.total.not_matched == comparison.missed[0.3, 6.0]
    assert (detection.isolation, len(set(detection.thresholds.values()))) == (6.0, 1)
    assert detection.rate == "1 an hour of continuous speech, 0 in 1 h"
    assert "none" in thresholds_table(chosen, comparison)
    assert "of continuous speech" in thresholds_table(chosen, comparison)
    assert len(precision_notes(chosen)) == 1


def test_a_second_rate_limits_the_stream() -> None:
    posteriors, speech = scripted(PEAKS, EVENTS), speech_of(("yes", 10.0, 0.5))
    free, _ = choose_decision(Material(posteriors, speech, 0.5), DetectionConfig(), progress=False)
    strict, _ = choose_decision(Material(posteriors, speech, 0.5, 2.0), DetectionConfig(), progress=False)
    assert free.score.false_accepts.count > 2 >= strict.score.false_accepts.count
    assert free.score.total.matched >= strict.score.total.matched
    sure = speech_of(("yes", 10.0, 1.0))
    sure = replace(sure, rows=sure.rows._replace(isolations=posteriors.rows.isolations))
    with pytest.raises(
        ThresholdError, match=r"no threshold has at most 0\.5 false accepts an hour in the 1 h of speech"
    ):
        choose_decision(Material(posteriors, sure, 0.5), DetectionConfig(), progress=False)


# --- the command line ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model_file() -> Path:
    """The bundled model: training one takes longer."""
    return ROOT / "checkpoints" / "commands8.safetensors"


@pytest.fixture(scope="module")
def onnx_file() -> Path:
    """The same model without torch."""
    return ROOT / "checkpoints" / "commands8.onnx"


@pytest.fixture(scope="module")
def stream(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute from the command line, made without torch."""
    out = tmp_path_factory.mktemp("made") / "stream.wav"
    code = "import sys; from speech_lstm.cli import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    flags = ["--data", str(demo), "--out", str(out), "--minutes", "1", "--snr-low-db", "20"]
    command = [sys.executable, "-c", code, "make-stream", *flags]
    run = subprocess.run(command, capture_output=True, text=True, timeout=SLOW)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.endswith(f"recording {out}, truth {out.with_suffix('.csv')}\n")
    return out


def test_make_stream_makes_as_many_minutes_as_asked(stream: Path) -> None:
    assert soundfile.info(stream).frames == 60 * SAMPLE_RATE


def test_make_stream_takes_the_commands_of_a_model(
    capsys: pytest.CaptureFixture[str], onnx_file: Path, demo: Path, stream: Path, tmp_path: Path
) -> None:
    flags = ("--minutes", 1, "--snr-low-db", 20, "--model", onnx_file)
    assert call(capsys, "make-stream", "--data", demo, "--out", tmp_path / "a.wav", *flags)[0] == 0
    assert (tmp_path / "a.wav").read_bytes() == stream.read_bytes()


def test_stream_test_counts_every_command(
    capsys: pytest.CaptureFixture[str], onnx_file: Path, stream: Path, tmp_path: Path
) -> None:
    numbers, plots = tmp_path / "scores.json", tmp_path / "plots"
    flags = ("--json", numbers, "--plots", plots, "--threshold", 0.6)
    status, out, _ = call(capsys, "stream-test", onnx_file, stream, *flags)
    assert status == 0
    facts = json.loads(numbers.read_text())
    truth = stream.with_suffix(".csv").read_text().splitlines()[1:]
    said = sum(line.split(",")[0] in COMMANDS_8 for line in truth)
    total = facts["all"]
    assert total["said"] == said == total["matched"] + total["missed"] + total["wrong"]
    assert total["matched"] > 0.5 * said
    assert facts["hours"] == pytest.approx(1 / 60)
    assert set(facts["thresholds"].values()) == {0.6}
    reports = list(load(onnx_file).commands(stream, threshold=0.6))
    assert len(reports) == total["matched"] + total["wrong"] + total["false_accepts"]["count"]
    assert f"{said} commands: {total['matched']} matched" in out
    assert {path.name for path in plots.iterdir()} == {"tradeoff.png", "tradeoff_words.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in plots.iterdir())


def test_stream_test_with_a_truth_of_ones_own(
    capsys: pytest.CaptureFixture[str], onnx_file: Path, stream: Path, tmp_path: Path
) -> None:
    rows = [line.split(",")[:2] for line in stream.with_suffix(".csv").read_text().splitlines()]
    commands = [row for row in rows if row[0] in ("word", *COMMANDS_8)]
    (tmp_path / "own.csv").write_text("".join(";".join(row) + "\n" for row in commands))
    status, out, _ = call(capsys, "stream-test", onnx_file, stream, "--truth", tmp_path / "own.csv")
    assert status == 0
    assert f"{len(commands) - 1} commands: " in out
    assert "latency" not in out


def test_calibrate_writes_thresholds_that_classify_uses(
    capsys: pytest.CaptureFixture[str], model_file: Path, demo: Path, stream: Path, tmp_path: Path
) -> None:
    out = tmp_path / "calibrated.safetensors"
    before = hashlib.sha256(model_file.read_bytes()).hexdigest()
    flags = ("--hours", 0.05, "--false-accepts-per-hour", 60, "--snr-low-db", 20)
    status, output, err = call(capsys, "calibrate", model_file, "--data", demo, *flags, "--out", out)
    assert status == 0
    assert "60 an hour is 3.0" in err
    assert hashlib.sha256(model_file.read_bytes()).hexdigest() == before
    was, now = load_model(model_file), load_model(out)
    assert now.detection.thresholds.keys() == set(COMMANDS_8)
    assert now.detection.false_accepts_per_hour == 60  # the budget that the live view shows
    assert (now.labels, now.training) == (was.labels, was.training)
    weights = now.network.state_dict()
    assert all(bool((value == weights[name]).all()) for name, value in was.network.state_dict().items())
    assert f"thresholds in {out}" in output
    assert all(f"{value:.3f}" in output for value in now.detection.thresholds.values())

    def classify(model: Path) -> str:
        return call(capsys, "classify", stream, "--model", model)[1]

    silent = tmp_path / "silent.safetensors"
    save_model(silent, replace(now, detection=DetectionConfig(dict.fromkeys(COMMANDS_8, 1.0))))
    assert classify(silent) == f"{stream}  no command\n"
    assert len(classify(out).splitlines()) > 3


def test_calibrate_changes_the_model_only_when_asked() -> None:
    model = Path("runs/first/best.safetensors")

    def place(*flags: str) -> Path:
        words = ["calibrate", str(model), "--data", "corpus", *flags]
        return place_of(build_parser().parse_args(words), model)

    assert place() == Path("runs/first/best.calibrated.safetensors")
    assert place("--in-place") == model
    assert place("--out", "other.safetensors") == Path("other.safetensors")


def test_calibrate_leaves_the_model_as_it_was_when_it_fails(
    capsys: pytest.CaptureFixture[str], model_file: Path, demo: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(model_file.read_bytes())
    (tmp_path / "empty").mkdir()
    flags = ("--hours", 0.01)
    extra = ("--extra", tmp_path / "empty")
    assert "without a recording" in refusal(capsys, "calibrate", model, "--data", demo, *flags, *extra)
    assert "no such folder" in refusal(capsys, "calibrate", model, "--data", tmp_path / "none", *flags)
    assert "cannot be written" in refusal(capsys, "calibrate", model, "--data", demo, *flags, "--out", tmp_path)
    for rate in ("0", "-1", "nan", "many"):
        status, _, err = call(capsys, "calibrate", model, "--data", demo, "--false-accepts-per-hour", rate)
        assert status == 2
        assert "is not a number above 0" in err
    assert model.read_bytes() == model_file.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "empty"}


@pytest.fixture(scope="module")
def speech(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two recordings of words without gaps, one of them with a truth that names its commands."""
    folder = tmp_path_factory.mktemp("speech")
    spoken = [np.resize(soundfile.read(path)[0], 6000) for path in sorted((demo / "yes").glob("*.wav"))[:6]] * 2
    soundfile.write(folder / "a.wav", np.concatenate(spoken), SAMPLE_RATE)
    soundfile.write(folder / "b.wav", np.concatenate(spoken), SAMPLE_RATE)
    times = [len(spoken[0]) / SAMPLE_RATE * i for i in range(len(spoken))]
    (folder / "b.csv").write_text("word,start,end\n" + "".join(f"yes,{time},{time + 0.3}\n" for time in times))
    return folder


def test_stream_test_and_calibrate_with_speech(
    capsys: pytest.CaptureFixture[str], model_file: Path, stream: Path, speech: Path, demo: Path, tmp_path: Path
) -> None:
    numbers, plots, out = tmp_path / "scores.json", tmp_path / "plots", tmp_path / "out.safetensors"
    flags = ("--speech", speech, "--json", numbers, "--plots", plots)
    status, output, _ = call(capsys, "stream-test", model_file, stream, "--threshold", 0.5, *flags)
    facts = json.loads(numbers.read_text())
    assert status == 0
    assert facts["speech"]["hours"] == pytest.approx(2 * 12 * 6000 / SAMPLE_RATE / 3600)
    assert facts["speech"]["all"]["said"] == 12
    assert f"{facts['speech']['all']['false_accepts']['an_hour']:.2f} an hour of continuous speech" in output
    assert "an hour of the recording (95 % interval" in output
    assert {path.name for path in plots.iterdir()} == {"tradeoff.png", "tradeoff_words.png", "tradeoff_speech.png"}

    rates = ("--false-accepts-per-hour", 500, "--stream-false-accepts-per-hour", 300)
    flags = ("--data", demo, "--hours", 0.04, "--snr-low-db", 20, "--speech", speech, *rates, "--out", out)
    status, output, err = call(capsys, "calibrate", model_file, *flags)
    assert (status, "the speech is too short" in err) == (0, True)
    detection = load_model(out).detection
    assert detection.sound == "continuous speech"
    assert detection.rate == f"500 an hour of continuous speech, {detection.false_accepts} in 0.0025 h"
    assert f"{detection.rate}: thresholds in {out}" in output
    assert "smoothing  no pauses" in output

    paused = tmp_path / "paused.safetensors"
    save_model(
        paused, replace(load_model(out), detection=DetectionConfig(dict.fromkeys(COMMANDS_8, 0.4), isolation=12.0))
    )
    found = [
        call(capsys, "classify", speech / "a.wav", "--model", paused, *more)[1] for more in ((), ("--continuous",))
    ]
    assert found[1].count("yes") > found[0].count("yes")


def test_invalid_speech(
    capsys: pytest.CaptureFixture[str], model_file: Path, stream: Path, demo: Path, speech: Path, tmp_path: Path
) -> None:
    test = ("stream-test", model_file, stream, "--speech")
    assert "there is no such file or folder" in refusal(capsys, *test, tmp_path / "none")
    assert "a folder without a recording" in refusal(capsys, *test, tmp_path)
    late = tmp_path / "late"
    late.mkdir()
    (late / "a.wav").write_bytes((speech / "a.wav").read_bytes())
    (late / "a.csv").write_text("word,start\nyes,60\n")
    assert "reaches to 60.00 s" in refusal(capsys, *test, late)
    (late / "a.wav").write_bytes(b"RIFF")
    (late / "a.csv").unlink()
    assert str(late / "a.wav") in refusal(capsys, *test, late)
    rate = ("--stream-false-accepts-per-hour", 1)
    assert "give --speech" in refusal(capsys, "calibrate", model_file, "--data", demo, *rate)


def test_invalid_streams_and_truths(
    capsys: pytest.CaptureFixture[str], onnx_file: Path, demo: Path, stream: Path, tmp_path: Path
) -> None:
    late, other = tmp_path / "late.csv", tmp_path / "other.csv"
    late.write_text("word,start\nyes,1\nno,60.5\n")
    other.write_text("word,start\nzebra,1\n")
    short = tmp_path / "short.wav"
    soundfile.write(short, np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    test = ("stream-test", onnx_file)
    assert "reaches to 60.50 s" in refusal(capsys, *test, stream, "--truth", late)
    assert "has none of the model's commands" in refusal(capsys, *test, stream, "--truth", other)
    assert "cannot be read" in refusal(capsys, *test, short)  # no truth next to it
    assert "there is no such file" in refusal(capsys, *test, tmp_path / "none.wav", "--truth", late)
    assert "is a folder" in refusal(capsys, *test, tmp_path, "--truth", late)
    make = ("make-stream", "--data", demo)
    assert "ends in .wav" in refusal(capsys, *make, "--out", tmp_path / "a.ogg")
    assert "has no recording of zebra" in refusal(capsys, *make, "--out", tmp_path / "a.wav", "--words", "zebra,yes")
    assert not (tmp_path / "a.wav").exists()
