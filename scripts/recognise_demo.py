"""What the bundled model answers to every command of every voice in data/demo, and how many answers are right.

usage: python scripts/recognise_demo.py [MODEL]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import speech_lstm
from speech_lstm.config import commands_of
from speech_lstm.report.tables import align, percent

DEMO = Path(__file__).parents[1] / "data" / "demo"


def answers_of(model: speech_lstm.Recognizer, corpus: Path) -> dict[str, dict[str, str]]:
    """Voice → word → answer, for each command of the model that the corpus has."""
    recordings = [
        path for word in commands_of(model.labels) for path in sorted(corpus.glob(f"{word}/*_nohash_0.wav"))
    ]
    table: dict[str, dict[str, str]] = {}
    for path, answer in zip(recordings, model.classify(recordings), strict=True):
        table.setdefault(path.name.partition("_")[0], {})[path.parent.name] = answer.label
    return dict(sorted(table.items()))


def lines_of(table: Mapping[str, Mapping[str, str]]) -> list[str]:
    """A line for each voice, its wrong answers by their names, and the count of right ones."""
    words = list(next(iter(table.values())))
    rows = [
        [voice, *("✓" if answers.get(word) == word else answers.get(word, "") for word in words)]
        for voice, answers in table.items()
    ]
    right = sum(answer == word for answers in table.values() for word, answer in answers.items())
    count = sum(map(len, table.values()))
    lines = align([["voice", *words], *rows], "l" * (len(words) + 1))
    return [
        *lines,
        "",
        f"{right} of {count} right ({percent(right / count)}); ✓ is a right answer.",
    ]


def main() -> None:
    model = speech_lstm.load(sys.argv[1] if len(sys.argv) > 1 else None)
    print("\n".join(lines_of(answers_of(model, DEMO))))


if __name__ == "__main__":
    main()
