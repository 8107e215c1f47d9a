"""What several test modules share."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Two threads on small networks cost more than they bring, and several test processes then fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a shell starts in the background ignores Ctrl-C, and so would the commands that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]

# What takes longest comes first, so that two workers that are given file by file end together.
LONGEST = """faults fuzz training trials_run lecture terminal gates_cli export cells_train install page gradients
microphone record"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {f"test_{name}": number for number, name in enumerate(LONGEST.split())}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish() -> None:
    """What was imported for the tests stays; looking through it again and again takes as long as the tests."""
    gc.collect()
    gc.freeze()


@contextmanager
def forgotten() -> Iterator[None]:
    """The cells that a block makes known, and the modules that they came from, are gone after it."""
    from speech_lstm.recurrent.cell import CELLS
    from speech_lstm.recurrent.plugins import SOURCES

    cells, sources, modules, path = dict(CELLS), dict(SOURCES), set(sys.modules), list(sys.path)
    yield
    for known, before in ((CELLS, cells), (SOURCES, sources)):
        known.clear()
        known.update(before)  # type: ignore[arg-type]
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("speech_lstm_plugin:") or name.split(".")[0] in ("fading_cells", "own_cell"):
            del sys.modules[name]


@pytest.fixture
def forget_plugins() -> Iterator[None]:
    """A test's cells are gone after it."""
    with forgotten():
        yield


@pytest.fixture(scope="module")
def forget_candidates() -> Iterator[None]:
    """The cells of a module's searches are gone after it."""
    with forgotten():
        yield


# --- a model trained on the demo corpus --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def demo() -> Path:
    """The corpus in data/demo: 8 commands and 4 other words, spoken by a synthesiser."""
    return ROOT / "data" / "demo"


@pytest.fixture
def demo_copy(demo: Path, tmp_path: Path) -> Path:
    """That corpus to be changed, without the memory-mapped copy beside it, which other tests read."""
    return Path(shutil.copytree(demo, tmp_path / "demo", ignore=shutil.ignore_patterns(".*")))


@pytest.fixture(scope="session")
def run_folder(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training run that took seconds: it knows the voices of the training split by heart, no others."""
    from speech_lstm import config
    from speech_lstm.training.run import train

    settings = config.Config(
        config.FeatureConfig(hop_ms=20.0),
        config.NetworkConfig(layers=1, hidden=32, dropout=0.0),
        config.AugmentConfig(shift_ms=200.0, speed=0.0, noise=0.0, time_masks=0, frequency_masks=0),
        config.CorpusConfig(labels=",".join(config.COMMANDS_8), unknown=30.0),
        config.TrainingConfig(
            epochs=25, batch=16, learning_rate=0.012, average=0.9, label_smoothing=0.02, precision="float32"
        ),
    )
    out = tmp_path_factory.mktemp("trained") / "run"
    train(settings, demo, out, progress=False)
    return out


@pytest.fixture(scope="session")
def model_file(run_folder: Path) -> Path:
    """The model of that run."""
    return run_folder / "last.safetensors"
