"""The header of a model file, of either form: read and checked without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import DetectionConfig, FeatureConfig, NetworkConfig
from speech_lstm.errors import ConfigError, ModelError, foreign

NO_ANSWER = "the model answers with numbers that are no probabilities; it or its input is damaged"


@dataclass(frozen=True)
class Header:
    """Labels, settings and training facts of a model."""

    labels: tuple[str, ...]
    features: FeatureConfig
    network: NetworkConfig
    detection: DetectionConfig
    training: dict[str, Any]

    @classmethod
    def from_dict(cls, path: Path, values: dict[str, Any]) -> Self:
        """The header of the file at `path` from its JSON; raises ModelError if it is damaged."""
        try:
            labels, detection = labels_of(values["labels"]), DetectionConfig.from_dict(values["detection"])
            features = FeatureConfig.from_dict(values["features"])
            network = NetworkConfig.from_dict(values["network"])
            if stray := sorted(set(detection.thresholds) - set(labels)):
                raise ConfigError(f"a threshold for {stray[0]!r}, which is not a label")
            return cls(labels, features, network, detection, dict(values["training"]))
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise ModelError(
                f"{path}: the header of the model is damaged ({foreign(error)}); train or download it again"
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """The header in the types that JSON has."""
        return {
            "labels": list(self.labels),
            "features": self.features.to_dict(),
            "network": self.network.to_dict(),
            "detection": self.detection.to_dict(),
            "training": self.training,
        }


def labels_of(names: Any) -> tuple[str, ...]:
    """The labels of a header; raises ConfigError unless they are a list of distinct names."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name.isprintable() for name in names):
        raise ConfigError("its labels are not a list of names")
    if not names or "" in names or len(set(names)) != len(names):
        raise ConfigError("its labels are missing, empty or not distinct")
    return tuple(names)


def check_version(path: Path, text: str, version: int) -> None:
    """Raise ModelError unless `text`, the format version of a file, is the one that this program reads."""
    if not text.isdecimal() or len(text) > 9:
        raise ModelError(f"{path}: its header has no format version; it is damaged")
    if int(text) > version:
        raise ModelError(
            f"{path}: format {text} is newer than this program reads (format {version}); upgrade speech-lstm"
        )
    if int(text) < version:
        raise ModelError(f"{path}: format {text} is older than this program reads; train or download it again")


def check_posteriors(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Posteriors as a model answers them, [n, labels]; raises ModelError unless no value is below 0 and each row adds
    up to 1, which NaN does not."""
    if not (rows.min(initial=0) >= 0 and np.abs(rows.sum(1) - 1).max(initial=0) <= 0.001):  # rounded sums
        raise ModelError(NO_ANSWER)
    return rows


def check_logits(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits as a model answers them; raises ModelError unless all are finite."""
    if not np.isfinite(rows).all():
        raise ModelError(NO_ANSWER)
    return rows
