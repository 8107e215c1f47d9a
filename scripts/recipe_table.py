"""Print what scripts/recipe.mk has measured: a line for each model, then the mean and deviation of each vocabulary.

    python scripts/recipe_table.py --figures figure -- WORK/commands8-1 WORK/commands8-2 …

Each name stands for its files NAME-testing.json, of `evaluate`, and NAME-figure.json, of `stream-test` with that
folder of speech.
"""

from __future__ import annotations

import argparse
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
)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a model of the folder of results")
    parser.add_argument("--figures", nargs="+", default=["figure"], metavar="FOLDER", help="of speech (%(default)s)")
    options = parser.parse_args(words)
    names, figures = options.names, options.figures
    rows = {name: row_of(Path(name), figures) for name in names}
    head = (*HEAD, *(f"of {figure}" for figure in figures))
    lines = [head, *([Path(name).name, *map("{:.2f}".format, row)] for name, row in rows.items())]
    for vocabulary in dict.fromkeys(map(vocabulary_of, names)):
        own = [row for name, row in rows.items() if vocabulary_of(name) == vocabulary]
        if len(own) > 1:
            lines.append([vocabulary, *map(mean_of, zip(*own, strict=True))])
    print("\n".join(align(lines, "l" + "r" * (len(head) - 1))))
    return 0


def vocabulary_of(name: str) -> str:
    """The name without its seed."""
    return Path(name).name.rpartition("-")[0]


def row_of(name: Path, figures: list[str]) -> list[float]:
    """The figures of a model, in the order of HEAD, then a rate for each folder of speech."""
    testing, *streams = (
        json.loads(name.with_name(f"{name.name}-{kind}.json").read_text(encoding="utf-8"))
        for kind in ("testing", *figures)
    )
    unseen = testing["unseen_words"]["unknown_accepted"]["share"]
    stream = streams[0]  # the same in all
    shares = [testing["accuracy"], testing["command_recall"]["share"], unseen, stream["all"]["not_matched"]["share"]]
    rates = [score["all"]["false_accepts"]["an_hour"] for score in (stream, *(other["speech"] for other in streams))]
    return [*(100 * share for share in shares), *rates]


def mean_of(values: tuple[float, ...]) -> str:
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
