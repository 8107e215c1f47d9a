"""All settings of a run as frozen dataclasses: they define the flags of `train`, its TOML file and the model header.

Nothing heavy is imported here, so `--help` answers at once.
"""

from __future__ import annotations

import numbers
import tomllib
import typing
from collections.abc import Callable, Iterable
from dataclasses import Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

from speech_lstm.errors import ConfigError
from speech_lstm.files import InputError, read_text

SAMPLE_RATE = 16_000  # Hz; of every waveform inside the program
CLIP_SAMPLES = SAMPLE_RATE  # one second, the length of a Speech Commands recording
SILENCE, UNKNOWN = "_silence_", "_unknown_"
MOST_TOML = 1 << 20  # bytes of a file of settings, which has some 3 kB
THRESHOLD = 0.7  # smoothed posterior at which a command in a stream is detected
SMOOTHING = 0.3  # seconds of posteriors that are averaged

COMMANDS_8 = ("yes", "no", "up", "down", "left", "right", "stop", "go")
COMMANDS_10 = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")  # of the 12-class task


def commands_of(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels that are commands, in their order: all but `_silence_` and `_unknown_`."""
    return tuple(label for label in labels if label not in (SILENCE, UNKNOWN))


def setting(
    default: Any,
    text: str,
    low: float | None = None,
    high: float | None = None,
    value: str = "",
    common: bool = False,
) -> Any:
    """A dataclass field with its help text and the closed range of its values.

    `value` is what the help shows for a value, such as FILE; a `common` setting is also in the short help.
    """
    return field(default=default, metadata={"help": text, "low": low, "high": high, "value": value, "common": common})


class Settings:
    """Base of the groups of settings: checks types and ranges, converts from and to plain dicts."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for item in fields(self):  # type: ignore[arg-type]
            check(item.name, getattr(self, item.name), hints[item.name], item.metadata)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The settings of a TOML table or a JSON object; raises ConfigError for an unknown name."""
        known = {item.name for item in fields(cls)}  # type: ignore[arg-type]
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"unknown setting {unknown[0]!r}; choose from {', '.join(sorted(known))}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload]


def split_names(names: str) -> tuple[str, ...]:
    """The names in a setting that lists them separated by commas."""
    return tuple(name.strip() for name in names.split(",") if name.strip())


def is_number(value: object) -> bool:
    """Whether a value is a real number, of Python or of NumPy: a truth value is none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}  # for messages


def check(name: str, value: Any, hint: Any, metadata: typing.Mapping[str, Any]) -> None:
    """Raise ConfigError unless `value` has the type `hint` and lies in the range given in `metadata`."""
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise ConfigError(f"{name} is {value!r}; it must be one of {', '.join(map(str, choices))}")
        return
    if type(value) is not hint and not (hint is float and type(value) is int):
        raise ConfigError(f"{name} is {value!r}; it must be {KINDS.get(hint, hint.__name__)}")
    low, high = metadata.get("low"), metadata.get("high")
    if low is not None and not low <= value <= high:  # NaN is in no range
        raise ConfigError(f"{name} is {value}; it must be from {low} to {high}")


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
    pooling: Literal["attention", "mean", "last"] = setting("attention", "how the frames are reduced to one vector")
    heads: int = setting(4, "heads of the attention pooling", 1, 64)
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


