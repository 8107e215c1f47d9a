"""A series of cases of one kind: counted, and the faults made short and kept."""

from __future__ import annotations

import hashlib
import json
import lzma
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.kind import FAULTS, GOOD, ROOT, Kind, Verdict
from fuzzing.worker import Worker

CORPUS = ROOT / "tests" / "corpus_of_faults"
MOST_KEPT = 8_192  # bytes of a file in the corpus
TRIES, SECONDS = 300, 20.0  # to make a find shorter


@dataclass
class Find:
    """A case that fails, and where it is kept."""

    number: int
    verdict: Verdict
    bytes: int
    path: Path | None = None


@dataclass
class Session:
    """Cases of one kind, drawn by a seed: the same seed gives the same cases."""

    name: str
    kind: Kind
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    finds: list[Find] = field(default_factory=list)
    seconds: float = 0.0
    slowest: float = 0.0
    most_memory: float = 0.0

    def case(self, number: int) -> bytes:
        return self.kind.case(Random(f"{self.name} {self.seed} {number}"))

    def run(self, minutes: float | None, cases: int | None, keep: Path | None, first: int = 0) -> None:
        """Run for this time, or this many cases; new faults are made short and written to the folder `keep`."""
        start, number = time.monotonic(), first
        with Worker(self.kind) as worker:
            while (cases is None or number < first + cases) and (
                minutes is None or time.monotonic() - start < 60 * minutes
            ):
                content = self.case(number)
                verdict = worker.judge(content)
                self.counts[verdict.outcome] += 1
                if verdict.is_fault and not any(verdict.same(find.verdict) for find in self.finds):
                    self.finds.append(self.found(number, content, verdict, worker, keep))
                number += 1
            self.seconds = time.monotonic() - start
            self.slowest, self.most_memory = worker.slowest, worker.most_memory

    def found(self, number: int, content: bytes, verdict: Verdict, worker: Worker, keep: Path | None) -> Find:
        if keep is None:
            return Find(number, verdict, len(content))
        short = shorter(self.kind, content, lambda case: worker.judge(case).same(verdict))
        return Find(number, verdict, len(short), self.write(number, short, keep))

    def write(self, number: int, content: bytes, folder: Path) -> Path:
        """Keep a find: as it is, packed, or where that is too long as the numbers that it was drawn by."""
        digest = hashlib.sha256(content).hexdigest()
        path = folder / f"{self.name}-{digest[:10]}{self.kind.suffix}"
        if len(content) > MOST_KEPT:
            path, content = path.with_name(path.name + ".xz"), lzma.compress(content, preset=9)
        if len(content) > MOST_KEPT:
            whole = hashlib.sha256(self.case(number)).hexdigest()
            recipe = {"seed": self.seed, "number": number, "sha256": whole}
            path, content = path.with_suffix(".json"), (json.dumps(recipe) + "\n").encode()
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def to_dict(self) -> dict[str, Any]:
        finds = [
            {
                "case": find.number,
                "outcome": find.verdict.outcome,
                "detail": find.verdict.detail,
                "text": find.verdict.text[-2_000:],
                "bytes": find.bytes,
                "file": str(find.path.name) if find.path else None,
            }
            for find in self.finds
        ]
        counts = {outcome: self.counts[outcome] for outcome in (*GOOD, *FAULTS)}
        facts = {"kind": self.name, "seed": self.seed, "seconds": round(self.seconds, 1)}
        limits = {"slowest_seconds": round(self.slowest, 2), "largest_memory_mb": round(self.most_memory)}
        return {**facts, "tried": self.counts.total(), **counts, **limits, "finds": finds}


def shorter(kind: Kind, content: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """A shorter case that fails the same way: parts are left out, large ones first."""
    tries, deadline = TRIES, time.monotonic() + SECONDS
    packed: Callable[[bytes], bytes] = kind.packed
    best = kind.bare(content)
    if not fails(packed(best)):
        packed, best = bytes, content
    size = len(best) // 2
    while size and tries and time.monotonic() < deadline:
        at = 0
        while at < len(best) and tries and time.monotonic() < deadline:
            tries -= 1
            rest = best[:at] + best[at + size :]
            if fails(packed(rest)):
                best = rest
            else:
                at += size
        size //= 2
    return packed(best) if len(packed(best)) < len(content) else content


def kept_case(kind: Kind, path: Path) -> bytes | None:
    """The case that a file of the corpus keeps; None if its numbers draw another one by now."""
    name, _, _ = path.name.partition("-")
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix != ".json":
        return path.read_bytes()
    recipe = json.loads(path.read_text())
    content = Session(name, kind, recipe["seed"]).case(recipe["number"])
    return content if hashlib.sha256(content).hexdigest() == recipe["sha256"] else None
