"""All settings of a run as frozen dataclasses: they define the flags of `train`, its TOML file and the model header.

Read `settings` first, which says what a setting is, then `run` and `model`, which have them. Nothing heavy is
imported here, so `--help` answers at once.
"""

from speech_lstm.config.constants import (
    CLIP_SAMPLES,
    COMMANDS_8,
    COMMANDS_10,
    SAMPLE_RATE,
    SILENCE,
    SMOOTHING,
    THRESHOLD,
    UNKNOWN,
    commands_of,
)
from speech_lstm.config.model import (
    DetectionConfig,
    FeatureConfig,
    NetworkConfig,
)
from speech_lstm.config.run import (
    AugmentConfig,
    Config,
    CorpusConfig,
    TrainingConfig,
    read_config,
    read_run,
)
from speech_lstm.config.settings import (
    KINDS,
    Settings,
    check,
    is_number,
    read_toml,
    setting,
    split_names,
)

__all__ = [
    "CLIP_SAMPLES",
    "COMMANDS_8",
    "COMMANDS_10",
    "KINDS",
    "SAMPLE_RATE",
    "SILENCE",
    "SMOOTHING",
    "THRESHOLD",
    "UNKNOWN",
    "AugmentConfig",
    "Config",
    "CorpusConfig",
    "DetectionConfig",
    "FeatureConfig",
    "NetworkConfig",
    "Settings",
    "TrainingConfig",
    "check",
    "commands_of",
    "is_number",
    "read_config",
    "read_run",
    "read_toml",
    "setting",
    "split_names",
]
