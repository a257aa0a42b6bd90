"""Who founds a cluster, who joins it, who waits: decided alike by all from the same answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FRESH = -1
"""The position of a member that holds nothing."""

DOWN, FOUNDING, UP = "down", "founding", "up"


@dataclass(frozen=True)
class Told:
    """What a member says of itself.

    `history` names the line of changes that its data belongs to (empty: it has none);
    `position` counts them; `view` holds the members of the last whole cluster that it was in.
    `left`: histories that were given up when a person said that who might know more is dead;
    whoever still holds one of them has it to throw away, but for this member itself.
    """

    name: str
    state: str
    history: str
    position: int
    view: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Join:
    """Start as a member of the cluster that is there."""


@dataclass(frozen=True)
class Found:
    """Start the cluster, alone for now.

    `without`: members that were waited for until a person said that they are dead.
    """

    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wait:
    """Start nothing yet; `reason` is for a person."""

    reason: str


Decision = Join | Found | Wait


def decide(
    own: Told,
    told: Mapping[str, Told],
    members: tuple[str, ...],
    dead: frozenset[str] = frozenset(),
) -> Decision:
    """What a member whose server is down does, given what the others that answered `told`.

    Found only when every member of every last whole cluster that anybody remembers has spoken,
    none is up, and this one knows most (the first in `members` of those that know alike). All who
    decide from the same answers agree; a later whole cluster than those remembered would have had
    one of them in it, who would remember it. Those in `dead`, which a person named, are not
    waited for; one that speaks all the same lives, and counts as any other.
    """
    spoken = {**told, own.name: own}
    founders = sorted(n for n, t in told.items() if t.state == FOUNDING)
    up = [t for t in told.values() if t.state == UP]
    if old := sorted(t.name for t in up if t.history in own.left and t.history not in t.left):
        return Wait(f"{', '.join(old)} runs with data that were given up")
    if up:
        return Join()
    if founders:
        return Wait(f"{founders[0]} founds the cluster")
    counted = [t for t in spoken.values() if not _given_up(t, spoken)]
    views = [set(t.view or members) for t in counted]
    missing = set().union(*views) & set(members) - spoken.keys()
    if missing - dead:
        return Wait(f"{', '.join(sorted(missing - dead))} must say what it holds")
    histories = {t.history for t in counted if t.position != FRESH}
    if len(histories) > 1:
        return Wait(f"the members' data differ in origin: {', '.join(sorted(histories))}")
    if not counted or (missing and not histories):
        return Wait("nobody who answers holds data to go on from")
    best = max(counted, key=lambda t: (t.position, -members.index(t.name)))
    if best.name != own.name:
        return Wait(f"{best.name} knows most and comes first")
    return Found(without=tuple(sorted(missing)))


def _given_up(one: Told, spoken: Mapping[str, Told]) -> bool:
    """Whether another member's cluster went on without what this one holds."""
    return any(one.history in t.left for t in spoken.values() if t.name != one.name)