@dataclass(frozen=True)
class AugmentConfig(Settings):
    """Random changes of the training recordings; 0 switches a change off."""

    shift_ms: float = setting(100.0, "time shift, up to ± this many ms", 0, 1000)
    unknown_shift_ms: float = setting(
        0.0,
        "time shift of _unknown_ recordings, if larger: a window of a stream may hold a part of a word",
        0,
        1000,
    )
    anywhere: float = setting(
        0.0, "fraction of the recordings, other than _unknown_, whose word is set anywhere in its second", 0, 1
    )
    speed: float = setting(0.15, "change of speed and pitch, up to ± this fraction", 0, 0.5)
    level_db: float = setting(10.0, "change of level, up to ± this many dB", 0, 60)
    noise: float = setting(0.8, "fraction of the recordings mixed with background noise", 0, 1)
    noise_by: Literal["snr", "volume"] = setting("snr", "how the level of the noise is drawn: by SNR or by volume")
    snr_low_db: float = setting(0.0, "lowest signal-to-noise ratio, dB", -30, 100)
    snr_high_db: float = setting(30.0, "highest signal-to-noise ratio, dB", -30, 100)
    volume: float = setting(0.1, "highest volume of the noise if drawn by volume", 0, 1)
    tract: float = setting(0.0, "vocal tract length: stretch the frequencies by up to ± this fraction", 0, 0.5)
    response_db: float = setting(
        0.0, "microphone response: smooth change of the spectrum, up to ± this many dB for each cosine", 0, 20
    )
    time_masks: int = setting(2, "SpecAugment: masks over time", 0, 10)
    time_mask_ms: float = setting(200.0, "SpecAugment: longest mask, ms", 0, 1000)
    frequency_masks: int = setting(2, "SpecAugment: masks over the feature vector", 0, 10)
    frequency_mask: int = setting(7, "SpecAugment: widest mask, coefficients", 0, 256)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.snr_low_db > self.snr_high_db:
            raise ConfigError("snr_low_db must not be above snr_high_db")
        if self.unknown_shift_ms and not self.shift_ms:
            raise ConfigError("unknown_shift_ms widens shift_ms, which is 0; raise shift_ms")


@dataclass(frozen=True)
class CorpusConfig(Settings):
    """The training recordings and the proportions in which they are drawn."""

    labels: str = setting(
        "12",
        "35 (all words of the archive), 12 (the standard task), or WORD,WORD,…",
        value="12|35|A,B,…",
        common=True,
    )
    extra: str = setting(
        "",
        "folders with further training recordings, separated by commas: a sub-folder with the name "
        "of a label holds recordings of that label, all other recordings are _unknown_",
        value="DIR,…",
    )
    hold_out: str = setting(
        "",
        "words excluded from training, separated by commas; `evaluate` reports how often they are rejected",
        value="A,B,…",
    )
    leave_out: str = setting(
        "",
        "a file that names recordings that are not trained on: one in a line, as in testing_list.txt, or CSV whose "
        "first column is `recording`; those of an extra folder with its path",
        value="FILE",
    )
    extra_commands: float = setting(
        100.0,
        "commands per epoch from the extra folders, at most this percentage of the corpus's own",
        0,
        1000,
        value="%",
    )
    unknown: float = setting(10.0, "_unknown_ recordings per epoch, percent of the commands", 0, 1000, value="%")
    silence: float = setting(10.0, "_silence_ recordings per epoch, percent of the commands", 0, 1000, value="%")
    splices: float = setting(0.0, "fraction of _unknown_ recordings that become halves of two words, spliced", 0, 1)
    reversals: float = setting(0.0, "fraction of _unknown_ recordings that become a word played backwards", 0, 1)
    speech: str = setting(
        "",
        "folders with long recordings of running speech without commands, separated by commas: each epoch draws "
        "other seconds of them as _unknown_",
        value="DIR,…",
    )
    speech_seconds: float = setting(
        40.0, "seconds of running speech per epoch, percent of the commands", 0, 1000, value="%"
    )
    in_speech: float = setting(
        0.0,
        "commands in the midst of running speech, as _unknown_, per epoch: percent of the commands",
        0,
        1000,
        value="%",
    )
    beside_speech: float = setting(
        0.0, "fraction of the commands with running speech on one side, after a pause", 0, 1
    )
    cut_off: float = setting(
        0.0,
        "commands of which an end of the second cuts off half or more, as _unknown_: percent of the commands",
        0,
        1000,
        value="%",
    )
    strict: bool = setting(False, "stop at the first damaged recording instead of skipping it")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.splices + self.reversals > 1:
            raise ConfigError("splices and reversals exceed 1 together: both are fractions of the same recordings")


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """The optimiser and the run."""

    epochs: int = setting(40, "passes over the training recordings", 1, 10_000, common=True)
    batch: int = setting(128, "recordings per batch, all processes together", 1, 65_536, common=True)
    learning_rate: float = setting(2e-3, "peak learning rate", 0, 1, common=True)
    warmup: float = setting(0.05, "fraction of the steps in which the learning rate rises", 0, 1)
    weight_decay: float = setting(0.01, "decoupled weight decay of AdamW", 0, 10)
    label_smoothing: float = setting(0.1, "label smoothing", 0, 0.99)
    start: str = setting(
        "",
        "start from the weights of this model, a file or a bundled one, of the same features and network; other "
        "labels get a new head",
        value="MODEL",
        common=True,
    )
    teachers: str = setting(
        "",
        "models (.safetensors, .onnx or bundled), separated by commas, whose mean answer is learnt besides labels",
        value="MODEL,…",
    )
    teaching: float = setting(0.7, "weight of the teachers' answers in the target; the labels have the rest", 0, 1)
    teacher_labels: str = setting(
        "",
        "labels of the ONNX teachers whose files name none, in the order of their outputs, separated by commas",
        value="A,B,…",
    )
    distrust: str = setting(
        SILENCE,
        "labels, separated by commas, whose recordings the ONNX teachers do not answer: the label alone is learnt",
        value="A,B,…",
    )
    clip: float = setting(1.0, "highest norm of the gradient; 0: no clipping", 0, 1e6)
    average: float = setting(
        0.999, "decay of the moving average of the weights, which is evaluated and saved; 0: no average", 0, 0.99999
    )
    patience: int = setting(
        0, "stop after this many epochs without a better validation accuracy; 0: never", 0, 10_000
    )
    seed: int = setting(1, "seed of weights, order, augmentation and dropout", 0, 2**31 - 1, common=True)
    precision: Literal["auto", "float32", "bfloat16"] = setting("auto", "auto: bfloat16 where it is faster")
    device: str = setting("auto", "auto, cpu, cuda or cuda:N", value="DEVICE", common=True)


