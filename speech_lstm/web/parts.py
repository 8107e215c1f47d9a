"""The parts of a sum by the places of their numbers. Each is a product of numbers, so that it can be scaled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from speech_lstm.insight.contributions import REST

Places = NDArray[np.int64]  # in memory, of the shape of a value; a constant is at −1 − its number
Product = tuple[Places, ...]  # the places of factors
Term = tuple[str, Product]  # a part of a sum: its name and its product
Move = Callable[[list[Places]], list[Places]]


def by_name(terms: Sequence[Term]) -> dict[str, list[Product]]:
    """The products of each part."""
    products: dict[str, list[Product]] = {}
    for part, product in terms:
        products.setdefault(part, []).append(product)
    return products


def moved(
    known: Sequence[Sequence[Term] | None], sources: Sequence[Places], move: Move, one: Places, zero: Places
) -> list[list[Term]]:
    """The terms of each result of a movement of values with the terms `known`, whose places are `sources`.

    A value that lacks a part of another has 0 for it, and one whose product has fewer factors 1 for the others; a
    value without parts is the rest.
    """
    values = [
        by_name(terms if terms is not None else [(REST, (source,))])
        for terms, source in zip(known, sources, strict=True)
    ]
    results: list[list[Term]] = [[] for _ in move(list(sources))]
    for part in dict.fromkeys(chain.from_iterable(values)):
        for products in zip_longest(*(value.get(part, []) for value in values), fillvalue=(zero,)):
            factors = [
                move([np.broadcast_to(place, source.shape) for place, source in zip(column, sources, strict=True)])
                for column in zip_longest(*products, fillvalue=one)
            ]
            for number, result in enumerate(results):
                result.append((part, tuple(factor[number] for factor in factors)))
    return results


def joined(first: list[Product], second: list[Product]) -> list[Product]:
    """The parts of two bands of a gate, one band after the other."""
    return [
        tuple(np.concatenate(pair) for pair in zip(one, other, strict=True))
        for one, other in zip(first, second, strict=True)
    ]
