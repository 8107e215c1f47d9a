"""The settings that a model file stores: its features, its network and how commands are detected with it."""

from __future__ import annotations

import typing
from dataclasses import Field, dataclass, field, fields
from typing import Any, Literal

from speech_lstm.config.constants import SAMPLE_RATE, SMOOTHING, THRESHOLD
from speech_lstm.config.settings import Settings, check, setting, split_names
from speech_lstm.errors import ConfigError


@dataclass(frozen=True)
class FeatureConfig(Settings):
    """The front end: from 16 kHz samples to MFCC or log-mel vectors."""

    kind: Literal["mfcc", "log-mel"] = setting("mfcc", "features: MFCC, or log-mel energies without the DCT")
    window_ms: float = setting(30.0, "length of the analysis window, ms", 1, 200)
    hop_ms: float = setting(10.0, "step from frame to frame, ms", 1, 200)
    mels: int = setting(80, "number of mel bands", 2, 256)
    coefficients: int = setting(40, "number of MFCC coefficients, at most the number of mel bands", 1, 256)
    low_hz: float = setting(20.0, "lower edge of the mel bands, Hz", 0, 8000)
    high_hz: float = setting(7600.0, "upper edge of the mel bands, Hz", 1, 8000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hop_ms > self.window_ms:
            raise ConfigError(
                f"hop_ms is {self.hop_ms:g}, longer than the window of {self.window_ms:g} ms: "
                "samples between frames would be lost; lower hop_ms or raise window_ms"
            )
        if self.kind == "mfcc" and self.coefficients > self.mels:
            raise ConfigError(
                f"{self.mels} mel bands give at most {self.mels} MFCC, not {self.coefficients}; "
                "raise mels or lower coefficients"
            )
        if self.low_hz >= self.high_hz:
            raise ConfigError(f"low_hz ({self.low_hz:g}) must be below high_hz ({self.high_hz:g})")

    @property
    def size(self) -> int:
        """Length of a frame's feature vector."""
        return self.coefficients if self.kind == "mfcc" else self.mels

    @property
    def window(self) -> int:
        """Samples in a window."""
        return round(self.window_ms * SAMPLE_RATE / 1000)

    @property
    def hop(self) -> int:
        """Samples from frame to frame."""
        return round(self.hop_ms * SAMPLE_RATE / 1000)


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """The recurrent network from the features to the labels."""

    cell: str = setting("lstm", "recurrent cell; `speech-lstm cells` lists them", value="NAME", common=True)
    layers: int = setting(2, "number of recurrent layers", 1, 16, common=True)
    hidden: int = setting(128, "hidden units per layer and direction", 1, 4096, common=True)
    sizes: str = setting(
        "", "hidden units of each layer, separated by commas; replaces --layers and --hidden", value="N,N,…"
    )
    bidirectional: bool = setting(True, "read the recording in both directions")
    dropout: float = setting(0.2, "dropout between the layers and before the head", 0, 0.95)
    normalise: Literal["batch", "layer", "none"] = setting("batch", "normalisation of the input features")
    pooling: Literal["attention", "query", "mean", "last"] = setting(
        "attention",
        "how the frames become one vector. attention: weighed by learnt scores; query: by products with queries of "
        "the middle frame, as in MHAtt-RNN; mean; last: the last frame",
    )
    heads: int = setting(4, "heads of attention and query pooling", 1, 64)
    forget_bias: float = setting(1.0, "initial bias of the forget gate", -20, 20)
    tied: bool = setting(
        False, "share one set of weights among all layers; a learnt projection brings the input to their size"
    )
    clocks: int = setting(4, "Clockwork RNN: number of modules, with the periods 1, 2, 4, …", 1, 16)
    time_first: bool = setting(False, "Grid LSTM: depth reads time's new hidden state instead of the old one")
    bands: int = setting(8, "time-frequency Grid LSTM: number of pieces that the mel bands are cut into", 1, 128)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.layer_sizes) > 16:
            raise ConfigError(f"sizes names {len(self.layer_sizes)} layers; give at most 16")
        for size in self.layer_sizes:
            check("sizes", size, int, {"low": 1, "high": 4096})

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Hidden units of each layer, per direction."""
        if not self.sizes:
            return (self.hidden,) * self.layers
        try:
            return tuple(int(size) for size in split_names(self.sizes))
        except ValueError:
            raise ConfigError(f"sizes is {self.sizes!r}; it must be whole numbers separated by commas") from None


@dataclass(frozen=True)
class DetectionConfig(Settings):
    """How commands are detected in a stream of posteriors, and how well. Stored in the model file."""

    thresholds: dict[str, float] = field(default_factory=dict)  # posterior of a command; THRESHOLD if missing
    false_accepts_per_hour: float = 0.0  # rate for which the thresholds were chosen; 0: not chosen for a rate
    smoothing: float = setting(SMOOTHING, "time over which the posteriors are averaged, s", 0.1, 2)
    isolation: float = setting(0.0, "by how much the pauses around a command lie below it, dB; 0: no pauses", 0, 60)
    sure: float = setting(1.0, "probability from which a command needs no pauses around it; 1: it always does", 0, 1)
    sound: Literal["single words", "continuous speech"] = setting("single words", "what the rate is of")
    false_accepts: int = setting(0, "false accepts in the sound that the thresholds were chosen on", 0, 10**9)
    hours: float = setting(0.0, "hours of that sound; 0: not known", 0, 1e6)

    def __post_init__(self) -> None:
        if not isinstance(self.thresholds, dict):
            raise ConfigError("thresholds must be a table with a number for each word")
        for word, value in self.thresholds.items():
            check(f"the threshold of {word!r}", value, float, {"low": 0, "high": 1})
        check("false_accepts_per_hour", self.false_accepts_per_hour, float, {"low": 0, "high": 3600})
        hints = typing.get_type_hints(type(self))
        for item in self.later_fields():
            check(item.name, getattr(self, item.name), hints[item.name], item.metadata)

    @classmethod
    def later_fields(cls) -> list[Field[Any]]:
        """The fields that files of older versions do not have."""
        return [item for item in fields(cls) if item.metadata]

    def to_dict(self) -> dict[str, Any]:
        """As of an older version where the later fields have their defaults: such a model keeps its digest."""
        later = {item.name for item in self.later_fields() if getattr(self, item.name) == item.default}
        return {name: value for name, value in super().to_dict().items() if name not in later}

    def threshold(self, word: str) -> float:
        """The posterior at which a command in a stream is detected."""
        return self.thresholds.get(word, THRESHOLD)

    @property
    def rate(self) -> str:
        """The rate of false accepts that the thresholds were chosen for, of what, and its count; or empty."""
        if not self.false_accepts_per_hour:
            return ""
        counted = f", {self.false_accepts} in {self.hours:.3g} h" if self.hours else ""
        return f"{self.false_accepts_per_hour:g} an hour of {self.sound}{counted}"
