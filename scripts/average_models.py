"""Average the weights of models that were trained from one start.

    python scripts/average_models.py --out FILE --data DIR A.safetensors B.safetensors=2 …

Runs from the same model make different errors, and their mean makes fewer than each (Wortsman et al. 2022,
"Model soups"). `=2` counts a model twice. The temperature and the prior of `_unknown_` are then fitted again on the
validation split in DIR. The training facts are those of the first model, with the names and weights of all.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from speech_lstm.corpus.scored_set import read_scored_set
from speech_lstm.errors import ConfigError, SpeechLSTMError
from speech_lstm.model.checkpoint import Model, load_model, save_model
from speech_lstm.training.scoring import logits, loss_and_accuracy
from speech_lstm.training.temperature import fit_calibration


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=weighted_path, metavar="MODEL[=WEIGHT]")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the corpus they were trained on")
    options = parser.parse_args(arguments)
    try:
        model = average([(load_model(path), weight) for path, weight in options.models])
        shares = {path.as_posix(): weight for path, weight in options.models}
        save_model(options.out, finish(model, shares, options.data))
    except SpeechLSTMError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def weighted_path(text: str) -> tuple[Path, float]:
    """MODEL or MODEL=WEIGHT of a command line."""
    path, _, weight = text.partition("=")
    try:
        return Path(path), float(weight or 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{weight!r} in {text!r} is not a number") from None


def average(models: list[tuple[Model, float]]) -> Model:
    """The first model with the mean of all weights; raises ConfigError for models that do not fit together."""
    first, _ = models[0]
    total = sum(weight for _, weight in models)
    if total <= 0:
        raise ConfigError("the weights of the models add up to 0; give positive ones")
    if any((m.labels, m.features, m.config) != (first.labels, first.features, first.config) for m, _ in models):
        raise ConfigError("the models differ in labels, features or network; average those of one start")
    states = [(model.network.state_dict(), weight / total) for model, weight in models]
    mean = {name: sum(state[name].double() * share for state, share in states).float() for name in states[0][0]}
    first.network.load_state_dict(mean)
    return first


def finish(model: Model, shares: dict[str, float], data: Path) -> Model:
    """The model with the facts of its making and the calibration of the validation split."""
    validation = read_scored_set(data, model.labels, "validation")
    answers = logits(model, validation.waveforms, torch.device("cpu"))
    calibration = fit_calibration(model.labels, answers, validation.truth)
    loss, accuracy = loss_and_accuracy(calibration.apply(answers), validation.truth)
    facts = {"validation_loss": loss, "validation_accuracy": accuracy}
    training = {key: value for key, value in model.training.items() if key != "temperature"}
    training |= {"validation": facts, "average": shares}
    print(f"validation accuracy {100 * accuracy:.2f} %")
    return calibration.fold(replace(model, training=training))


if __name__ == "__main__":
    sys.exit(main())
