"""The number of parameters of a network, and the hidden size for a given number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from speech_lstm.config import FeatureConfig, NetworkConfig
from speech_lstm.errors import ConfigError
from speech_lstm.model.network import Network
from speech_lstm.recurrent.registry import find_cell

LARGEST = 4096  # hidden units; the limit of the setting
PROBES = (*range(1, 65), *range(128, LARGEST + 1, 64))  # a cell that allows none of these allows no size
TOLERANCE = 0.1  # of the budget, up or down: the sizes that a cell allows can be far apart


def parameter_count(features: FeatureConfig, network: NetworkConfig, labels: int) -> int:
    """The parameters of a whole network, without allocating it; raises ConfigError for an impossible one."""
    return shapes(features, network, labels).parameter_count


def shapes(features: FeatureConfig, network: NetworkConfig, labels: int) -> Network:
    """The network without values in its weights."""
    with torch.device("meta"):
        return Network(features, network, labels)


def match_parameters(features: FeatureConfig, network: NetworkConfig, labels: int, budget: int) -> NetworkConfig:
    """The network with the hidden size, the same for all layers, that comes nearest to `budget` parameters.

    Sizes that the cell does not allow are skipped. Raises ConfigError if it allows none, and if the nearest is more
    than 10 % off.
    """
    if network.sizes:
        raise ConfigError(f"sizes is {network.sizes!r}, but the hidden size is chosen to match: remove sizes")

    def count(hidden: int) -> int:
        return parameter_count(features, replace(network, hidden=hidden), labels)

    find_cell(network.cell)  # fail early on an unknown cell
    if not any(next_possible(count, hidden, hidden + 1) for hidden in PROBES):
        count(network.hidden)  # raises the reason
    near = [sized for sized in neighbours(count, budget) if sized]
    hidden, parameters = min(near, key=lambda sized: abs(sized[1] - budget))
    if abs(parameters - budget) > TOLERANCE * budget:
        raise ConfigError(
            f"no hidden size gives {network.cell!r} about {budget:,} parameters with these settings: "
            f"the nearest, {hidden}, gives {parameters:,}"
        )
    return replace(network, hidden=hidden)


Sized = tuple[int, int]  # a hidden size and the parameters of its network


def neighbours(count: Callable[[int], int], budget: int) -> tuple[Sized | None, Sized | None]:
    """The largest network of at most `budget` parameters and the smallest of more, each if there is one.

    Parameters grow with the hidden size, so this is a binary search.
    """
    low: Sized | None = None
    high: Sized | None = None
    start, end = 1, LARGEST + 1  # the sizes left to search: start … end - 1
    while start < end:
        middle = (start + end) // 2
        sized = next_possible(count, middle, end) or next_possible(count, start, middle)
        if sized is None:
            break
        if sized[1] <= budget:
            low, start = sized, sized[0] + 1
        else:  # any smaller possible size is below the middle
            high, end = sized, min(sized[0], middle)
    return low, high


def next_possible(count: Callable[[int], int], start: int, end: int) -> Sized | None:
    """The first size from `start` to below `end` that the cell allows."""
    for hidden in range(start, end):
        try:
            return hidden, count(hidden)
        except ConfigError:
            continue
    return None
