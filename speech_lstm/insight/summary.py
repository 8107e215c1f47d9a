"""The gates and the answer in numbers: a table for people and the same for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.errors import ConfigError
from speech_lstm.insight.influence import OCCLUDED_SECONDS, ablation, occlusion, saliency
from speech_lstm.insight.inside import Floats, Inside, LayerTrace
from speech_lstm.report.tables import align

if TYPE_CHECKING:
    from speech_lstm.model.torch_model import TorchModel

EDGE = 0.1  # a gate counts as shut below it and as open above 1 − it; a candidate counts as saturated that near to ±1
LONG = 10_000  # milliseconds; a longer half-life cannot be measured in a second of sound
SHOWN = 8  # units and frames in the table


@dataclass(frozen=True)
class Summary:
    """One layer in one direction in numbers, and what the answer depends on."""

    inside: Inside
    trace: LayerTrace
    drops: Floats  # [units] probability that the answer loses when the unit is held at 0
    occlusion: Floats  # [frames] … when OCCLUDED_SECONDS around the frame are hidden
    gradient: Floats  # [frames] norm of ∂ log p / ∂ features

    @property
    def half_lives(self) -> NDArray[np.float64] | None:
        """The half-life of each unit's memory in milliseconds: [units]; None if no gate gives the share kept."""
        config = self.inside.config
        lives = self.trace.half_lives(config.hop_ms / 1000)
        return None if lives is None else 1000 * lives

    @property
    def active(self) -> NDArray[np.float64]:
        """The time of each unit's largest output, in seconds from the beginning of the recording: [units]."""
        output = np.abs(self.trace[self.trace.state[0]])
        return self.inside.times[output.argmax(0)]

    @property
    def most_needed(self) -> int:
        """The unit that the answer needs most, of those that have every gate and state (in bands some do not)."""
        everywhere = min(values.shape[1] for values in self.trace.values.values())
        return int(self.drops[:everywhere].argmax())

    def order(self, by: str) -> NDArray[np.int64]:
        """The units in the order of `index`, `active`, `half-life` or `decision`.

        Units of the output without a memory of their own are last by half-life. Raises ConfigError for half-lives of
        a cell that does not have them.
        """
        keys: dict[str, NDArray[Any]] = {"index": np.arange(len(self.drops)), "active": self.active}
        keys["decision"] = -self.drops
        lives = self.half_lives
        if lives is not None:
            keys["half-life"] = np.full(len(self.drops), np.inf)
            keys["half-life"][: len(lives)] = -lives
        if by not in keys:
            raise ConfigError(
                f"the units of a {self.trace.cell.name!r} cannot be ordered by {by}: none of its gates gives the "
                f"share of the memory that is kept; choose {', '.join(keys)}"
            )
        return np.argsort(keys[by], kind="stable")

    def gates(self) -> list[dict[str, Any]]:
        """For each gate and candidate the mean, and the shares of units and frames near its lower and upper limit.

        The shares are None for a candidate that leaves −1 … 1, as after a relu.
        """
        rows = []
        for name in self.trace.internals:
            values, gate = self.trace[name], name in self.trace.gates
            low, high = (EDGE, 1 - EDGE) if gate else (EDGE - 1, 1 - EDGE)
            bounded = bool(np.abs(values).max() <= 1)
            rows.append(
                {
                    "name": name,
                    "role": self.trace.role(name),
                    "mean": float(values.mean()),
                    "near_low": float((values < low).mean()) if bounded else None,
                    "near_high": float((values > high).mean()) if bounded else None,
                }
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """All numbers as JSON types: times in seconds from the beginning of the recording, half-lives in
        milliseconds."""
        inside, lives = self.inside, self.half_lives
        return {
            "answer": inside.answer.label,
            "probability": inside.answer.probability,
            "scores": inside.answer.scores,
            "start": inside.start,
            "cell": self.trace.cell.name,
            "layer": self.trace.layer,
            "direction": self.trace.direction,
            "gates": self.gates(),
            "units": {
                "half_life_ms": None if lives is None else lives.tolist(),
                "most_active": self.active.tolist(),
                "drop_when_held_at_0": self.drops.tolist(),
            },
            "frames": {
                "time": inside.times.tolist(),
                "drop_when_hidden": self.occlusion.tolist(),
                "hidden_seconds": OCCLUDED_SECONDS,
                "gradient": self.gradient.tolist(),
            },
        }

    def table(self) -> str:
        """The numbers for people, the most important units and frames first."""
        return "\n".join(
            [
                self.head(),
                *self.gate_lines(),
                *self.half_life_lines(),
                "",
                *self.unit_lines(),
                "",
                *self.frame_lines(),
            ]
        )

    def head(self) -> str:
        """The answer, the cell and its place in the network."""
        inside, answer, trace = self.inside, self.inside.answer, self.trace
        place = f" from {inside.start:.2f} s on" if inside.start > 0 else ""  # of a longer recording
        return (
            f"{answer.label} {100 * answer.probability:.1f} %  ·  {trace.cell.title}, layer {trace.layer} of "
            f"{inside.depth}, {trace.direction}, {len(self.drops)} units, {len(inside.features)} frames{place}"
        )

    def gate_lines(self) -> list[str]:
        """How far each gate is open."""
        gates = self.gates()
        if not gates:
            return []
        rows = [["gate", "", "mean", f"below {EDGE:g}", f"above {1 - EDGE:g}"]]
        for gate in gates:
            shares = (gate["near_low"], gate["near_high"])
            cells = ["–" if share is None else f"{100 * share:.0f} %" for share in shares]
            rows.append([gate["name"], gate["role"], f"{gate['mean']:.2f}", *cells])
        lines = ["", *align(rows, "llrrr")]
        if any(gate["name"] not in self.trace.gates and gate["near_low"] is not None for gate in gates):
            lines.append(f"(of a candidate: below −{1 - EDGE:g} and above {1 - EDGE:g})")
        return lines

    def half_life_lines(self) -> list[str]:
        """How long the memory of the units lasts."""
        lives = self.half_lives
        if lives is None:
            return []
        low, middle, high = np.percentile(lives, [10, 50, 90])
        if low >= LONG:
            return ["", f"half-life of the memory: {ms(low)} in nine tenths of the units or more"]
        spread = f"a tenth of the units under {ms(low)}, a tenth over {ms(high).removeprefix('over ')}"
        return ["", f"half-life of the memory: median {ms(middle)}, {spread}"]

    def unit_lines(self) -> list[str]:
        """The units that the answer depends on most."""
        lives = self.half_lives
        rows = [["unit", "drop when held at 0", *([] if lives is None else ["half-life"]), "most active"]]
        for unit in self.order("decision")[:SHOWN]:
            life = [] if lives is None else [ms(lives[unit]) if unit < len(lives) else "–"]
            rows.append([str(unit), points(self.drops[unit]), *life, f"{self.active[unit]:.2f} s"])
        return align(rows, "r" * len(rows[0]))

    def frame_lines(self) -> list[str]:
        """The stretches that the answer depends on most; no two of them overlap."""
        rows = [["time", f"drop when {1000 * OCCLUDED_SECONDS:.0f} ms are hidden", "gradient, of its largest"]]
        left = np.ones(len(self.occlusion), bool)
        while left.any() and len(rows) <= SHOWN // 2:
            frame = int(np.where(left, self.occlusion, -np.inf).argmax())
            relative = self.gradient[frame] / max(float(self.gradient.max()), 1e-12)
            time = self.inside.times[frame]
            rows.append([f"{time:.2f} s", points(self.occlusion[frame]), f"{100 * relative:.0f} %"])
            left &= np.abs(self.inside.times - time) >= OCCLUDED_SECONDS
        return align(rows, "rrr")


def summarise(model: TorchModel, inside: Inside, trace: LayerTrace) -> Summary:
    """Measure what the answer depends on, in one layer and direction."""
    drops = ablation(model, inside, trace)
    return Summary(inside, trace, drops, occlusion(model, inside), saliency(model, inside))


def ms(milliseconds: float) -> str:
    """A duration in two or three digits, up to the limit of what a second of audio can show."""
    return f"{milliseconds:.0f} ms" if milliseconds < LONG else f"over {LONG / 1000:.0f} s"


def points(drop: float) -> str:
    """A loss of probability in percentage points, signed."""
    return f"{-100 * drop:+.1f} points"
