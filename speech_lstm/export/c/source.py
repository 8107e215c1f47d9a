"""The C of a model in integers, from the templates of this folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, commands_of
from speech_lstm.export.c.integers import EXP2, LOG2, LOG2_E, LOG_CENTRE, POWER_SHIFT, SIGMOID, IntegerModel, Rows
from speech_lstm.export.c.reference import hop_of
from speech_lstm.recognition.isolation import LEAST_DB, OVER_FLOOR, IsolationMeter
from speech_lstm.recognition.posteriors import MARGIN
from speech_lstm.recognition.trigger import Trigger

TEMPLATES = Path(__file__).parent / "templates"
FILES = {  # in the folder → the template
    "src/speech_lstm.h": "speech_lstm.h",
    "src/speech_lstm.c": "speech_lstm.c",
    "examples/listen/main.c": "main.c",
    "CMakeLists.txt": "CMakeLists.txt",
    "library.properties": "library.properties",
}
HEIGHT = 1 << 23  # a smoothed probability of 1
LINE = 110  # characters
TYPES = {np.int8: "int8_t", np.int16: "int16_t", np.uint16: "uint16_t", np.int32: "int32_t"}
ISOLATION_STATE = """    uint64_t energy; /* of the samples of a frame so far */
    uint32_t measured;
    uint32_t powers[SPEECH_LSTM_POWERS]; /* of the last frames */
    uint32_t frames; /* so far */
