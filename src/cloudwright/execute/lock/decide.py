"""Who wins the lock: a majority of all hosts that vote, whatever order the hosts were asked in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cloudwright.execute.journal.holder import Holder


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """A host that could not be asked, and why."""

    why: str


Votes = Mapping[str, Holder | Unknown]
"""What every voting host said when it was asked to be ours: who has it now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Won:
    """We have a majority; `leftovers` (host → run) are others' entries, which count no more."""

    leftovers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeOver:
    """These entries (host → run) are of our own processes that have ended: put ours there."""

    entries: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """Another has a majority."""

    to: Holder


@dataclass(frozen=True, kw_only=True, slots=True)
class Undecided:
    """Nobody has a majority; `rival` was there before us when `yields`, and we let ours go."""

    rival: Holder
    yields: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TooFew:
    """No majority can be asked; `unknown` is host → why."""

    unknown: Mapping[str, str]


Verdict = Won | TakeOver | Lost | Undecided | TooFew


FORGOT = "its disk was emptied, and with it went whose the lock was"
"""Why a host that answers does not count: it remembers no run, and others do."""


def majority(voters: int) -> int:
    """How many of so many hosts are more than half."""
    return voters // 2 + 1


def decide(
    me: Holder, votes: Votes, ended: frozenset[str], blank: frozenset[str] = frozenset()
) -> Verdict:
    """What follows from what the hosts say; `ended` are runs of ours whose process is gone.

    Two majorities of the same hosts share one, and a host has one entry: so two runs can never
    both win. `blank` hosts remember no run at all: they may have lost an entry with their disk,
    and give us nothing (`_is_ours`). Unknown hosts count against us. Without a majority the
    earlier run stays and every later one lets go, whatever each of them saw.
    """
    entries = {host: vote for host, vote in votes.items() if isinstance(vote, Holder)}
    unknown = {host: vote.why for host, vote in votes.items() if isinstance(vote, Unknown)}
    forgot = dict.fromkeys(blank & entries.keys(), FORGOT)
    need = majority(len(votes))
    if _is_ours({h for h, v in entries.items() if v.run == me.run}, entries, blank, len(votes)):
        return Won(leftovers={h: v.run for h, v in entries.items() if v.run != me.run})
    if stale := {host: v.run for host, v in entries.items() if v.run in ended}:
        return TakeOver(entries=stale)
    counts: dict[str, int] = {}
    for holder in entries.values():
        counts[holder.run] = counts.get(holder.run, 0) + 1
    rivals = sorted((v for v in entries.values() if v.run != me.run), key=_order)
    for rival in rivals:
        if counts[rival.run] >= need:
            return Lost(to=rival)
    if not rivals or len(entries) < need:
        return TooFew(unknown={**unknown, **forgot})
    return Undecided(rival=rivals[0], yields=_order(rivals[0]) < _order(me))


def _is_ours(
    mine: Collection[str], answered: Collection[str], blank: frozenset[str], voters: int
) -> bool:
    """Whether nobody else can have a majority, nor get one, now that these hosts are `mine`.

    Another's majority leaves `voters - majority` hosts without its entry, so one more that is
    mine and surely was nobody else's tells that there is none. Where every host that answers is
    blank there never was a run: a cloud that is new.
    """
    need = majority(voters)
    if len(mine) < need:
        return False
    if blank >= set(answered):
        return len(mine) == len(answered)
    return len(set(mine) - blank) > voters - need


def _order(holder: Holder) -> tuple[float, str]:
    return holder.since, holder.run
