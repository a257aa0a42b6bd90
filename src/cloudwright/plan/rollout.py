"""Order among hosts: how a plan remakes what several hosts have, one after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from cloudwright.declare.rollout import Batches, Canary, Quorum, Rollout
from cloudwright.plan.steps import ReadAgain, RunContainer, Step, WriteFiles

Place = tuple[str, str]
"""A host, and the container on it."""

Needs = Mapping[str, frozenset[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What must be done before each step (`needs`), and what must only be over (`after`)."""

    needs: Needs
    after: Needs


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One host's part of a group: its container's step, and how the plan treats it.

    `touches` is the planned step that stops it, or has it read its files again; empty when the
    plan leaves it alone. `up`: it works now, so that to stop it (`stops`) takes something away.
    Where it does not, the step only heals.
    """

    id: str
    place: Place
    touches: str = ""
    up: bool = True
    stops: bool = False

    @property
    def is_risked(self) -> bool:
        """Whether the plan changes something that works."""
        return bool(self.touches) and self.up

    @property
    def is_healed(self) -> bool:
        """Whether the plan makes something work that does not."""
        return bool(self.touches) and not self.up


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """What stands in for each other or votes together, in the blueprint's order; mostly the same
    container on several hosts.

    `places` are all that are declared, also those on hosts that did not answer.
    """

    name: str
    rollout: Rollout
    members: tuple[Member, ...]
    places: tuple[Place, ...]

    @property
    def risked(self) -> tuple[Member, ...]:
        """Members that work and are touched."""
        return tuple(m for m in self.members if m.is_risked)

    @property
    def healed(self) -> tuple[Member, ...]:
        """Members that do not work and are made to."""
        return tuple(m for m in self.members if m.is_healed)


def can_spare(rollout: Rollout, members: int, *, down: int = 0, lost: int = 0) -> bool:
    """Whether one that works may be stopped, of `members` in all of which `down` others do not
    work and `lost` others are on hosts that do not answer.

    Of what votes never two are down that somebody could put right first. A host that is gone may
    be gone for good: it holds nobody up as long as those that remain are a majority without it.
    """
    match rollout:
        case Quorum():
            left = members - 1 - down - lost
            return not down and (not lost or left >= majority(members))
        case Canary():
            return members == 1 or down + lost < members - 1
        case Batches():
            return True
        case _:
            assert_never(rollout)


def majority(members: int) -> int:
    """How many of so many are one."""
    return members // 2 + 1


def groups_of(steps: Mapping[str, Step], planned: Mapping[str, bool]) -> tuple[Group, ...]:
    """Every container of the blueprint with its hosts; `planned` is step id → works now."""
    found: dict[str, list[Step]] = {}
    again: dict[tuple[str, str], str] = {}
    for step in steps.values():
        match step.action:
            case RunContainer():
                found.setdefault(_group_name(step.action), []).append(step)
            case ReadAgain(container=name) if step.id in planned:
                again[step.host, name] = step.id
            case _:
                pass
    return tuple(_group(name, own, planned, again) for name, own in found.items())


def _group_name(action: RunContainer) -> str:
    match action.rollout:
        case Quorum(cluster=cluster) if cluster:
            return cluster
        case _:
            return action.container


def _group(
    name: str,
    steps: Sequence[Step],
    planned: Mapping[str, bool],
    again: Mapping[tuple[str, str], str],
) -> Group:
    members = []
    for step in steps:
        assert isinstance(step.action, RunContainer)
        stops = step.id in planned
        place = (step.host, step.action.container)
        members.append(
            Member(
                id=step.id,
                place=place,
                touches=step.id if stops else again.get(place, ""),
                up=planned.get(step.id, True),
                stops=stops,
            )
        )
    first = steps[0].action
    assert isinstance(first, RunContainer)
    return Group(
        name=name,
        rollout=first.rollout,
        members=tuple(members),
        places=tuple((p.host, p.container) for p in first.members)
        or tuple(m.place for m in members),
    )


def order(steps: Mapping[str, Step], planned: Mapping[str, bool], needs: Needs) -> Order:
    """`needs` of the planned steps, and the order in which hosts take their turns.

    `planned` says of each planned step whether what it alters works now. What is made for the
    first time is not held up: only what works, and is taken away for a moment, has to wait.
    """
    more: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    dropped: dict[str, frozenset[str]] = {}
    for group in groups_of(steps, planned):
        if not group.risked:
            continue
        risked = frozenset(m.touches for m in group.risked)
        for member in group.members:
            if member.touches:  # in a cluster that exists, nobody waits for its founder
                dropped[member.touches] = risked
        for link in _links(group):
            to = more if link.must_succeed else after
            for id in (link.id, *_own_files(link.id, link.before, steps, needs)):
                to.setdefault(id, set()).add(link.before)
    touched = {
        id: (needs[id] - dropped.get(id, frozenset())) | more.get(id, set())
        for id in dropped.keys() | more.keys()
    }
    return Order(
        needs={**needs, **touched},  # most sets stay as they are: of thousands a copy costs
        after={id: frozenset(before) for id, before in after.items()},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Link:
    """Step `id` comes once `before` is over; and only if it went well, when `must_succeed`."""

    id: str
    before: str
    must_succeed: bool = True


def _links(group: Group) -> Iterable[_Link]:
    risked = [m.touches for m in group.risked]
    healed = [m.touches for m in group.healed]
    match group.rollout:
        case Quorum():
            yield from _all_after(risked, healed)
            yield from _window(risked, 1)
        case Canary():
            spare = sum(m.up for m in group.members) > 1
            yield from _all_after(risked, healed, must_succeed=not spare)
            yield from _window(risked, max(1, len(group.places) // 2))
        case Batches() as batches:
            size = batches.at_once(len(group.places))
            yield from _window(risked, size, must_succeed=False)
        case _:
            assert_never(group.rollout)


def _all_after(
    ids: Sequence[str], before: Sequence[str], *, must_succeed: bool = True
) -> Iterable[_Link]:
    """What does not work is healed before anything that works is touched."""
    for id in ids:
        for one in before:
            yield _Link(id=id, before=one, must_succeed=must_succeed)


def _window(ids: Sequence[str], size: int, *, must_succeed: bool = True) -> Iterable[_Link]:
    """The first alone; then each once the one `size` places before it is over.

    A moving window keeps `size` of them busy all the time, with one link each.
    """
    for place, id in enumerate(ids[1:], 1):
        yield _Link(id=id, before=ids[0])
        if place > size:
            yield _Link(id=id, before=ids[place - size], must_succeed=must_succeed)


def _own_files(id: str, before: str, steps: Mapping[str, Step], needs: Needs) -> Iterable[str]:
    """The planned files that the step reads, unless what comes `before` it needs them too.

    They wait with it, so that a config which its canary could not bear reaches no other host.
    """
    files = [
        need
        for need in steps[id].needs
        if need in needs and isinstance(steps[need].action, WriteFiles)
    ]
    earlier = _all_before(before, needs) if files else frozenset()
    return [name for name in files if name not in earlier]


def _all_before(id: str, needs: Needs) -> frozenset[str]:
    """The step and everything that it needs, directly or not."""
    found: set[str] = set()
    todo = [id]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += needs.get(one, frozenset())
    return frozenset(found)
