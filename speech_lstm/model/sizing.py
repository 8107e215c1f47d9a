"""How many parameters a network has, and the hidden size that brings one to a given number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from speech_lstm.config import FeatureConfig, NetworkConfig
from speech_lstm.errors import ConfigError
from speech_lstm.model.network import Network
from speech_lstm.recurrent.registry import find_cell

LARGEST = 4096  # hidden units; what the setting allows
PROBES = (*range(1, 65), *range(128, LARGEST + 1, 64))  # a cell that can have none of these fits no size
TOLERANCE = 0.1  # how far from the budget a network may be: a cell's possible sizes can lie far apart


def parameter_count(features: FeatureConfig, network: NetworkConfig, labels: int) -> int:
    """The parameters of a whole network, which takes no memory; raises ConfigError for one that can't be."""
    return shapes(features, network, labels).parameter_count


def shapes(features: FeatureConfig, network: NetworkConfig, labels: int) -> Network:
    """The network without its numbers."""
    with torch.device("meta"):
        return Network(features, network, labels)


def match_parameters(features: FeatureConfig, network: NetworkConfig, labels: int, budget: int) -> NetworkConfig:
    """The network with the hidden size, the same for all layers, that comes nearest to `budget` parameters.

    Sizes that the cell can't have are passed over. Raises ConfigError where every size is one of those, and
    where the nearest is more than 10 % off.
    """
    if network.sizes:
        raise ConfigError(f"sizes is {network.sizes!r}, but the hidden size is chosen to match: leave sizes out")

    def count(hidden: int) -> int:
        return parameter_count(features, replace(network, hidden=hidden), labels)

    find_cell(network.cell)  # one that isn't known is no matter of sizes
    if not any(next_possible(count, hidden, hidden + 1) for hidden in PROBES):
        count(network.hidden)  # raises why
    near = [sized for sized in neighbours(count, budget) if sized]
    found = min(near, key=lambda sized: abs(sized[1] - budget))
    if abs(found[1] - budget) > TOLERANCE * budget:
        raise ConfigError(
            f"no hidden size gives {network.cell!r} about {budget:,} parameters with these settings: "
            f"the nearest, {found[0]}, gives {found[1]:,}"
        )
    return replace(network, hidden=found[0])


Sized = tuple[int, int]  # a hidden size and the parameters of its network


def neighbours(count: Callable[[int], int], budget: int) -> tuple[Sized | None, Sized | None]:
    """The largest network of at most `budget` parameters and the smallest of more, each if there is one.

    A larger hidden size has more parameters: the sizes are halved, like a sorted list's.
    """
    low: Sized | None = None
    high: Sized | None = None
    start, end = 1, LARGEST + 1  # the sizes that are left to look at: start … end - 1
    while start < end:
        middle = (start + end) // 2
        sized = next_possible(count, middle, end) or next_possible(count, start, middle)
        if sized is None:
            break
        if sized[1] <= budget:
            low, start = sized, sized[0] + 1
        else:  # what is possible below it is below the middle
            high, end = sized, min(sized[0], middle)
    return low, high


def next_possible(count: Callable[[int], int], start: int, end: int) -> Sized | None:
    """The first size from `start` up and below `end` that the cell can have."""
    for hidden in range(start, end):
        try:
            return hidden, count(hidden)
        except ConfigError:
            continue
    return None
