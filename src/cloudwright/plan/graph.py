"""Steps in the order of what they need; a circle is named, never numbered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from cloudwright.errors import UnsafePlan
from cloudwright.plan.steps import Step


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """The steps, each after all that it needs; stable for equal input.

    Raises UnsafePlan when steps need each other in a circle.
    """
    by_id = {step.id: step for step in steps}
    return tuple(by_id[id] for id in ids_in_order({s.id: s.needs for s in by_id.values()}))


def ids_in_order(needs: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The keys of `needs`, each after those that it needs; stable for equal input.

    Raises UnsafePlan when they need each other in a circle.
    """
    sorter = TopologicalSorter({id: sorted(n & needs.keys()) for id, n in needs.items()})
    try:
        return tuple(sorter.static_order())
    except CycleError as err:
        circle = " → ".join(err.args[1])
        raise UnsafePlan(
            "steps need each other in a circle", why=circle, hint="a service's `needs` is wrong"
        ) from err


def needs_within(steps: Mapping[str, Step], chosen: frozenset[str]) -> dict[str, frozenset[str]]:
    """For each chosen step, the chosen steps that must come first, looking through the others.

    The chosen steps come in an order that respects every need.
    """
    memo: dict[str, frozenset[str]] = {}
    for step in in_order(steps.values()):
        direct: set[str] = set()
        for need in step.needs & steps.keys():
            direct |= {need} if need in chosen else memo[need]
        memo[step.id] = frozenset(direct)
    return {id: first for id, first in memo.items() if id in chosen}


def closure(steps: Mapping[str, Step], wanted: Iterable[str]) -> frozenset[str]:
    """`wanted` and everything that they need, directly or not."""
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in found or name not in steps:
            continue
        found.add(name)
        waiting += steps[name].needs
    return frozenset(found)
