"""Who goes on where some voters have lost each other while another still sees both.

Runs inside the container as well, on the standard library alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations


def together(order: Sequence[str], links: AbstractSet[frozenset[str]]) -> frozenset[str]:
    """The voters that go on: the most that all see each other, and more than half of all.

    `order` has every voter, whom it is best to keep first; `links` each pair that hears each
    other both ways. Of several sets of the same size it is the one with the earliest voters in
    `order`, so that everybody who knows the links comes to the same. Empty when no majority sees
    each other.
    """
    for size in range(len(order), len(order) // 2, -1):
        for chosen in combinations(order, size):
            if all(frozenset(pair) in links for pair in combinations(chosen, 2)):
                return frozenset(chosen)
    return frozenset()