@dataclass(frozen=True)
class Config(Settings):
    """All settings of a run."""

    features: FeatureConfig = field(default_factory=FeatureConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    GROUPS: ClassVar[dict[str, type[Settings]]] = {
        "features": FeatureConfig,
        "network": NetworkConfig,
        "augment": AugmentConfig,
        "corpus": CorpusConfig,
        "training": TrainingConfig,
    }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The configuration in a TOML file's tables, each optional."""
        if unknown := sorted(set(values) - set(cls.GROUPS)):
            raise ConfigError(f"unknown table [{unknown[0]}]; choose from {', '.join(cls.GROUPS)}")
        for name, table in values.items():
            if not isinstance(table, dict):
                raise ConfigError(f"{name} must be a table of settings")
        groups: dict[str, Any] = {name: cls.GROUPS[name].from_dict(table) for name, table in values.items()}
        return cls(**groups)


Parsed = TypeVar("Parsed")


def read_toml(path: Path, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
    """What `parse` makes of the tables of a TOML file; raises ConfigError that begins with the file's name."""
    try:
        return parse(tomllib.loads(read_text(path, MOST_TOML)))
    except InputError as error:
        raise ConfigError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a TOML file ({error})") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def read_run(path: Path) -> tuple[Config, str]:
    """The configuration in a run's TOML file, and the folder of its recordings, which may be empty.

    Raises ConfigError.
    """

    def parse(tables: dict[str, Any]) -> tuple[Config, str]:
        data = tables.pop("data", "")
        check("data", data, str, {})
        return Config.from_dict(tables), data

    return read_toml(path, parse)


def read_config(path: Path) -> Config:
    """The configuration of a TOML file alone; raises ConfigError."""
    return read_run(path)[0]
