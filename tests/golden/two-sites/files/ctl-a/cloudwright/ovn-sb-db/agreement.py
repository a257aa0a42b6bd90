"""Who founds a cluster, who joins it, who waits: decided alike by all from the same answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FRESH = -1
"""The position of a member that holds nothing."""

DOWN, FOUNDING, RUNNING, UP = "down", "founding", "running", "up"
"""RUNNING: its server runs and is not whole; said only of servers that agree among themselves."""


@dataclass(frozen=True)
class Told:
    """What a member says of itself.

    `history` names the line of changes that its data belongs to (empty: it has none);
    `position` counts them; `view` holds the members of the last whole cluster that it was in.
    `left`: histories that were given up when a person said that who might know more is dead;
    whoever still holds one of them has it to throw away.
    `dead`: whom a person said to be dead, as long as this member has not acted on it.
    """

    name: str
    state: str
    history: str
    position: int
    view: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()


@dataclass(frozen=True)
class Join:
    """Start as a member of the cluster that is there.

    `history` is that cluster's, and `through` are its members that are up, where somebody told;
    oneself when nobody is, and who may know more is dead: to begin with what one knows.
    `anew`: what this member holds was given up there, and is thrown away.
    """

    history: str = ""
    through: tuple[str, ...] = ()
    anew: bool = False


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
        return _join([t for t in up if not _given_up(t, spoken)] or up)
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


def rejoin(
    own: Told,
    told: Mapping[str, Told],
    members: tuple[str, ...],
    dead: frozenset[str] = frozenset(),
) -> Decision:
    """The same for a member that holds something of a cluster whose servers agree among themselves
    (raft, say), so that it needs no founder: whether it may start with what it holds.

    It may beside any server that runs with the same. When none does, only once every member of
    every last whole cluster that anybody remembers has spoken, but for those in `dead`: one that
    is silent may have gone on alone, on a person's word that the others are dead, and these would
    be a majority beside it. Who hears that it did has nothing to start with. On such a word the
    one that knows most of a minority founds anew, once the servers of all that speak are stopped;
    so who hears itself called dead starts nothing until that is over.
    """
    spoken = {**told, own.name: own}
    beyond = [t for t in told.values() if own.history in t.left]
    if whole := [t for t in beyond if t.state == UP and t.history != own.history]:
        return _join(whole, anew=True)
    if beyond:
        return Wait(f"{beyond[0].name} went on without what this one holds, and is not up yet")
    if sayers := sorted(n for n, t in told.items() if own.name in t.dead):
        return Wait(f"{sayers[0]} was told that this one is dead, and may go on without it")
    missing = set(members) - spoken.keys()
    if missing and missing <= dead and len(spoken) * 2 <= len(members):
        return _minority(own, told, members, tuple(sorted(missing)))
    counted = [t for t in spoken.values() if not _given_up(t, spoken)]
    histories = {t.history for t in counted if t.history}
    waited_for = missing and missing <= dead and not any(t.state == UP for t in told.values())
    if waited_for and len(histories) == 1 and _latest(counted, members) == own.name:
        return Join(history=own.history, through=(own.name,))
    running = [t for t in told.values() if t.state in (UP, RUNNING)]
    # An agent of an older version does not tell the history.
    if same := [t for t in running if t.history in (own.history, "")]:
        return _join(same)
    views = [set(t.view or members) for t in counted]
    if waited := sorted(set().union(*views) & missing - dead):
        return Wait(f"{', '.join(waited)} must say what it holds")
    if len(histories) > 1:
        return Wait(f"the members' data differ in origin: {', '.join(sorted(histories))}")
    return Join(history=own.history)


def _latest(counted: Iterable[Told], members: tuple[str, ...]) -> str:
    """Who knows who is in the cluster: one whom nobody of `counted` that hold something left
    behind."""
    holding = [t for t in counted if t.position != FRESH]
    views = [set(t.view or members) for t in holding]
    kept = [t.name for t in holding if all(t.name in view for view in views)]
    return min(kept, key=members.index, default="")


def _minority(
    own: Told, told: Mapping[str, Told], members: tuple[str, ...], missing: tuple[str, ...]
) -> Decision:
    """What one of too few does once a person said that all the others are dead."""
    if busy := sorted(n for n, t in told.items() if t.state != DOWN):
        return Wait(f"{', '.join(busy)} must stop its server first")
    best = max((own, *told.values()), key=lambda t: (t.position, -members.index(t.name)))
    if best.name != own.name:
        return Wait(f"{best.name} knows most and comes first")
    return Found(without=missing)


def _join(up: Iterable[Told], *, anew: bool = False) -> Join:
    found = sorted(up, key=lambda t: t.name)
    through = tuple(t.name for t in found if t.history == found[0].history and t.state == UP)
    return Join(history=found[0].history, through=through, anew=anew)


def whole(told: Iterable[Told]) -> tuple[str, ...]:
    """Who is up together with more than half of the last whole cluster that it was in."""
    up = {t.name: t for t in told if t.state == UP}
    return tuple(
        sorted(n for n, t in up.items() if len(up.keys() & {*t.view}) * 2 > len({*t.view} or up))
    )


def next_view(view: Iterable[str], up: Iterable[str]) -> tuple[str, ...]:
    """The last whole cluster, once `up` are up together: nobody of `view` is left out while they
    are no majority of it, since the rest may then go on elsewhere."""
    last, now = {*view}, {*up}
    return tuple(sorted(now if len(last & now) * 2 > len(last) else last | now))


def _given_up(one: Told, spoken: Mapping[str, Told]) -> bool:
    """Whether another member's cluster went on without what this one holds."""
    return any(one.history in t.left for t in spoken.values() if t.name != one.name)
