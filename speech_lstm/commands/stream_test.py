"""Measure detection on a long recording whose words are known."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.commands.flags import (
    add_detection_flags,
    add_model_argument,
    add_plugin_flag,
    add_speech_flag,
    add_words_flag,
    load_plugins,
)

EXAMPLE = "stream-test MODEL stream.wav --plots plots"


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_argument(parser)
    parser.add_argument(
        "recording", type=Path, metavar="RECORDING", help="a long recording of which the words are known"
    )
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="FILE",
        help="CSV with the columns word,start of what is said (RECORDING with the suffix .csv)",
    )
    add_speech_flag(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to this file")
    parser.add_argument(
        "--plots",
        type=Path,
        metavar="DIR",
        help="write tradeoff.png, tradeoff_words.png and, with --speech, tradeoff_speech.png to this folder",
    )
    add_words_flag(parser)
    add_detection_flags(parser)
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)
    from dataclasses import replace

    from speech_lstm.errors import printable
    from speech_lstm.files import write_json
    from speech_lstm.recognition.recognizer import load, one_thread
    from speech_lstm.streams.replay import recording_posteriors, speech_posteriors
    from speech_lstm.streams.report import stream_table
    from speech_lstm.streams.tradeoff import trade_off
    from speech_lstm.streams.writing import truth_path

    one_thread()
    recognizer = load(arguments.model, words=arguments.words)
    truth = arguments.truth or truth_path(arguments.recording)
    posteriors = recording_posteriors(recognizer, arguments.recording, truth)
    speech = speech_posteriors(recognizer, arguments.speech) if arguments.speech else None
    detection, commands = recognizer.detection, posteriors.commands
    if arguments.threshold is not None:
        detection = replace(detection, thresholds=dict.fromkeys(commands, arguments.threshold))
    if arguments.continuous:
        detection = replace(detection, isolation=0.0)
    score, speech_score = posteriors.score(detection), speech.score(detection) if speech else None
    curve = trade_off(posteriors, detection, speech=speech)
    print(stream_table(score, curve, detection, speech_score))
    if arguments.json:
        facts = {"recording": arguments.recording, "thresholds": {w: detection.threshold(w) for w in commands}}
        facts |= {"smoothing": detection.smoothing, "isolation": detection.isolation, "sure": detection.sure}
        spoken = {"speech": speech_score.to_dict()} if speech_score else {}
        write_json(arguments.json, facts | score.to_dict() | spoken | {"trade_off": curve.to_dict()})
        print(f"\nnumbers in {printable(arguments.json)}")
    if arguments.plots:
        from speech_lstm.report.plotting import save_figure
        from speech_lstm.streams.figures import total_figure, word_figure

        figures = {"tradeoff.png": total_figure(curve), "tradeoff_words.png": word_figure(curve)}
        if speech:
            figures["tradeoff_speech.png"] = total_figure(curve, speech=True)
        for name, figure in figures.items():
            save_figure(figure, arguments.plots / name)
        print("\nplots in " + ", ".join(printable(arguments.plots / name) for name in figures))
    return 0
