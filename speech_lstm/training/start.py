"""A trained model as the beginning of a new run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from speech_lstm.config import Config
from speech_lstm.errors import ConfigError
from speech_lstm.model.checkpoint import load_model
from speech_lstm.model.network import Network


def start_from(path: Path, network: Network, config: Config, labels: tuple[str, ...]) -> None:
    """Give a network the weights of a model file; raises ModelError, and ConfigError where it is another network."""
    model = load_model(path)
    network_config = replace(model.config, dropout=config.network.dropout)  # no weight depends on the dropout
    if (model.features, network_config) != (config.features, config.network):
        raise ConfigError(
            f"start: {path} has other features or another network than this run; give the settings of its own "
            "config.toml with --config"
        )
    weights = model.network.state_dict()
    if model.labels != labels:
        weights = {name: weight for name, weight in weights.items() if not name.startswith("head.")}
    network.load_state_dict(weights, strict=False)
