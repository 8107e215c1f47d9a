"""Suspect recordings as CSV, as lines of the terminal, and as a page to look at and listen to."""

from __future__ import annotations

import base64
import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from markupsafe import Markup
from matplotlib.image import imsave
from numpy.typing import NDArray

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import SAMPLE_RATE, FeatureConfig
from speech_lstm.corpus.clip_cache import ClipCache
from speech_lstm.corpus.left_out import HEAD
from speech_lstm.errors import printable
from speech_lstm.report.document import Document, Section
from speech_lstm.report.tables import align, percent
from speech_lstm.training.suspects import KINDS, Examination, Suspect

COLUMNS = (HEAD, "label", "answer", "probability", "label_probability", "kind")
SPECTROGRAM = FeatureConfig(kind="log-mel", window_ms=25.0, mels=64)
RANGE = 9.0  # from the darkest to the brightest, natural logarithm of power: 39 dB
FAINTEST = -1.0  # the brightest is at least this: a silent recording stays dark
SOUND = '<audio controls preload="none" style="width: 11rem" src="data:audio/flac;base64,{}"></audio>'
IMAGE = '<img alt="" style="width: 8rem; height: 4rem; max-width: none" src="data:image/png;base64,{}">'


def write_csv(path: Path, suspects: Sequence[Suspect]) -> None:
    """Write the suspects in the form that `left_out` reads."""
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for suspect in suspects:
            chances = f"{suspect.probability:.4f}", f"{suspect.label_probability:.4f}"
            writer.writerow((suspect.recording, suspect.label, suspect.answer, *chances, suspect.kind))


def suspects_table(suspects: Sequence[Suspect]) -> str:
    """The number of suspects of each kind."""
    counts = Counter(suspect.kind for suspect in suspects)
    rows = [[kind, f"{counts[kind]:,}", meaning] for kind, meaning in KINDS.items()]
    return "\n".join(align([["kind", "recordings", ""], *rows], "lrl"))


def page(examination: Examination, suspects: Sequence[Suspect], threshold: float, worst: int) -> str:
    """One HTML page with the `worst` suspects of each kind: their sound, spectrogram and answer."""
    front_end, clips = FrontEnd(SPECTROGRAM), examination.recordings.clips
    sections = []
    for kind, meaning in KINDS.items():
        if of_kind := [suspect for suspect in suspects if suspect.kind == kind]:
            rows = [cells(suspect, clips, front_end) for suspect in of_kind[:worst]]
            shown = f"{len(rows):,} of {len(of_kind):,}" if len(rows) < len(of_kind) else f"{len(rows):,}"
            head = ["recording", "label", "answer", "sound", "spectrogram"]
            sections.append(Section(f"{kind}: {meaning}", [f"{shown} recordings"], rows=[head, *rows]))
    intro = (
        f"Models answered {len(examination.rows):,} recordings that they were not trained on. Listed are those "
        "without a sound, and those whose label the models give a probability of at most "
        f"{100 * threshold:g} %. They are not proven wrong: unusual voices, accents and noise, which a model should "
        "learn, are among them. Listen before you leave a recording out."
    )
    footer = "Spectrograms: mel scale from 20 to 7600 Hz, one second, 39 dB from dark to bright."
    return Document("Recordings whose label may be wrong", intro, footer, sections).html(Path())


def cells(suspect: Suspect, clips: ClipCache, front_end: FrontEnd) -> list[str]:
    """A row of the page's table."""
    clip = clips.samples[clips.rows[suspect.recording]]
    label, answer = (
        f"{printable(name)} {percent(chance)}".replace(" %", "\N{NO-BREAK SPACE}%")
        for name, chance in [(suspect.label, suspect.label_probability), (suspect.answer, suspect.probability)]
    )
    sound, image = Markup(SOUND).format(flac(clip)), Markup(IMAGE).format(spectrogram(clip, front_end))
    return [printable(suspect.recording), label, answer, sound, image]


def flac(clip: NDArray[np.int16]) -> str:
    """A recording as FLAC in base64."""
    file = io.BytesIO()
    soundfile.write(file, clip, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode("ascii")


def spectrogram(clip: NDArray[np.int16], front_end: FrontEnd) -> str:
    """A picture of a recording as PNG in base64, a pixel for each frame and mel band."""
    bands = front_end(torch.from_numpy(clip[None] / np.float32(32768)))[0].numpy().T[::-1]
    high = max(FAINTEST, float(bands.max()))
    file = io.BytesIO()
    imsave(file, bands, vmin=high - RANGE, vmax=high, cmap="magma", format="png")
    return base64.b64encode(file.getvalue()).decode("ascii")
