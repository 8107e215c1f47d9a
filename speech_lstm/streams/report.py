"""The results of a stream test and of chosen thresholds, as text for a terminal."""

from __future__ import annotations

import numpy as np

from speech_lstm.config import SILENCE, DetectionConfig
from speech_lstm.report.tables import align, percent, span
from speech_lstm.streams.score import OutcomeCounts, Rate, StreamScore
from speech_lstm.streams.thresholds import ChosenThresholds
from speech_lstm.streams.tradeoff import TradeOff

RATES = (0.5, 5.0)  # false accepts per hour for which the missed commands are listed
MOST_GROUPS = 25
ENOUGH = 5  # false accepts that a stream must be expected to hold to estimate their rate


def stream_table(score: StreamScore, curve: TradeOff, detection: DetectionConfig) -> str:
    """The results of a stream test."""
    return paragraphs(
        head(score),
        word_lines(score, detection),
        circumstance_lines(score),
        false_accept_lines(score),
        rate_lines(curve),
    )


def thresholds_table(chosen: ChosenThresholds) -> str:
    """Thresholds, and their score on the stream that they were chosen on."""
    return paragraphs(head(chosen.score), word_lines(chosen.score, chosen.detection))


def paragraphs(*parts: list[str]) -> str:
    """The parts that have lines, with an empty line between them."""
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part)


def head(score: StreamScore) -> list[str]:
    """The length, the totals and the latency."""
    total, latencies = score.total, score.latencies
    lines = [
        f"{score.hours:.2f} h, {total.occurrences:,} commands: {total.matched:,} matched, {total.missed:,} missed, "
        f"{total.wrong:,} recognised as another command",
        f"false accepts: {rate_text(score.false_accepts)}",
    ]
    if len(latencies):
        median, most = np.quantile(latencies, (0.5, 0.95))
        lines.append(f"latency from a word's end to its report: median {median:.2f} s, 95 % within {most:.2f} s")
    return lines


def rate_text(rate: Rate) -> str:
    """`7, 3.50 an hour (95 % interval 1.41–7.21)`."""
    low, high = rate.interval
    return f"{rate.count:,}, {rate.per_hour:.2f} an hour (95 % interval {low:.2f}–{high:.2f})"


def word_lines(score: StreamScore, detection: DetectionConfig) -> list[str]:
    """A line for each command and one for all."""
    rows = [["word", "said", "matched", "missed", "wrong", "not matched", "false accepts", "an hour", "threshold"]]
    for counts in (*score.words, score.total):
        threshold = f"{detection.threshold(counts.name):.3f}" if counts.name in score.commands else ""
        rate = counts.false_accepts
        rows.append([*cells(counts), *((f"{rate.count:,}", f"{rate.per_hour:.2f}", threshold) if rate else ())])
    return align(rows, "lrrrrrrrr")


def circumstance_lines(score: StreamScore) -> list[str]:
    """A line for each range of SNR, for commands apart from other words and for those close to one."""
    rows = [
        [*cells(counts), span(counts.not_matched.interval or (0.0, 1.0))]
        for counts in (*score.snr_ranges, *score.spacings)
        if counts.occurrences
    ]
    head = ["", "said", "matched", "missed", "wrong", "not matched", "95 % interval"]
    return align([head, *rows], "lrrrrrr") if rows else []


def cells(counts: OutcomeCounts) -> list[str]:
    numbers = (counts.occurrences, counts.matched, counts.missed, counts.wrong)
    return [counts.name, *(f"{number:,}" for number in numbers), percent(counts.not_matched.share)]


def false_accept_lines(score: StreamScore) -> list[str]:
    """A line for each word or kind of sound that false accepts lie on."""
    groups = score.false_accept_groups
    if not groups:
        return []
    rows = [["false accepts on", "times", "of said", "reported as"]]
    for group in groups[:MOST_GROUPS]:
        reported = ", ".join(f"{label} {count}" for label, count in group.reported.items())
        occurrences = "" if group.occurrences is None else f"{group.occurrences:,}"
        rows.append([group.name, f"{group.count:,}", occurrences, reported])
    lines = align(rows, "lrrl")
    if rest := groups[MOST_GROUPS:]:
        lines.append(f"and {len(rest)} more words, {sum(group.count for group in rest):,} times")
    if all(event.word in (*score.commands, SILENCE) for event in score.events):
        lines.append("the truth lists no other words, so what lies between the commands is unknown")
    return lines


def rate_lines(curve: TradeOff) -> list[str]:
    """The commands not matched at some rates of false accepts, when all thresholds move together."""
    lines = ["not matched, when the thresholds of all words move together to a rate:"]
    for rate in RATES:
        allowed, missed = int(rate * curve.hours), percent(curve.missed_at(rate))
        lines.append(f"{missed:>7} at {rate:g} false accepts an hour, {allowed:,} in this recording")
    if RATES[0] * curve.hours < 1:
        lines.append(f"(too short to measure {RATES[0]:g} an hour: that takes at least {1 / RATES[0]:g} hours)")
    return lines


def precision_notes(chosen: ChosenThresholds) -> list[str]:
    """A note where the stream is too short to estimate the rate of false accepts."""
    hours, expected = chosen.score.hours, chosen.rate * chosen.score.hours
    if expected >= ENOUGH:
        return []
    count = int(expected)
    low, high = Rate(count, hours).interval
    return [
        f"the stream is too short to estimate the rate: {chosen.rate:g} an hour is {expected:.1f} in {hours:g} h, "
        f"and {count} can come from {low:.2f} to {high:.2f} an hour; pass --hours {ENOUGH / chosen.rate:g}"
    ]
