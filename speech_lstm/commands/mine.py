"""Collect false accepts from recordings of speech, to train on."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from speech_lstm.commands.flags import (
    add_model_argument,
    add_plugin_flag,
    add_words_flag,
    load_plugins,
    probability,
    whole,
)
from speech_lstm.errors import FAILED, printable

if TYPE_CHECKING:
    from speech_lstm.streams.mining import Collection

EXAMPLE = "mine MODEL speech/ --out mined"


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_argument(parser)
    parser.add_argument(
        "speech",
        type=Path,
        nargs="+",
        metavar="SPEECH",
        help="recordings, or folders of them. Every detected command is taken for a false accept, except near the "
        "commands in the truth of a recording (RECORDING with the suffix .csv, as for stream-test). A recording "
        "without a truth must contain no command: it would be trained on as _unknown_",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a new folder, for the flag --extra of train"
    )
    parser.add_argument(
        "--threshold",
        type=probability,
        default=0.5,
        metavar="P",
        help="probability of a detection, for all commands; a lower one takes near misses too (%(default)s)",
    )
    parser.add_argument("--most", type=whole, metavar="N", help="keep the N likeliest (all)")
    add_words_flag(parser)
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.audio.sources import find_recordings
    from speech_lstm.errors import RecordingError, print_error
    from speech_lstm.streams.mining import Collection, mine
    from speech_lstm.streams.truth import TruthError

    if "-" in (paths := find_recordings(arguments.speech)):
        raise RecordingError("standard input has no name for the table; name a file")
    collection = Collection(arguments.out, arguments.most)
    load_plugins(arguments)
    from speech_lstm.progress import Bar
    from speech_lstm.recognition.recognizer import load, one_thread

    one_thread()
    recognizer = load(arguments.model, words=arguments.words)
    counts, hours, damaged = Counter[str](), 0.0, 0
    with collection, Bar(paths, desc="mining", unit="recording") as bar:
        for path in map(Path, bar):
            try:
                for seconds, accepts in mine(recognizer, path, arguments.threshold):
                    for accept in accepts:
                        collection.add(path, accept)
                    counts.update(accept.label for accept in accepts)
                    hours += seconds / 3600
                    bar.set_postfix_str(f"{hours:.2f} h, {counts.total():,} false accepts")
            except (RecordingError, TruthError) as error:
                if len(paths) == 1:
                    raise
                damaged += 1
                print_error(error)
    print(summary(counts, hours, collection))
    if damaged:
        print_error(f"{damaged} of {len(paths)} recordings could not be read")
    return FAILED if damaged else 0


def summary(counts: Counter[str], hours: float, collection: Collection) -> str:
    """What was found and where it is, in a line."""
    rate = f"{counts.total():,} false accepts in {hours:.2f} h"
    if not counts:
        return rate
    words = ", ".join(f"{printable(label)} {count:,}" for label, count in counts.most_common())
    return f"{rate}: {words}; {len(collection.rows):,} of them in {printable(collection.out)}"
