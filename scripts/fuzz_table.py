"""Print the counts that scripts/fuzz.py wrote with --json as a Markdown table, and the faults.

python scripts/fuzz_table.py audio.json model.json …
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fuzzing.kind import FAULTS, GOOD

COLUMNS = ("tried", *GOOD, *FAULTS)


def main() -> None:
    sessions = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    print("| input | minutes | " + " | ".join(COLUMNS) + " | slowest, s | largest memory, MB |")
    print("|---|" + "---:|" * (len(COLUMNS) + 3))
    for facts in sessions:
        counts = [f"{facts[name]:,}" for name in COLUMNS]
        limits = [f"{facts['slowest_seconds']:.1f}", str(facts["largest_memory_mb"])]
        print("| " + " | ".join([facts["kind"], f"{facts['seconds'] / 60:.0f}", *counts, *limits]) + " |")
    for facts in sessions:
        for find in facts["finds"]:
            print(f"\n{facts['kind']} {find['case']}: {find['outcome']}, {find['detail']!r}, {find['file']}")


if __name__ == "__main__":
    main()
