"""Train every cell with one recipe and one number of parameters; print the table of docs/measurements/cells.md.

    python scripts/compare_cells.py DATA OUT [--cells lstm,gru] [--parameters 150000] [--epochs 6]

DATA is a folder in the layout of Speech Commands. Each cell's run is in OUT/CELL and its result in OUT/CELL.json; a
finished cell is not trained again. Then all are timed one after the other, on one thread and in its CPU time, which
excludes other work on the machine. With one seed, a percent or two are noise.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from speech_lstm.config import (
    COMMANDS_8,
    AugmentConfig,
    Config,
    CorpusConfig,
    FeatureConfig,
    NetworkConfig,
    TrainingConfig,
)
from speech_lstm.corpus.recordings import read_recordings
from speech_lstm.errors import ConfigError
from speech_lstm.files import write_json
from speech_lstm.model.checkpoint import load_model
from speech_lstm.model.sizing import match_parameters
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.training.console import Console
from speech_lstm.training.distributed import Processes
from speech_lstm.training.hardware import keep_freed_memory
from speech_lstm.training.run import train
from speech_lstm.training.run_folder import RunFolder
from speech_lstm.training.scoring import assess_model
from speech_lstm.training.trainer import Trainer
from speech_lstm.trials.training import measure_latency

LABELS = len(COMMANDS_8) + 2  # unknown and silence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cells", default=",".join(CELLS), help="names, separated by commas")
    parser.add_argument("--parameters", type=int, default=150_000)
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args()
    results = {}
    for name in options.cells.split(","):
        result = options.out / f"{name}.json"
        if not result.exists():
            write_json(result, train_cell(name, options.data, options.out / name, options.parameters, options.epochs))
        results[name] = json.loads(result.read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    rows = []
    for name, row in results.items():
        if "failed" not in row:
            config = recipe(name, options.parameters, options.epochs)
            model = load_model(options.out / name / "last.safetensors")
            row |= {
                "epoch": epoch_seconds(config, options.data),
                "latency": measure_latency(model, torch.device("cpu")),
            }
        rows.append(row)
    print(table(rows))


def train_cell(name: str, data: Path, out: Path, parameters: int, epochs: int) -> dict[str, Any]:
    """Train one cell and score it on the testing list."""
    config = recipe(name, parameters, epochs)
    row: dict[str, Any] = {"cell": name, "hidden": config.network.hidden}
    try:
        summary = train(config, data, out, resume=(out / "state.safetensors").exists())
    except ConfigError as error:  # the loss of some diverges
        return row | {"failed": str(error)}
    evaluation = assess_model(load_model(out / "last.safetensors"), data, "testing", torch.device("cpu")).evaluation
    accuracy = {"accuracy": evaluation.accuracy, "interval": evaluation.interval}
    return row | {"parameters": summary["parameters"], **accuracy}


def epoch_seconds(config: Config, data: Path, steps: int = 5) -> float:
    """Seconds of one thread for an epoch of training, from the median step."""
    keep_freed_memory()
    recordings, folder = read_recordings(config.corpus, data), RunFolder(Path(os.devnull))
    trainer = Trainer(config, recordings, Processes(0, 1, torch.device("cpu")), folder, Console(quiet=True))
    spent = []
    for batch in trainer.batches.epoch(0)[: steps + 1]:
        start = time.thread_time()
        trainer.step(batch)
        spent.append(time.thread_time() - start)
    return statistics.median(spent[1:]) * trainer.batches.steps


def recipe(name: str, parameters: int, epochs: int) -> Config:
    """The common recipe: two layers in both directions, frames every 20 ms."""
    features = FeatureConfig(hop_ms=20.0, kind="log-mel" if name == "grid-tf" else "mfcc")
    network = NetworkConfig(cell=name, dropout=0.1)
    return Config(
        features,
        match_parameters(features, network, LABELS, parameters),
        AugmentConfig(noise=0.5, snr_low_db=5.0, snr_high_db=40.0, time_mask_ms=120.0, frequency_masks=1),
        CorpusConfig(labels=",".join(COMMANDS_8), unknown=20.0),
        TrainingConfig(epochs=epochs, batch=64, average=0.99),
    )


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown, best first."""
    lines = [
        "| cell | hidden | parameters | accuracy, % (95 % interval) | an epoch, s | one recording, ms |",
        "|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: -row.get("accuracy", 0)):
        if "failed" in row:
            lines.append(f"| {row['cell']} | {row['hidden']} | | {row['failed']} | | |")
            continue
        low, high = (100 * bound for bound in row["interval"])
        lines.append(
            f"| {row['cell']} | {row['hidden']} | {row['parameters']:,} | {100 * row['accuracy']:.1f} "
            f"({low:.1f}–{high:.1f}) | {row['epoch']:.0f} | {1e3 * row['latency']:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
