"""Give the program random inputs of one kind, count what comes of them, and keep the faults.

    python scripts/fuzz.py audio --minutes 10 --seed 1 --json audio.json

Each input is run in a process of its own, which may take 10 s of its own time and 2 GB. The same seed draws the same
inputs. A fault is made as short as it gets and written to tests/corpus_of_faults/, which
tests/test_corpus_of_faults.py replays.
The exit status is 1 if there was one. docs/reliability.md explains the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from fuzzing.kind import FAULTS, GOOD, MEANINGS
from fuzzing.kinds import CLASSES, kind_of
from fuzzing.session import CORPUS, Session


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=CLASSES)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--minutes", type=float, help="how long (1)")
    amount.add_argument("--cases", type=int, help="how many inputs, instead of a time")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first input (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the counts and the faults here")
    parser.add_argument(
        "--keep", type=Path, default=CORPUS, metavar="DIR", help="where faults are written (%(default)s)"
    )
    options = parser.parse_args(words)
    minutes = options.minutes if options.minutes or options.cases else 1.0
    session = Session(options.kind, kind_of(options.kind), options.seed)
    try:
        session.run(minutes, options.cases, options.keep, options.first)
    except KeyboardInterrupt:
        print("interrupted: the counts so far", file=sys.stderr)
    print(table(session))
    if options.json:
        options.json.write_text(json.dumps(session.to_dict(), indent=2) + "\n", encoding="utf-8")
    return int(bool(session.finds))


def table(session: Session) -> str:
    """The counts, one a line, and the faults."""
    facts = session.to_dict()
    lines = [f"{session.name}, seed {session.seed}: {facts['tried']:,} inputs in {facts['seconds']:.0f} s"]
    lines += [f"  {outcome:<10} {facts[outcome]:>9,}  {MEANINGS[outcome]}" for outcome in (*GOOD, *FAULTS)]
    lines.append(f"  slowest {facts['slowest_seconds']:.2f} s, largest memory {facts['largest_memory_mb']} MB")
    for find in session.finds:
        place = find.path.name if find.path else "not kept"
        lines.append(
            f"  input {find.number}: {find.verdict.outcome} {find.verdict.detail!r}, {find.bytes} bytes, {place}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
