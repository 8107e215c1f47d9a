"""Measure detection on a long recording whose words are known."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.commands.flags import (
    add_model_argument,
    add_plugin_flag,
    add_threshold_flag,
    add_words_flag,
    load_plugins,
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_argument(parser)
    parser.add_argument("recording", type=Path, metavar="RECORDING")
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="FILE",
        help="CSV with the columns word,start of what is said (RECORDING with the suffix .csv)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to this file")
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="write tradeoff.png and tradeoff_words.png to this folder"
    )
    add_words_flag(parser)
    add_threshold_flag(parser)
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)
    from dataclasses import replace

    from speech_lstm.errors import printable
    from speech_lstm.files import write_json
    from speech_lstm.recognition.recognizer import load, one_thread
    from speech_lstm.streams.replay import recording_posteriors
    from speech_lstm.streams.report import stream_table
    from speech_lstm.streams.score import StreamScore
    from speech_lstm.streams.tradeoff import trade_off
    from speech_lstm.streams.writing import truth_path

    one_thread()
    recognizer = load(arguments.model, words=arguments.words)
    truth = arguments.truth or truth_path(arguments.recording)
    posteriors = recording_posteriors(recognizer, arguments.recording, truth)
    detection = recognizer.detection
    if arguments.threshold is not None:
        detection = replace(detection, thresholds=dict.fromkeys(posteriors.commands, arguments.threshold))
    commands = posteriors.commands
    score = StreamScore(posteriors.hours, commands, posteriors.events, posteriors.decide(detection))
    curve = trade_off(posteriors, detection)
    print(stream_table(score, curve, detection))
    if arguments.json:
        facts = {"recording": arguments.recording, "thresholds": {w: detection.threshold(w) for w in commands}}
        write_json(arguments.json, facts | score.to_dict() | {"trade_off": curve.to_dict()})
        print(f"\nnumbers in {printable(arguments.json)}")
    if arguments.plots:
        from speech_lstm.report.plotting import save_figure
        from speech_lstm.streams.figures import total_figure, word_figure

        save_figure(total_figure(curve), arguments.plots / "tradeoff.png")
        save_figure(word_figure(curve), arguments.plots / "tradeoff_words.png")
        totals, words = (printable(arguments.plots / name) for name in ("tradeoff.png", "tradeoff_words.png"))
        print(f"\nplots in {totals} and {words}")
    return 0
