"""The settings of a training: those of its model, the augmentation, the recordings and the optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from speech_lstm.config.constants import SILENCE
from speech_lstm.config.model import FeatureConfig, NetworkConfig
from speech_lstm.config.settings import Settings, check, read_toml, setting
from speech_lstm.errors import ConfigError


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
    words: float = setting(
        0.0,
        "weight of a further task: a head that is not saved tells the words of all recordings apart, also "
        "those that are _unknown_, which serves `teach` and words never heard",
        0,
        10,
    )
    embedder: str = setting(
        "",
        "a network (.onnx) from a second of sound to a vector that tells words apart, which a head that is not saved "
        "imitates",
        value="FILE",
    )
    imitation: float = setting(1.0, "weight of imitating the embedder", 0, 100)
    carry: float = setting(
        0.0,
        "fraction of the recordings that a network of one direction begins with the state in which it left another "
        "one, as in a stream; needs --bidirectional false and a single process",
        0,
        1,
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.training.carry and self.network.bidirectional:
            raise ConfigError("carry needs a network of one direction; add --bidirectional false")
        if self.training.carry and (self.training.words or self.training.embedder):
            raise ConfigError("carry cannot be combined with words or embedder; leave it or them out")

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
