"""An evaluation as text for the terminal, at most 100 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speech_lstm.config import UNKNOWN
from speech_lstm.report.tables import align, percent, span

if TYPE_CHECKING:
    from speech_lstm.report.proportion import Proportion
    from speech_lstm.training.evaluation import Evaluation

WIDTH = 100  # columns
LABEL = 20  # columns that a label or a word gets at most


def headline(evaluation: Evaluation) -> str:
    """`accuracy 96.8 % (95 % interval 95.6–97.7 %), 1,154 of 1,192 recordings`."""
    return (
        f"accuracy {percent(evaluation.accuracy)} (95 % interval {span(evaluation.interval)}), "
        f"{evaluation.correct:,} of {evaluation.count:,} recordings"
    )


def table(evaluation: Evaluation, words: int = 20, mistakes: int = 10) -> str:
    """The report: headline, scores of the labels, confusions, unknown words, most confident mistakes."""
    parts = [
        [headline(evaluation), f"loss {evaluation.loss:.3f} (mean cross-entropy)"],
        label_lines(evaluation),
        share_lines(evaluation),
        confusion_lines(evaluation),
        word_lines(evaluation, words),
        mistake_lines(evaluation, mistakes),
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part)


def label_lines(evaluation: Evaluation) -> list[str]:
    """Precision, recall and F1, a label a line."""
    rows = [
        [
            shorten(score.label, LABEL),
            f"{score.support:,}",
            percent(score.precision),
            percent(score.recall),
            percent(score.f1),
        ]
        for score in evaluation.scores
    ]
    lines = align([["label", "recordings", "precision", "recall", "F1"], *rows], "lrrrr")
    if any("–" in row for row in rows):
        lines.append("–: there was nothing to divide by (no such recording, or the label was never given)")
    return lines


def share_lines(evaluation: Evaluation) -> list[str]:
    """Commands recognised, unknown words and silence taken for commands: those of which there were any."""
    if len(evaluation.commands()) == len(evaluation.labels):
        return []  # every label is a command: the headline has said it
    shares: list[tuple[str, Proportion | None]] = [
        ("commands recognised", evaluation.command_recall),
        ("unknown words taken for a command", evaluation.unknown_accepted),
        ("silence taken for a command", evaluation.silence_accepted),
    ]
    rows = []
    for name, share in shares:
        if share and share.interval:
            hits = f"{share.hits:,} of {share.of:,}"
            rows.append([name, percent(share.share), span(share.interval), hits])
    return align([["", "share", "95 % interval", "recordings"], *rows], "lrrr") if rows else []


def confusion_lines(evaluation: Evaluation) -> list[str]:
    """The matrix where it fits, a dot for zero; else the most frequent confusions."""
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
    pairs.sort(key=lambda pair: -evaluation.confusion[pair])  # a stable sort: equals stay in label order
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
    """The unknown words that were most often taken for a command, and for which."""
    accepted = sorted((word for word in evaluation.words if word.accepted), key=lambda word: -word.accepted)
    if not accepted or most < 1:
        return []
    rows = [["word", "recordings", "taken", "for"]]
    for word in accepted[:most]:
        commands = ", ".join(f"{label} {number:,}" for label, number in word.taken_for.items())
        rows.append([shorten(word.word, LABEL), f"{word.clips:,}", f"{word.accepted:,}", shorten(commands, 50)])
    rest, never = accepted[most:], len(evaluation.words) - len(accepted)
    lines = ["unknown words taken for a command", *align(rows, "lrrl")]
    if rest:
        lines.append(f"and {len(rest):,} more words, {sum(word.accepted for word in rest):,} times together")
    if never:
        lines.append(f"never taken for a command: {never:,} of {len(evaluation.words):,} words")
    return lines


def mistake_lines(evaluation: Evaluation, most: int) -> list[str]:
    """The most confident mistakes, by file name."""
    rows = []
    for mistake in evaluation.mistakes[: max(most, 0)]:
        said = f"{UNKNOWN} ({mistake.word})" if mistake.truth == UNKNOWN and mistake.word else mistake.truth
        rows.append(
            [
                percent(mistake.probability),
                shorten(said, LABEL + 5),
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


def shorten(text: str, width: int, keep_end: bool = False) -> str:
    """`text` in at most `width` columns, cut with an ellipsis; what can't be printed becomes a `?`."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    if len(text) <= width:
        return text
    return "…" + text[1 - width :] if keep_end else text[: width - 1] + "…"
