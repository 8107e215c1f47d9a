"""Print what scripts/recipe.mk has measured: a line for each model, then the mean and deviation of each vocabulary.

    python scripts/recipe_table.py WORK/commands8-1 WORK/commands8-2 …

Each name stands for its files NAME-testing.json, of `evaluate`, and NAME-stream.json, of `stream-test`.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

from speech_lstm.report.tables import align

HEAD = (
    "",
    "accuracy, %",
    "commands, %",
    "unseen words taken, %",
    "not matched, %",
    "false accepts an hour of single words",
    "of continuous speech",
)


def main(names: list[str]) -> int:
    if not names:
        sys.exit(__doc__)
    rows = {name: row_of(Path(name)) for name in names}
    lines = [HEAD, *([Path(name).name, *map("{:.2f}".format, row)] for name, row in rows.items())]
    for vocabulary in dict.fromkeys(map(vocabulary_of, names)):
        own = [row for name, row in rows.items() if vocabulary_of(name) == vocabulary]
        if len(own) > 1:
            lines.append([vocabulary, *map(mean_of, zip(*own, strict=True))])
    print("\n".join(align(lines, "l" + "r" * (len(HEAD) - 1))))
    return 0


def vocabulary_of(name: str) -> str:
    """The name without its seed."""
    return Path(name).name.rpartition("-")[0]


def row_of(name: Path) -> list[float]:
    """The figures of a model, in the order of HEAD."""
    testing, stream = (
        json.loads(name.with_name(f"{name.name}-{kind}.json").read_text(encoding="utf-8"))
        for kind in ("testing", "stream")
    )
    unseen = testing["unseen_words"]["unknown_accepted"]["share"]
    shares = [testing["accuracy"], testing["command_recall"]["share"], unseen, stream["all"]["not_matched"]["share"]]
    rates = [score["all"]["false_accepts"]["an_hour"] for score in (stream, stream["speech"])]
    return [*(100 * share for share in shares), *rates]


def mean_of(values: tuple[float, ...]) -> str:
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
