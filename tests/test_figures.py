"""The figures are written whole, hold what they should, and touch nothing global."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from speech_lstm.config import COMMANDS_8, SILENCE, UNKNOWN
from speech_lstm.errors import SpeechLSTMError
from speech_lstm.report.plotting import save_figure
from speech_lstm.training.evaluation import Evaluation, evaluate
from speech_lstm.training.figures import confusion_figure, curve_figure, recall_figure
from speech_lstm.training.report import headline
from support.full_disk import files_of_at_most, needs_limits

TEN = [*COMMANDS_8, UNKNOWN, SILENCE]
LINES = ["training (augmented clips)", "validation"]  # of a curve
THIRTY_FIVE = [f"word{k:02}" for k in range(35)]


def evaluation(labels: list[str], count: int) -> Evaluation:
    random = np.random.default_rng(1)
    truth = random.integers(0, len(labels), count)
    posteriors = random.dirichlet(np.full(len(labels), 0.1), count) + 0.8 * np.eye(len(labels))[truth]
    posteriors /= posteriors.sum(axis=1, keepdims=True)
    return evaluate(labels, [f"{k}.wav" for k in range(count)], truth, posteriors.astype(np.float32))


def history(epochs: int) -> list[dict[str, Any]]:
    return [
        {
            "epoch": epoch,
            "train_loss": 2 / epoch,
            "train_accuracy": 0.8 - 0.1 / epoch,
            "validation_loss": 2.2 / epoch,
            "validation_accuracy": 0.9 - 0.01 * abs(epoch - 3),
            "learning_rate": 1e-3,
            "clips_per_second": 500.0,
        }
        for epoch in range(1, epochs + 1)
    ]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in [*axes.texts, axes.title]]


def legend(axes: Axes) -> list[str]:
    box = axes.get_legend()
    return [text.get_text() for text in box.get_texts()] if box else []


@pytest.mark.parametrize("labels", [TEN, THIRTY_FIVE, ["yes"]], ids=["10", "35", "1"])
@pytest.mark.parametrize("draw", [confusion_figure, recall_figure])
def test_figures_of_an_evaluation_are_written(tmp_path: Path, labels: list[str], draw: Any) -> None:
    result = evaluation(labels, 400)
    path = tmp_path / "plots" / "figure.png"
    figure = draw(result)
    save_figure(figure, path)
    picture = imread(path)
    assert min(picture.shape[:2]) > 400
    assert picture[..., :3].std() > 0.05  # something is drawn
    assert list(path.parent.iterdir()) == [path]
    assert headline(result) in texts(figure)
    assert all(axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes)


def test_the_confusion_figure_writes_every_count() -> None:
    result = evaluation(TEN, 400)
    written = sorted(int(text.get_text()) for text in confusion_figure(result).axes[0].texts[:-1])
    assert written == sorted(result.confusion[result.confusion > 0].tolist())


def test_labels_without_recordings_are_drawn_as_such() -> None:
    """One recording of yes with the answer no: the other rows have no proportions, _silence_ has no F1."""
    posteriors = np.array([[0.2, 0.7, 0.1]], dtype=np.float32)
    result = evaluate(["yes", "no", SILENCE], ["a.wav"], np.array([0]), posteriors)
    shares = confusion_figure(result).axes[0].images[0].get_array()
    assert np.ma.getmaskarray(shares).all(axis=1).tolist() == [False, True, True]
    assert shares[0].tolist() == [0, 100, 0]
    axes = recall_figure(result).axes[0]
    rows = [text.get_text() for text in axes.get_yticklabels()]
    assert rows[0] == f"{SILENCE}  (0)"  # at the bottom
    assert set(rows[1:]) == {"yes  (1)", "no  (0)"}
    for dots in axes.collections:
        values = np.asarray(dots.get_offsets())[:, 0]
        assert np.isnan(values[0])
        assert set(values[np.isfinite(values)]) == {0.0}


def test_the_curve_marks_the_best_epoch() -> None:
    figure = curve_figure(history(6))
    assert legend(figure.axes[1]) == [*LINES, "best: 90.0 % in epoch 3"]
    assert [np.size(line.get_xdata()) for line in figure.axes[0].lines] == [6, 6]
    (ring,) = figure.axes[1].collections
    assert np.asarray(ring.get_offsets()).tolist() == [[3, pytest.approx(90)]]


@pytest.mark.parametrize("epochs", [0, 1, 200])
def test_curves_of_any_length(tmp_path: Path, epochs: int) -> None:
    figure = curve_figure(history(epochs))
    for axes in figure.axes:
        assert {np.size(line.get_xdata()) for line in axes.lines} == {epochs}
    marks = {0: [], 1: ["best: 88.0 % in epoch 1"], 200: ["best: 90.0 % in epoch 3"]}
    assert legend(figure.axes[1]) == LINES + marks[epochs]
    save_figure(figure, tmp_path / "curve.png")
    assert imread(tmp_path / "curve.png")[..., :3].std() > 0.05


def test_a_curve_with_gaps() -> None:
    rows = history(4)
    rows[0]["validation_accuracy"] = None
    rows[1]["train_loss"] = float("nan")
    del rows[3]["validation_accuracy"]
    figure = curve_figure(rows)
    assert legend(figure.axes[1]) == [*LINES, "best: 90.0 % in epoch 3"]
    loss, accuracy = figure.axes[0].lines[0].get_ydata(), figure.axes[1].lines[1].get_ydata()
    assert np.isnan(loss).tolist() == [False, True, False, False]
    assert np.isnan(accuracy).tolist() == [True, False, False, True]


def test_other_formats_by_their_suffix(tmp_path: Path) -> None:
    figure = curve_figure(history(2))
    for name, start in (("a.pdf", b"%PDF"), ("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG"), ("bare", b"\x89PNG")):
        save_figure(figure, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(SpeechLSTMError, match=r"a\.xyz: \.xyz .*pdf.*svg"):
        save_figure(figure, tmp_path / "a.xyz")
    assert len(list(tmp_path.iterdir())) == 4


def test_an_unwritable_folder_gives_one_line_and_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(SpeechLSTMError) as caught:
        save_figure(curve_figure(history(2)), tmp_path / "file" / "curve.png")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "file" / "curve.png") in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


@needs_limits
def test_a_write_that_stops_half_way_leaves_the_old_figure(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    path.write_bytes(b"old")
    with pytest.raises(SpeechLSTMError, match="cannot be written") as caught, files_of_at_most(4096):
        save_figure(curve_figure([]), path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


CLEAN = """
import sys
import speech_lstm.training.evaluation
from speech_lstm.report import plotting
from speech_lstm.training import figures
assert "matplotlib" not in sys.modules
plotting.save_figure(figures.curve_figure([]), sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
assert "torch" not in sys.modules
"""


def test_neither_pyplot_nor_torch_is_imported_and_matplotlib_only_when_drawing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CLEAN, tmp_path / "curve.png"], check=True, timeout=120)
