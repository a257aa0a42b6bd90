"""What must hold of any plan before it is carried out, and of the world after every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudwright.declare.rollout import Batches, Quorum
from cloudwright.errors import Missing, Unreachable, UnsafePlan
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Change, Plan
from cloudwright.plan.rollout import (
    Group,
    Member,
    Place,
    can_spare,
    groups_of,
    majority,
)
from cloudwright.plan.steps import RunContainer, RunJob, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What is there now: hosts, working containers, volumes with what tells each from another."""

    hosts: frozenset[str] = frozenset()
    up: frozenset[Place] = frozenset()
    volumes: frozenset[tuple[str, str, str]] = frozenset()


def check(plan: Plan, blueprint: Blueprint) -> None:
    """Refuse a dangerous plan; nothing has been touched.

    Raises Missing for container images that no host has; Unreachable when too many hosts
    cannot be used; UnsafePlan for a plan that would take the majority of a cluster, or the last
    of those that answer, away.
    """
    images = sorted(set(missing_images(plan)))
    if images:
        raise Missing(
            "container images are missing",
            where=plan.cloud,
            why="\n".join(images),
            hint="nothing was touched; `cloudwright images build` makes them",
        )
    planned = {p.step.id: p.up for p in plan.planned if p.change is not Change.REMOVE}
    for group in groups_of(blueprint.steps, planned):
        _check_reached(group, plan, blueprint)
        _check_turns(group, plan, blueprint)


def missing_images(plan: Plan) -> Iterator[str]:
    """The images that planned containers and jobs need and that were not found."""
    for planned in plan.planned:
        match planned.step.action:
            case RunContainer(body=body) | RunJob(body=body) if not body.image_id:
                yield body.image
            case _:
                pass


def _check_reached(group: Group, plan: Plan, blueprint: Blueprint) -> None:
    """A cluster of which too little answers is neither founded nor touched."""
    away = [host for host, _ in group.places if host in blueprint.unreachable]
    if not away or not isinstance(group.rollout, Quorum):
        return
    answering = len(group.places) - len(away)
    founded = any(m.up for m in group.members)
    if answering >= majority(len(group.places)) and founded:
        return
    why = (
        f"{group.name} works on none of the hosts that answer: a cluster is founded by all "
        "of its members"
        if answering >= majority(len(group.places))
        else f"without them {group.name} has no majority: {answering} of {len(group.places)}"
    )
    raise Unreachable(
        f"too many hosts cannot be used: {', '.join(away)}",
        where=plan.cloud,
        why=why,
        hint="nothing was touched; bring them back (`cloudwright check --hosts` says how), "
        "or take them out of cloud.yaml",
    )


def _check_turns(group: Group, plan: Plan, blueprint: Blueprint) -> None:
    """Each member that works is stopped only while enough others work, in the plan's order."""
    members = {m.place: m for m in group.members}
    lost = [place for place in group.places if place[0] in blueprint.unreachable]
    for member in group.risked:
        if not member.stops:
            continue
        others = [m for place, m in members.items() if place != member.place]
        down = [other.place for other in others if _may_be_away(other, member, plan)]
        if not can_spare(group.rollout, len(group.places), down=len(down), lost=len(lost)):
            away = [place for place in group.places if place in (*down, *lost)]
            raise UnsafePlan(
                f"the plan stops {_words(member.place)} while "
                f"{', '.join(map(_words, away))} may not work",
                where=plan.cloud,
                why=_why(group),
                hint="nothing was touched; put the others right first",
            )


def _may_be_away(other: Member, member: Member, plan: Plan) -> bool:
    """Whether `other` may not work at the moment when `member` is stopped."""
    if not other.stops:
        return not other.up
    if _comes_first(other.touches, member.touches, plan):
        return False
    return other.is_healed or not _comes_first(member.touches, other.touches, plan)


def _comes_first(first: str, then: str, plan: Plan) -> bool:
    """Whether the plan's needs make `first` end well before `then` begins."""
    seen: set[str] = set()
    todo = [then]
    while todo:
        for need in plan.needs.get(todo.pop(), frozenset()):
            if need == first:
                return True
            if need not in seen:
                seen.add(need)
                todo.append(need)
    return False


def _why(group: Group) -> str:
    if isinstance(group.rollout, Quorum):
        members = len(group.places)
        return (
            f"one member of {members} is stopped at a time, while all others on hosts that answer "
            f"work, and {majority(members)} must remain: a cluster that loses its majority stops, "
            "and may lose what was acknowledged"
        )
    return "nobody would answer until it is made anew"


def _words(place: Place) -> str:
    host, container = place
    return f"{container}@{host}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """How many of these containers must go on to work; `all_others`: where one is stopped, every
    other on a host that is there must work."""

    name: str
    places: frozenset[Place]
    enough: int
    all_others: bool


def kept(blueprint: Blueprint) -> tuple[Kept, ...]:
    """What every step must leave working: of a cluster of three or more its majority, of what
    votes all but the one that it stops, of a container that several hosts are to have, one."""
    found = []
    for group in groups_of(blueprint.steps, {}):
        if len(group.places) < 2 or isinstance(group.rollout, Batches):
            continue
        votes = isinstance(group.rollout, Quorum)
        count = len(group.places)
        found.append(
            Kept(
                name=group.name,
                places=frozenset(group.places),
                enough=majority(count) if votes and count >= 3 else 1,
                all_others=votes,
            )
        )
    return tuple(found)


def breaches(before: Standing, after: Standing, rules: tuple[Kept, ...]) -> Iterator[str]:
    """What one step took away that no step may, in words; nothing when all is well.

    What was lost before the step (a host died) is not its fault. No step removes a volume.
    """
    for rule in rules:
        had, has = len(rule.places & before.up), len(rule.places & after.up)
        if had >= rule.enough > has:
            yield f"{rule.name}: {has} of {len(rule.places)} work, {rule.enough} must"
        there = {place for place in rule.places if place[0] in after.hosts}
        if rule.all_others and has < had and len(down := there - after.up) > 1:
            yield f"{rule.name}: down at a time are {', '.join(map(_words, sorted(down)))}"
    for host, volume, _ in sorted(before.volumes - after.volumes):
        yield f"the volume {volume} on {host} is gone"


def may_stop(step: Step, *, down: int, lost: int) -> bool:
    """Whether a container that works may be stopped while so many of its other members do not, or
    are on hosts that do not answer."""
    assert isinstance(step.action, RunContainer)
    return can_spare(step.action.rollout, len(step.action.members), down=down, lost=lost)
