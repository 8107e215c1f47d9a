"""Which settings matter: fANOVA (Hutter, Hoos & Leyton-Brown 2014), and the curves behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from speech_lstm.study.results import Results

CELL = "cell"  # counts as a setting when the trials of all cells are pooled
FEWEST = 30  # trials that a forest needs
TREES, SEED = 64, 1
DEPTH = 8  # of the trees: the time grows with the square of the number of leaves
POINTS = 40  # of a curve
SAMPLES = 512  # draws of the other settings, over which a point is averaged


@dataclass(frozen=True)
class Curve:
    """Accuracy on the testing split against one setting, averaged over the others; mean and deviation of trees."""

    name: str
    log: bool
    values: NDArray[np.float64]  # [points]
    mean: NDArray[np.float64]  # [points]
    deviation: NDArray[np.float64]  # [points]


@dataclass(frozen=True)
class Plane:
    """Accuracy against two settings, and the share of the variance that only both together explain."""

    names: tuple[str, str]
    logs: tuple[bool, bool]
    values: tuple[NDArray[np.float64], NDArray[np.float64]]
    mean: NDArray[np.float64]  # [points of the second, points of the first]
    share: float


class Forest:
    """A random forest that predicts the accuracy on the testing split from the settings and the cell.

    Settings are scaled to 0 to 1 over their range, logarithmically if they were drawn so.
    """

    def __init__(self, results: Results) -> None:
        from sklearn.ensemble import RandomForestRegressor

        self.space = numbers(results.space)
        self.cells = results.cells
        trainings = [t for cell in results.cells for t in results.trials(cell)]
        rows = [[*self.row(t.drawn), *self.one_hot(self.cells.index(t.slot.cell))] for t in trainings]
        self.forest = RandomForestRegressor(TREES, max_depth=DEPTH, random_state=SEED)
        self.forest.fit(np.array(rows), np.array([t.accuracy for t in trainings]))
        random = np.random.default_rng(SEED)
        settings = random.uniform(size=(SAMPLES, len(self.space)))
        self.drawn = np.hstack([settings, np.eye(len(self.cells))[random.integers(len(self.cells), size=SAMPLES)]])

    def row(self, drawn: dict[str, Any]) -> list[float]:
        """The settings of a trial, scaled to 0 to 1."""
        return [to_unit(drawn[name], item) for name, item in self.space.items()]

    def one_hot(self, cell: int) -> list[float]:
        return [float(i == cell) for i in range(len(self.cells))]

    def marginal(self, columns: list[int], points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each tree's mean prediction [trees, points] with some columns fixed at the points [points, columns]."""
        table = np.repeat(self.drawn[None], len(points), axis=0)
        table[:, :, columns] = points[:, None]
        flat = table.reshape(-1, table.shape[-1]).astype(np.float32)
        return np.stack([tree.predict(flat).reshape(len(points), -1).mean(1) for tree in self.forest.estimators_])

    def curve(self, name: str) -> Curve:
        """The marginal curve of one setting."""
        item, column = self.space[name], list(self.space).index(name)
        steps = np.linspace(0, 1, POINTS)
        trees = self.marginal([column], steps[:, None])
        return Curve(name, item.log, from_unit(item, steps), trees.mean(0), trees.std(0))

    def plane(self, first: str, second: str, points: int = 16) -> Plane:
        """Two settings together."""
        names = list(self.space)
        steps = (np.arange(points) + 0.5) / points
        grid = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
        trees = self.marginal([names.index(first), names.index(second)], grid).reshape(-1, points, points)
        total = np.array([tree.predict(self.drawn.astype(np.float32)).var() for tree in self.forest.estimators_])
        centred = trees - trees.mean((1, 2), keepdims=True)
        alone = centred.mean(1, keepdims=True) + centred.mean(2, keepdims=True)
        together = (centred - alone).var((1, 2))
        values = from_unit(self.space[first], steps), from_unit(self.space[second], steps)
        logs = self.space[first].log, self.space[second].log
        share = float(np.mean(together[total > 0] / total[total > 0])) if (total > 0).any() else 0.0
        return Plane((first, second), logs, values, trees.mean(0), share)


Number = FloatDistribution | IntDistribution


def numbers(space: dict[str, BaseDistribution]) -> dict[str, Number]:
    """The numeric settings."""
    return {name: item for name, item in space.items() if isinstance(item, FloatDistribution | IntDistribution)}


def to_unit(value: float, item: Number) -> float:
    """A value scaled to 0 to 1 over its range."""
    if item.log:
        return math.log(value / item.low) / math.log(item.high / item.low)
    return (value - item.low) / (item.high - item.low)


def from_unit(item: Number, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values at 0 to 1 of a range."""
    if item.log:
        return np.asarray(item.low * (item.high / item.low) ** steps)
    return np.asarray(item.low + (item.high - item.low) * steps)


@dataclass(frozen=True)
class Importance:
    """The share of the variance of the accuracy that each setting explains alone, the largest first.

    `pooled` is of all trials, with the cell as one of the settings; `own` of each cell with enough trials.
    """

    pooled: dict[str, float]
    own: dict[str, dict[str, float]]


def importance_of(results: Results) -> Importance | None:
    """fANOVA of a study's trials; None if there are too few."""
    from speech_lstm.progress import Bar

    trials = {cell: results.trials(cell) for cell in results.cells}
    pool = [t for cell in results.cells for t in trials[cell]]
    if len(pool) < FEWEST or len({t.accuracy for t in pool}) < 2:
        return None
    # The cell is a number in the order of the cells' means: one column for each cell would take minutes.
    order = sorted(trials, key=lambda cell: float(np.mean([t.accuracy for t in trials[cell]])))
    space = {CELL: IntDistribution(0, max(1, len(order) - 1)), **results.space}
    large = [cell for cell in results.cells if len(trials[cell]) >= FEWEST]
    own = {}
    for cell in Bar(large, desc="importance", unit="cell", leave=False):
        own[cell] = variance_shares(results.space, [(t.drawn, t.accuracy) for t in trials[cell]])
    pooled = [({CELL: order.index(t.slot.cell), **t.drawn}, t.accuracy) for t in pool]
    return Importance(variance_shares(space, pooled), own)


def variance_shares(
    space: dict[str, BaseDistribution], trials: list[tuple[dict[str, Any], float]]
) -> dict[str, float]:
    """The share of each setting in the variance of the accuracy, by Optuna's evaluator."""
    study = optuna.create_study(direction="maximize")
    for drawn, accuracy in trials:
        study.add_trial(optuna.trial.create_trial(params=drawn, distributions=space, value=accuracy))
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=SEED)
    return {name: float(share) for name, share in evaluator.evaluate(study).items()}
