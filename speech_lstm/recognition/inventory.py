"""The bundled models with their sizes, costs and cards: what `speech-lstm models` prints."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import ModelError, foreign
from speech_lstm.files import InputError, byte_size, read_text
from speech_lstm.model.bundled import DEFAULT, bundled_model, folder, names
from speech_lstm.recognition.onnx_model import OnnxModel, OnnxStream
from speech_lstm.recognition.trigger import HOP_SECONDS
from speech_lstm.report.tables import align, percent

MOST_CARD = 1 << 20  # bytes
NOT_MATCHED, FALSE_ACCEPTS = "commands not matched", "false accepts an hour"  # the names in cards


@dataclass(frozen=True)
class Card:
    """What the card of a model states for programs, in its front matter: the YAML that model hubs read."""

    license: str
    language: str
    dataset: str  # that it was measured on
    metrics: dict[str, float]  # each in percent; the first is the accuracy
    stream: dict[str, float]  # what it does in a stream, as the card names it: NOT_MATCHED in percent, rates an hour

    @property
    def accuracy(self) -> float:
        """From 0 to 1."""
        return next(iter(self.metrics.values())) / 100


def read_card(path: Path) -> Card:
    """The card in a file; raises ModelError for one without this front matter."""
    import yaml

    try:
        _, front, _ = read_text(path, MOST_CARD).split("---\n", 2)
        facts = yaml.safe_load(front)
        recordings, stream = facts["model-index"][0]["results"]
        metrics, in_stream = (
            {item["name"]: float(item["value"]) for item in result["metrics"]} for result in (recordings, stream)
        )
        if not metrics or not {NOT_MATCHED, FALSE_ACCEPTS} <= in_stream.keys():
            raise ValueError("a metric is missing")
        return Card(facts["license"], facts["language"], recordings["dataset"]["name"], metrics, in_stream)
    except (InputError, yaml.YAMLError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{path}: its front matter is damaged ({foreign(error)}); reinstall speech-lstm") from None


@dataclass(frozen=True)
class BundledModel:
    """A bundled model; the multiplications are those of its ONNX file, from the samples to the answer."""

    name: str
    labels: tuple[str, ...]
    files: dict[str, int]  # name → bytes
    classify: int  # multiplications for a recording of a second
    listen: int  # multiplications for a second of continuous sound
    card: Card

    def to_dict(self) -> dict[str, Any]:
        """Everything, in the types that JSON has."""
        return asdict(self) | {"default": self.name == DEFAULT}


def bundled_models() -> list[BundledModel]:
    """All bundled models, by name; raises ModelError for a damaged or missing file."""
    return [describe(name) for name in names()]


def describe(name: str) -> BundledModel:
    """The bundled model of this name; raises ModelError for a damaged or missing file."""
    model = OnnxModel(bundled_model(".onnx", name))
    files = sorted(path for path in folder().glob(f"{name}.*") if path.suffix in (".onnx", ".safetensors"))
    sizes = {path.name: path.stat().st_size for path in files}
    card = read_card(bundled_model(".md", name))
    return BundledModel(name, model.labels, sizes, *multiplications(model), card)


def multiplications(model: OnnxModel) -> tuple[int, int]:
    """Those for a recording of a second, and for a second of continuous sound."""
    hop = round(HOP_SECONDS * SAMPLE_RATE)
    whole, _ = model.session.check(((1, CLIP_SAMPLES),))
    step, scorer = whole, model.scorer(hop)
    if isinstance(scorer, OnnxStream):
        start = (shape for _, shape in scorer.session.state.values())
        _, state = scorer.session.check(((1, CLIP_SAMPLES), *start))
        step, _ = scorer.session.check(((1, hop), *state))
    return whole, round(step / HOP_SECONDS)


def table(models: list[BundledModel], width: int) -> str:
    """The models, one a line, then what else is known of each, in lines of at most `width` columns where possible."""
    rows = [["model", "size", "accuracy", "not matched", "false/h", "classify", "listen"]]
    for model in models:
        card = model.card
        size = byte_size(model.files[f"{model.name}.onnx"])
        shares = (
            percent(card.accuracy),
            percent(card.stream[NOT_MATCHED] / 100),
            f"{card.stream[FALSE_ACCEPTS]:.1f}",
        )
        costs = (f"{count / 1e6:,.1f} M" for count in (model.classify, model.listen))
        rows.append([model.name, size, *shares, *costs])
    notes = (
        "not matched and false/h: commands of a stream that are not recognised, and its false accepts an hour. "
        "classify and listen: multiplications for a recording of a second, and for a second of continuous sound."
    )
    details = [detail(model, width) for model in models]
    return "\n".join([*align(rows, "lrrrrrr"), *textwrap.wrap(notes, width), *details])


def detail(model: BundledModel, width: int) -> str:
    """The labels and files of a model, and what its accuracy was measured on."""
    files = ", ".join(f"{name} {size:,} bytes" for name, size in model.files.items())
    stream = ", ".join(f"{value:g}{' %' * (name == NOT_MATCHED)} {name}" for name, value in model.card.stream.items())
    facts = {"labels": ", ".join(model.labels), "files": files, "measured": f"on {model.card.dataset}"}
    facts |= {"stream": stream, "licence": model.card.license}
    lines = ["", model.name + (" (the default)" if model.name == DEFAULT else "")]
    for name, text in facts.items():
        lines += textwrap.wrap(text, width, initial_indent=f"  {name:<8}  ", subsequent_indent=" " * 12)
    return "\n".join(lines)
