"""Train and score the tasks of Speech Commands with 35 and with 12 labels, several times each, and print their table.

    python scripts/full_tasks.py DATA OUT [--test-12 DIR] [--tasks 35,12] [--seeds 1,2,3] [settings of `train`]

DATA is the unpacked archive v0.02 (`speech-lstm download`), whose own lists divide it. The settings are those of
--config, scripts/full.toml; flags of `speech-lstm train` override them. Every run is in OUT/TASK-SEED. Its best model
on the validation split is scored on every recording of the testing split, or for 12 labels on every recording of the
official test set in --test-12 (`speech-lstm download --version test-v0.02`); without that, `_unknown_` and
`_silence_` are drawn in the proportions of the standard task. The result is in OUT/TASK-SEED.json. A finished run is
not repeated, an interrupted one continues.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from speech_lstm.commands.flags import add_settings, config_of, names, whole
from speech_lstm.config import Config, read_config
from speech_lstm.errors import INTERRUPTED, ConfigError, SpeechLSTMError, print_error, print_line
from speech_lstm.files import write_json
from speech_lstm.model.checkpoint import load_model
from speech_lstm.report.tables import align
from speech_lstm.training.hardware import choose_device
from speech_lstm.training.run import train
from speech_lstm.training.run_folder import STATE
from speech_lstm.training.scoring import assess_model
from speech_lstm.training.trainer import Stopped

RECIPE = Path(__file__).with_name("full.toml")
TASKS = ("35", "12")


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        config = config_of(options, read_config(options.config))
        results = [
            result_of(config, task, seed, options.data, options.test_12 if task == "12" else None, options.out)
            for task in options.tasks
            for seed in options.seeds
        ]
    except SpeechLSTMError as error:
        print_error(error)
        return error.exit_status
    except Stopped:
        print_line("stopped; everything is saved. To continue, run the same command again")
        return INTERRUPTED
    print(table(results))
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--test-12", type=Path, metavar="DIR", help="the official test set of task 12")
    parser.add_argument("--tasks", type=names, default=TASKS, metavar="TASK,…", help=f"({','.join(TASKS)})")
    parser.add_argument("--seeds", type=seeds, default=(1, 2, 3), metavar="N,…", help="(1,2,3)")
    parser.add_argument("--config", type=Path, default=RECIPE, metavar="FILE", help="(scripts/full.toml)")
    parser.set_defaults(match_parameters=None)
    add_settings(parser, without=("labels", "seed"))
    options = parser.parse_args(arguments)
    if strange := set(options.tasks) - set(TASKS):
        parser.error(f"there is no task {min(strange)!r}; choose from {', '.join(TASKS)}")
    return options


def seeds(text: str) -> tuple[int, ...]:
    """The numbers in `text`, separated by commas."""
    return tuple(whole(item) for item in names(text))


def result_of(config: Config, task: str, seed: int, data: Path, test: Path | None, out: Path) -> dict[str, Any]:
    """The result of a run, from its file if it is finished; raises ConfigError if that is of other settings."""
    config = replace(
        config,
        corpus=replace(config.corpus, labels=task),
        training=replace(config.training, seed=seed),
    )
    folder, file = out / f"{task}-{seed}", out / f"{task}-{seed}.json"
    asked = {"task": task, "seed": seed, "tested_on": str(test or data), "config": config.to_dict()}
    if file.is_file():
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if {key: result.get(key) for key in asked} != asked:
            raise ConfigError(f"{file} is of other settings or recordings; name another OUT")
        return result
    train(config, data, folder, resume=(folder / STATE).exists())
    device = choose_device(config.training.device)
    model = load_model(folder / "best.safetensors", device)
    evaluation = assess_model(model, test or data, "testing", device).evaluation
    result = asked | {
        "parameters": model.network.parameter_count,
        "epoch": model.training["epoch"],
        **evaluation.to_dict(),
    }
    write_json(file, result)
    return result


def table(results: list[dict[str, Any]]) -> str:
    """A line for each task: mean and sample deviation of the accuracies, each of them, and what they are of."""
    rows = [["labels", "accuracy, %", "each", "recordings", "parameters"]]
    for task in dict.fromkeys(result["task"] for result in results):
        runs = [result for result in results if result["task"] == task]
        shares = [100 * result["correct"] / result["count"] for result in runs]
        deviation = f" ± {statistics.stdev(shares):.2f}" if len(shares) > 1 else ""
        rows.append(
            [
                task,
                f"{statistics.mean(shares):.2f}{deviation}",
                ", ".join(f"{share:.2f}" for share in shares),
                f"{runs[0]['count']:,}",
                f"{runs[0]['parameters']:,}",
            ]
        )
    return "\n".join(align(rows, "lrlrr"))


if __name__ == "__main__":
    sys.exit(main())
