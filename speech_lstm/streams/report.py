"""What a stream test says, as text for a terminal."""

from __future__ import annotations

import numpy as np

from speech_lstm.config import SILENCE, DetectionConfig
from speech_lstm.report.tables import aligned, percent, span
from speech_lstm.streams.score import Rate, Row, StreamScore
from speech_lstm.streams.thresholds import Calibration
from speech_lstm.streams.tradeoff import TradeOff

RATES = (0.5, 5.0)  # false accepts an hour at which the missed commands are told
MOST_CAUSES = 25


def table(score: StreamScore, curve: TradeOff, detection: DetectionConfig) -> str:
    """The whole report."""
    parts = [
        head(score),
        word_lines(score, detection),
        circumstance_lines(score),
        cause_lines(score),
        rate_lines(curve),
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part)


def calibration_table(found: Calibration) -> str:
    """The thresholds chosen, and what they do on the stream that they were chosen on."""
    parts = [head(found.score), word_lines(found.score, found.detection)]
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts)


def head(score: StreamScore) -> list[str]:
    """The length, the totals and the latency."""
    total, latencies = score.total, score.latencies
    lines = [
        f"{score.hours:.2f} h, {total.said:,} commands: {total.matched:,} matched, {total.missed:,} missed, "
        f"{total.wrong:,} heard as another command",
        f"false accepts: {rate(score.false_accepts)}",
    ]
    if len(latencies):
        median, most = np.quantile(latencies, (0.5, 0.95))
        lines.append(f"latency from a word's end to its report: median {median:.2f} s, 95 % within {most:.2f} s")
    return lines


def rate(found: Rate) -> str:
    """`7, 3.50 an hour (95 % interval 1.41–7.21)`."""
    low, high = found.interval
    return f"{found.count:,}, {found.an_hour:.2f} an hour (95 % interval {low:.2f}–{high:.2f})"


def word_lines(score: StreamScore, detection: DetectionConfig) -> list[str]:
    """A line for each command and one for all."""
    rows = [["word", "said", "matched", "missed", "wrong", "not matched", "false accepts", "an hour", "threshold"]]
    for row in (*score.words, score.total):
        threshold = f"{detection.threshold(row.name):.3f}" if row.name in score.commands else ""
        found = row.false_accepts
        rows.append([*counts(row), f"{found.count:,}", f"{found.an_hour:.2f}", threshold] if found else counts(row))
    return aligned(rows, "lrrrrrrrr")


def circumstance_lines(score: StreamScore) -> list[str]:
    """A line for each range of SNR, and for commands apart from other words and close to one."""
    rows = [
        [*counts(row), span(row.not_matched.interval or (0.0, 1.0))]
        for row in (*score.snr_ranges, *score.spacings)
        if row.said
    ]
    head = ["", "said", "matched", "missed", "wrong", "not matched", "95 % interval"]
    return aligned([head, *rows], "lrrrrrr") if rows else []


def counts(row: Row) -> list[str]:
    numbers = [f"{number:,}" for number in (row.said, row.matched, row.missed, row.wrong)]
    return [row.name, *numbers, percent(row.not_matched.share)]


def cause_lines(score: StreamScore) -> list[str]:
    """What the false accepts were."""
    causes = score.causes
    if not causes:
        return []
    rows = [["false accepts were", "times", "of said", "reported as"]]
    for cause in causes[:MOST_CAUSES]:
        reported = ", ".join(f"{label} {count}" for label, count in cause.reported.items())
        rows.append([cause.name, f"{cause.count:,}", "" if cause.said is None else f"{cause.said:,}", reported])
    lines = aligned(rows, "lrrl")
    if rest := causes[MOST_CAUSES:]:
        lines.append(f"and {len(rest)} more words, {sum(cause.count for cause in rest):,} times")
    if all(event.word in (*score.commands, SILENCE) for event in score.events):
        lines.append("the truth names no other words, so that what lies between the commands isn't known")
    return lines


def rate_lines(curve: TradeOff) -> list[str]:
    """What is not matched at some rates of false accepts, when all thresholds move together."""
    lines = ["not matched, where the thresholds of all words are moved together to a rate:"]
    for wanted in RATES:
        allowed, missed = int(wanted * curve.hours), percent(curve.missed_at(wanted))
        lines.append(f"{missed:>7} at {wanted:g} false accepts an hour, {allowed:,} in this recording")
    if RATES[0] * curve.hours < 1:
        lines.append(f"(for {RATES[0]:g} an hour it is too short: that takes {1 / RATES[0]:g} hours and more)")
    return lines
