"""The results of a model as text for the terminal, at most 100 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speech_lstm.config import UNKNOWN
from speech_lstm.report.proportion import Proportion
from speech_lstm.report.tables import NONE, align, paragraphs, percent, span
from speech_lstm.training.open_set import BASELINE, RECALL, OpenSet

if TYPE_CHECKING:
    from speech_lstm.training.evaluation import Evaluation
    from speech_lstm.training.reliability import Reliability
    from speech_lstm.training.scoring import Assessment

WIDTH = 100  # columns
LABEL = 20  # most columns of a label or a word


def assessment_table(assessment: Assessment, details: bool = False) -> str:
    """The report: the split, unseen words, reliability of the probabilities, open sets with all scores or one."""
    parts = [evaluation_table(assessment.evaluation)]
    if assessment.unseen and (accepted := assessment.unseen.unknown_accepted):
        rejected = Proportion(accepted.of - accepted.hits, accepted.of)
        line = (
            f"words not seen in training: {rejected.hits} of {rejected.of} recordings rejected, "
            f"{percent(rejected.share)} (95 % interval {span(rejected.interval or (0.0, 1.0))})"
        )
        parts.append("\n".join([line, *map(str.rstrip, word_lines(assessment.unseen, 30))]))
    tables = [open_set_table(item) if details else open_set_lines(item) for item in assessment.open_sets]
    return "\n\n".join([*parts, reliability_table(assessment.reliability), *tables])


def headline(evaluation: Evaluation) -> str:
    """`accuracy 96.8 % (95 % interval 95.6–97.7 %), 1,154 of 1,192 recordings`."""
    return (
        f"accuracy {percent(evaluation.accuracy)} (95 % interval {span(evaluation.interval)}), "
        f"{evaluation.correct:,} of {evaluation.count:,} recordings"
    )


def evaluation_table(evaluation: Evaluation, words: int = 20, mistakes: int = 10) -> str:
    """Headline, labels, confusions, at most so many unknown words and most confident mistakes."""
    return paragraphs(
        [headline(evaluation), f"loss {evaluation.loss:.3f} (mean cross-entropy)"],
        label_lines(evaluation),
        proportion_lines(evaluation),
        confusion_lines(evaluation),
        word_lines(evaluation, words),
        mistake_lines(evaluation, mistakes),
    )


def label_lines(evaluation: Evaluation) -> list[str]:
    """Precision, recall and F1, a label a line."""
    rows = [
        [
            shorten(counts.label, LABEL),
            f"{counts.support:,}",
            percent(counts.precision),
            percent(counts.recall),
            percent(counts.f1),
        ]
        for counts in evaluation.by_label
    ]
    lines = align([["label", "recordings", "precision", "recall", "F1"], *rows], "lrrrr")
    if any(NONE in row for row in rows):
        lines.append(f"{NONE}: nothing to divide by (no such recording, or the label was never answered)")
    return lines


def proportion_lines(evaluation: Evaluation) -> list[str]:
    """Commands recognised, unknown words and silence taken for a command, as far as there are recordings."""
    if len(evaluation.command_indices) == len(evaluation.labels):
        return []  # every label is a command: the headline is enough
    proportions: list[tuple[str, Proportion | None]] = [
        ("commands recognised", evaluation.command_recall),
        ("unknown words taken for a command", evaluation.unknown_accepted),
        ("silence taken for a command", evaluation.silence_accepted),
    ]
    rows = []
    for name, part in proportions:
        if part and part.interval:
            rows.append([name, percent(part.share), span(part.interval), f"{part.hits:,} of {part.of:,}"])
    return align([["", "share", "95 % interval", "recordings"], *rows], "lrrr") if rows else []


def confusion_lines(evaluation: Evaluation) -> list[str]:
    """The matrix if it fits, a dot for zero; else the most frequent confusions."""
    labels = evaluation.labels
    left = min(max(map(len, labels)), 10) + 1
    longest = max(max(map(len, labels)), len(f"{evaluation.confusion.max():,}"))
    cell = min((WIDTH - left) // len(labels), longest + 1)
    if cell < 6 or cell <= len(f"{evaluation.confusion.max():,}"):
        return confusion_pairs(evaluation)
    lines = ["confusions (row: truth, column: answer)"]
    lines.append(" " * left + "".join(f"{shorten(label, cell - 1):>{cell}}" for label in labels))
    for label, row in zip(labels, evaluation.confusion.tolist(), strict=True):
        numbers = "".join(f"{f'{number:,}' if number else '·':>{cell}}" for number in row)
        lines.append(f"{shorten(label, left - 1):<{left}}{numbers}")
    return lines


def confusion_pairs(evaluation: Evaluation, most: int = 15) -> list[str]:
    """The most frequent confusions, one a line."""
    rows, columns = evaluation.confusion.nonzero()
    pairs = [(r, c) for r, c in zip(rows.tolist(), columns.tolist(), strict=True) if r != c]
    pairs.sort(key=lambda pair: -evaluation.confusion[pair])  # stable: ties stay in label order
    if not pairs:
        return []
    support = evaluation.confusion.sum(axis=1)
    body = [
        [
            shorten(evaluation.labels[r], LABEL),
            shorten(evaluation.labels[c], LABEL),
            f"{evaluation.confusion[r, c]:,}",
            percent(float(evaluation.confusion[r, c] / support[r])),
        ]
        for r, c in pairs[:most]
    ]
    head = ["truth", "answer", "recordings", "of the truth's"]
    return ["most frequent confusions", *align([head, *body], "llrr")]


def word_lines(evaluation: Evaluation, most: int) -> list[str]:
    """The unknown words that were most often taken for a command, with these commands."""
    accepted = sorted((word for word in evaluation.words if word.accepted), key=lambda word: -word.accepted)
    if not accepted or most < 1:
        return []
    rows = [["word", "recordings", "taken", "for"]]
    for word in accepted[:most]:
        commands = ", ".join(f"{label} {number:,}" for label, number in word.taken_for.items())
        rows.append([shorten(word.word, LABEL), f"{word.clips:,}", f"{word.accepted:,}", shorten(commands, 50)])
    rest, rejected = accepted[most:], len(evaluation.words) - len(accepted)
    lines = ["unknown words taken for a command", *align(rows, "lrrl")]
    if rest:
        lines.append(f"and {len(rest):,} more words, {sum(word.accepted for word in rest):,} times in total")
    if rejected:
        lines.append(f"never taken for a command: {rejected:,} of {len(evaluation.words):,} words")
    return lines


def mistake_lines(evaluation: Evaluation, most: int) -> list[str]:
    """The most confident mistakes, by file name."""
    rows = []
    for mistake in evaluation.mistakes[: max(most, 0)]:
        truth = f"{UNKNOWN} ({mistake.word})" if mistake.truth == UNKNOWN and mistake.word else mistake.truth
        rows.append(
            [
                percent(mistake.probability),
                shorten(truth, LABEL + 5),
                shorten(mistake.answer, LABEL),
                mistake.name,
            ]
        )
    if not rows:
        return []
    widest = [max(len(row[column]) for row in rows) for column in range(3)]
    room = WIDTH - sum(max(width, 11) + 2 for width in widest)
    rows = [[*row[:3], shorten(row[3], room, keep_end=True)] for row in rows]
    head = ["probability", "truth", "answer", "recording"]
    return ["most confident mistakes", *align([head, *rows], "rlll")]


def reliability_table(reliability: Reliability) -> str:
    """Confidence, accuracy and calibration error."""
    recordings, bins = reliability.counts.sum(), len(reliability.counts)
    return (
        f"calibration: mean confidence {percent(reliability.mean_confidence)}, accuracy "
        f"{percent(reliability.accuracy)}, Brier score {reliability.brier:.3f}\n"
        f"expected calibration error {percent(reliability.error)} ({bins} bins of {recordings:,} recordings; "
        f"chance alone gives up to {percent(reliability.by_chance)})"
    )


def open_set_head(open_set: OpenSet) -> list[str]:
    """The recordings, and what the plain answer makes of them."""
    return [
        f"open set: {open_set.name}",
        f"the plain answer accepts {percent(open_set.plain_commands.share)} of commands, "
        f"{with_interval(open_set.plain_unknown)} of unknown words",
    ]


def open_set_lines(open_set: OpenSet) -> str:
    """The score that recognition compares with a threshold."""
    (score,) = (item for item in open_set.separations if item.name == BASELINE)
    threshold = (
        f"a threshold that accepts {100 * RECALL:.0f} % of commands accepts {with_interval(score.at_recall)} of "
        f"unknown words; AUC {score.auc:.3f}"
    )
    return "\n".join([*open_set_head(open_set), threshold])


def open_set_table(open_set: OpenSet) -> str:
    """Each score with its area and its false accepts."""
    recall = f"{percent(open_set.plain_commands.share)} of commands"
    rows = [
        ["score", "AUC", "95 % interval", "over posterior", f"false accepts at {100 * RECALL:.0f} %", f"at {recall}"]
    ]
    for item in open_set.separations:
        low, high = item.gain
        rows.append(
            [
                item.name,
                f"{item.auc:.3f}",
                f"{item.interval[0]:.3f}–{item.interval[1]:.3f}",
                NONE if item.name == BASELINE else f"{low:+.3f} … {high:+.3f}",
                with_interval(item.at_recall),
                with_interval(item.at_plain),
            ]
        )
    return "\n".join([*open_set_head(open_set), *align(rows, "lrrrrr")])


def with_interval(proportion: Proportion) -> str:
    """`8.7 % (5.5–13.5)`: with its 95 % interval."""
    low, high = proportion.interval or (0.0, 1.0)
    return f"{percent(proportion.share)} ({100 * low:.1f}–{100 * high:.1f})"


def shorten(text: str, width: int, keep_end: bool = False) -> str:
    """`text` in at most `width` columns, cut with an ellipsis; unprintable characters become `?`."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    if len(text) <= width:
        return text
    return "…" + text[1 - width :] if keep_end else text[: width - 1] + "…"
