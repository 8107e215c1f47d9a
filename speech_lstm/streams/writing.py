"""A synthetic stream as files: the recording, written as it is drawn, and its truth next to it."""

from __future__ import annotations

from pathlib import Path

from speech_lstm.audio.wav_file import wav_writer
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.corpus.speech_commands import Corpus
from speech_lstm.errors import ConfigError
from speech_lstm.files import atomic_path
from speech_lstm.streams.scenes import Plan, SyntheticStream
from speech_lstm.streams.truth import Event, write_truth

MOST_SECONDS = (2**32 - 4096) // (2 * SAMPLE_RATE)  # of a WAV file, whose header counts bytes in 32 bits


def truth_path(recording: Path) -> Path:
    """The default path of the truth of a recording."""
    return recording.with_suffix(".csv")


def write_stream(corpus: Corpus, plan: Plan, out: Path, progress: bool = True) -> tuple[list[Event], list[str]]:
    """Write the stream to `out` as 16-bit WAV and its truth to `truth_path(out)`: both, or neither is touched.

    Returns the truth, and notes for people on what was skipped. Raises ConfigError for a name that does not end in
    .wav and for a stream too long for a WAV file; CorpusError, RecordingError, OutputError.
    """
    from speech_lstm.progress import Bar

    if out.suffix.lower() != ".wav":
        raise ConfigError(f"{out}: the recording is a WAV file; pass a name that ends in .wav")
    if plan.seconds > MOST_SECONDS:
        raise ConfigError(f"a WAV file holds at most {MOST_SECONDS // 60:,} minutes; make several streams")
    stream, events = SyntheticStream(corpus, plan), list[Event]()
    bar = Bar(total=round(plan.seconds), desc="making", unit="s", disable=not progress)
    with atomic_path(truth_path(out)) as truth, atomic_path(out) as recording:
        samples = 0
        with bar, wav_writer(recording) as write:
            for scene in stream:
                write(scene.samples)
                events += scene.events
                samples += len(scene.samples)
                bar.update(samples // SAMPLE_RATE - bar.n)
        with truth.open("w", encoding="utf-8", errors="backslashreplace", newline="") as table:
            write_truth(table, events)
    return events, stream.notes
