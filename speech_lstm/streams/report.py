"""The results of a stream test and of chosen thresholds, as text for a terminal."""

from __future__ import annotations

import numpy as np

from speech_lstm.config import SILENCE, DetectionConfig
from speech_lstm.report.tables import align, paragraphs, percent, span
from speech_lstm.streams.score import OutcomeCounts, Rate, StreamScore
from speech_lstm.streams.speech_thresholds import Comparison
from speech_lstm.streams.thresholds import ChosenThresholds
from speech_lstm.streams.tradeoff import TradeOff

RATES = (0.5, 5.0)  # false accepts per hour for which the missed commands are listed
MOST_GROUPS = 25
ENOUGH = 5  # false accepts that a stream must be expected to hold to estimate their rate


def stream_table(
    score: StreamScore, curve: TradeOff, detection: DetectionConfig, speech: StreamScore | None = None
) -> str:
    """The results of a stream test, with those in continuous speech."""
    return paragraphs(
        head(score, "the recording", speech),
        word_lines(score, detection, speech),
        circumstance_lines(score),
        false_accept_lines(score, "the recording"),
        false_accept_lines(speech, "the speech") if speech else [],
        rate_lines(curve),
    )


def thresholds_table(chosen: ChosenThresholds, comparison: Comparison | None = None) -> str:
    """The decision, its score on the streams that it was chosen on, and what other ways to decide would miss."""
    return paragraphs(
        head(chosen.score, "single words", chosen.speech),
        word_lines(chosen.score, chosen.detection, chosen.speech),
        circumstance_lines(chosen.score) if comparison else [],
        comparison_lines(comparison) if comparison else [],
        [decision_line(chosen.detection)] if comparison else [],
    )


def decision_line(detection: DetectionConfig) -> str:
    """How commands are decided, apart from their thresholds."""
    text = f"probabilities are averaged over {detection.smoothing:g} s"
    if not detection.isolation:
        return f"{text}; a command needs no pauses around it"
    unless = f", unless its probability is {detection.sure:g} or more" if detection.sure < 1 else ""
    return f"{text}; the pauses around a command must lie {detection.isolation:g} dB below it{unless}"


def comparison_lines(comparison: Comparison) -> list[str]:
    """A line for each smoothing time, a column for each isolation."""
    ways, best = comparison.missed, comparison.best
    isolations, smoothings = (sorted({way[i] for way in ways}) for i in (1, 0))
    rows = [["smoothing", *(f"{isolation:g} dB" if isolation else "no pauses" for isolation in isolations)]]
    for smoothing in smoothings:
        shares = [(way, ways[way]) for way in ((smoothing, isolation) for isolation in isolations)]
        cells = [(percent(share.share) if share else "none") + ("*" if way == best else " ") for way, share in shares]
        rows.append([f"{smoothing:g} s", *cells])
    head = "commands not matched at these rates, by smoothing and isolation (*: chosen, none: no threshold)"
    return [head, *align(rows, "l" + "r" * len(isolations))]


def head(score: StreamScore, name: str, speech: StreamScore | None) -> list[str]:
    """The length, the totals, the false accepts in the stream of this name and in speech, and the latency."""
    total, latencies = score.total, score.latencies
    lines = [
        f"{score.hours:.2f} h, {total.occurrences:,} commands: {total.matched:,} matched, {total.missed:,} missed, "
        f"{total.wrong:,} recognised as another command",
        f"false accepts: {rate_text(score.false_accepts, name)}",
    ]
    if speech:
        lines.append(f"false accepts: {rate_text(speech.false_accepts, 'continuous speech')}, {speech.hours:.2f} h")
    if len(latencies):
        median, most = np.quantile(latencies, (0.5, 0.95))
        lines.append(f"latency from a word's end to its report: median {median:.2f} s, 95 % within {most:.2f} s")
    return lines


def rate_text(rate: Rate, name: str) -> str:
    """`7, 3.50 an hour of single words (95 % interval 1.41–7.21)`."""
    low, high = rate.interval
    return f"{rate.count:,}, {rate.per_hour:.2f} an hour of {name} (95 % interval {low:.2f}–{high:.2f})"


def word_lines(score: StreamScore, detection: DetectionConfig, speech: StreamScore | None) -> list[str]:
    """A line for each command and one for all."""
    names = ["word", "said", "matched", "missed", "wrong", "not matched", "false accepts", "an hour"]
    rows = [[*names, *(["in speech", "an hour"] if speech else []), "threshold"]]
    spoken = (*speech.words, speech.total) if speech else ()
    for i, counts in enumerate((*score.words, score.total)):
        rates = [counts.false_accepts, *(other.false_accepts for other in spoken[i : i + 1])]
        columns = [cell for rate in rates if rate for cell in (f"{rate.count:,}", f"{rate.per_hour:.2f}")]
        threshold = f"{detection.threshold(counts.name):.3f}" if counts.name in score.commands else ""
        rows.append([*cells(counts), *columns, threshold])
    return align(rows, "l" + "r" * (len(rows[0]) - 1))


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


def false_accept_lines(score: StreamScore, name: str) -> list[str]:
    """A line for each word or kind of sound in the stream of this name that false accepts lie on."""
    groups = score.false_accept_groups
    if not groups:
        return []
    rows = [[f"false accepts in {name} on", "times", "of said", "reported as"]]
    for group in groups[:MOST_GROUPS]:
        reported = ", ".join(f"{label} {count}" for label, count in group.reported.items())
        occurrences = "" if group.occurrences is None else f"{group.occurrences:,}"
        rows.append([group.name, f"{group.count:,}", occurrences, reported])
    lines = align(rows, "lrrl")
    if rest := groups[MOST_GROUPS:]:
        lines.append(f"and {len(rest)} more words, {sum(group.count for group in rest):,} times")
    if score.events and all(event.word in (*score.commands, SILENCE) for event in score.events):
        lines.append("the truth lists no other words, so what lies between the commands is unknown")
    return lines


def rate_lines(curve: TradeOff) -> list[str]:
    """The commands not matched at some rates of false accepts, when all thresholds move together."""
    lines = ["not matched, when the thresholds of all words move together to a rate:"]
    for speech in (False, True) if curve.speech else (False,):
        hours, name = curve.of(speech).hours, "continuous speech" if speech else "the recording"
        for rate in RATES:
            allowed, missed = int(rate * hours), percent(curve.missed_at(rate, speech))
            lines.append(f"{missed:>7} at {rate:g} false accepts an hour of {name}, {allowed:,} in {hours:.2f} h")
        if RATES[0] * hours < 1:
            lines.append(f"(too short to measure {RATES[0]:g} an hour: that takes at least {1 / RATES[0]:g} hours)")
    return lines


def precision_notes(chosen: ChosenThresholds) -> list[str]:
    """A note where the stream, or the speech, is too short to estimate the rate of false accepts."""
    hours = (chosen.speech or chosen.score).hours
    name, advice = ("speech", "give --speech") if chosen.speech else ("stream", "pass --hours")
    expected = chosen.rate * hours
    if expected >= ENOUGH:
        return []
    count = int(expected)
    low, high = Rate(count, hours).interval
    return [
        f"the {name} is too short to estimate the rate: {chosen.rate:g} an hour is {expected:.1f} in {hours:.3g} h, "
        f"and {count} can come from {low:.2f} to {high:.2f} an hour; {advice} {ENOUGH / chosen.rate:g}"
        + (" h long" if chosen.speech else "")
    ]