"""
DECIDE_ALONE = """if (is_alone(s)) {
        decide(s, command, 0, THRESHOLDS);
    } else {
        decide(s, command, SPEECH_LSTM_WAIT, SURE);
    }"""


def source_files(model: IntegerModel) -> dict[str, str]:
    """The texts of the files, by their names in the folder."""
    hop = hop_of(model)
    detection = model.model.detection
    trigger = Trigger(model.model.labels, detection, None, hop / SAMPLE_RATE)
    meter = IsolationMeter(hop) if detection.isolation else None
    values = {
        "digest": model.model.digest,
        "tail": MARGIN // hop * hop + hop,
        "names": " ".join(re.sub(r"[^\w-]", "?", label) for label in commands_of(model.model.labels)),
        "sizes": "\n".join(f"#define SPEECH_LSTM_{n} {v}" for n, v in sizes(model, trigger, meter).items()),
        "tables": "\n".join([*constants(model, trigger, meter, hop), *tables(model), *labels(model, trigger)]),
        "layers": "\n".join(layer_lines(model)),
        "cell": template(f"cells/{model.model.config.cell}.c").template.rstrip(),
        "attention": f"product(SCORE_WEIGHTS, SCORE_FACTORS, x, {model.layers[-1].units}, i)" if model.score else "0",
        "isolation": template("isolation.c").template if meter else "",
        "isolation_state": ISOLATION_STATE if meter else "",
        "measure": "    measure(s, value);\n" if meter else "",
        "decide": DECIDE_ALONE if meter else "decide(s, command, 0, THRESHOLDS);",
    }
    return {name: template(source).substitute(values) for name, source in FILES.items()}


def template(name: str) -> Template:
    return Template((TEMPLATES / name).read_text(encoding="utf-8"))


def sizes(model: IntegerModel, trigger: Trigger, meter: IsolationMeter | None) -> dict[str, int]:
    """The sizes of the state."""
    units = [layer.units for layer in model.layers]
    values = {
        "LABELS": len(model.model.labels),
        "WINDOW": model.model.features.window,
        "FFT": model.front_end.fft,
        "UNITS": sum(units),
        "WIDTH": units[-1],
        "WIDEST": max(units),
        "HEADS": len(model.score.weights) if model.score else 1,
        "POOLED": model.pooled,
        "SMOOTHED": trigger.smoothed,
        "WAIT": trigger.wait,
    }
    return values | ({"POWERS": meter.floor + meter.pause} if meter else {})


def constants(model: IntegerModel, trigger: Trigger, meter: IsolationMeter | None, hop: int) -> list[str]:
    """The numbers that only the source needs."""
    margin = MARGIN // hop * hop
    values = {
        "FRAME_HOP": model.model.features.hop,
        "HOP": hop,
        "MARGIN": margin,
        "FIRST_ROW": CLIP_SAMPLES - margin,
        "BANDS": len(model.front_end.first),
        "FEATURES": len(model.front_end.bias),
        "POWER_SHIFT": POWER_SHIFT,
        "OFFSET": f"{model.front_end.offset}u",
        "FEATURE_SHIFT": model.front_end.shift,
        "LOG_CENTRE": LOG_CENTRE,
        "LOG2_E": LOG2_E,
        "AGAIN": trigger.again,
        "REFRACTORY": trigger.refractory,
        "LOCKOUT": trigger.lockout,
    }
    if meter:
        values |= {"POWER_FRAME": meter.frame, "PAUSE": meter.pause, "SPAN": meter.span}
        ratios = {"ISOLATION": 10 ** (float(trigger.isolation) / 10), "LEAST": 10 ** (LEAST_DB / 10)}
        values |= {name: f"{round(256 * ratio)}u" for name, ratio in (ratios | {"OVER_FLOOR": OVER_FLOOR}).items()}
    return [f"#define {name} {value}" for name, value in values.items()]


def tables(model: IntegerModel) -> list[str]:
    """The functions, the front end, the weights."""
    front = model.front_end
    lines = [
        *table("SIGMOID", SIGMOID, np.uint16),
        *table("EXP2", EXP2, np.uint16),
        *table("LOG2", LOG2, np.uint16),
        *table("WINDOW", front.window, np.uint16),
        *table("COSINE", front.cosine, np.int32),
        *table("SINE", front.sine, np.int32),
        *table("BAND_FIRST", front.first, np.uint16),
        *table("BAND_COUNT", front.count, np.uint16),
        *table("BAND_SHARE", front.shares, np.uint16),
        *table("MATRIX", front.matrix.reshape(-1), np.int16),
        *table("FEATURE_BIAS", front.bias, np.int32),
    ]
    for i, layer in enumerate(model.layers):
        lines += [*matrix(f"INPUT_{i}", layer.input), *matrix(f"RECURRENT_{i}", layer.recurrent)]
        lines += table(f"BIAS_{i}", layer.bias, np.int32)
        lines += table(f"EXTRA_{i}", layer.extra, np.int32) if len(layer.extra) else []
    lines += matrix("SCORE", model.score) if model.score else []
    return [*lines, *matrix("HEAD", model.head), *table("HEAD_BIAS", model.head_bias, np.int32)]


def matrix(name: str, rows: Rows) -> list[str]:
    return [
        *table(f"{name}_WEIGHTS", rows.weights.reshape(-1), np.int8),
        *table(f"{name}_FACTORS", rows.factors, np.int32),
    ]


def table(name: str, values: NDArray[Any], kind: type[np.integer]) -> list[str]:
    """An array of a type that holds its values."""
    assert np.array_equal(values.astype(kind), values), name
    return [f"static const {TYPES[kind]} {name}[{len(values)}] = {{", *wrapped(map(str, values.tolist())), "};"]


def wrapped(words: Iterable[str]) -> list[str]:
    """Words separated by commas, in lines."""
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > LINE:
            lines.append("")
        lines[-1] += f"{word},"
    return lines


def labels(model: IntegerModel, trigger: Trigger) -> list[str]:
    """The names, and the thresholds of those that are commands: no probability reaches those of the others."""
    never = np.full(len(model.model.labels), HEIGHT + 1)
    thresholds, sure, releases = never.copy(), never.copy(), np.zeros_like(never)
    thresholds[trigger.words] = np.ceil(trigger.thresholds.astype(np.float64) * HEIGHT)
    sure[trigger.words] = np.ceil(np.minimum(trigger.sure.astype(np.float64), 2) * HEIGHT)  # it may be infinite
    releases[trigger.words] = np.ceil(trigger.releases.astype(np.float64) * HEIGHT)
    return [
        *table("THRESHOLDS", thresholds, np.int32),
        *(table("SURE", sure, np.int32) if trigger.isolation else []),
        *table("RELEASES", releases, np.int32),
        "const char *const speech_lstm_labels[SPEECH_LSTM_LABELS] = {",
        *wrapped(map(c_text, model.model.labels)),
        "};",
    ]


def c_text(text: str) -> str:
    """A string literal of UTF-8; what is not plain is an octal escape."""
    letters = (
        chr(b) if chr(b).isascii() and (chr(b).isalnum() or b in b"_- .") else f"\\{b:03o}" for b in text.encode()
    )
    return f'"{"".join(letters)}"'


def layer_lines(model: IntegerModel) -> list[str]:
    """The initialisers of the layers."""
    return [
        f"    {{{layer.input.weights.shape[1]}, {layer.units}, INPUT_{i}_WEIGHTS, INPUT_{i}_FACTORS, "
        f"RECURRENT_{i}_WEIGHTS, RECURRENT_{i}_FACTORS, BIAS_{i}, {f'EXTRA_{i}' if len(layer.extra) else '0'}}},"
        for i, layer in enumerate(model.layers)
    ]
