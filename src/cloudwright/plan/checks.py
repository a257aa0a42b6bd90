"""What must hold of any plan before it is carried out, and of the world after every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudwright.declare.rollout import Batches, Quorum
from cloudwright.errors import Missing, UnsafePlan
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Change, Plan
from cloudwright.plan.rollout import Group, Member, groups_of, others_needed
from cloudwright.plan.steps import MakeVolume, RunContainer, RunJob, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What works now: ids of steps whose containers are healthy, and whose volumes are there."""

    up: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()


def check(plan: Plan, blueprint: Blueprint) -> None:
    """Refuse a dangerous plan; nothing has been touched.

    Raises Missing for container images that no host has, UnsafePlan for a plan that would take
    the majority of a cluster, or the last of those that answer, away.
    """
    images = sorted(set(missing_images(plan)))
    if images:
        raise Missing(
            "container images are missing",
            where=plan.cloud,
            why="\n".join(images),
            hint="`cloudwright images build` makes them",
        )
    planned = {p.step.id: p.up for p in plan.planned if p.change is not Change.REMOVE}
    for group in groups_of(blueprint.steps, planned):
        _check_group(group, plan)


def missing_images(plan: Plan) -> Iterator[str]:
    """The images that planned containers and jobs need and that were not found."""
    for planned in plan.planned:
        match planned.step.action:
            case RunContainer(body=body) | RunJob(body=body) if not body.image_id:
                yield body.image
            case _:
                pass


def _check_group(group: Group, plan: Plan) -> None:
    """Each member that works is stopped only while enough others work, in the plan's order."""
    needed = others_needed(group.rollout, len(group.members))
    if isinstance(group.rollout, Batches) or not group.risked:
        return
    for member in group.risked:
        others = [m for m in group.members if m.id != member.id]
        there = [m for m in others if not _may_be_away(m, member, plan)]
        if len(there) < needed:
            away = ", ".join(m.host for m in others if m not in there)
            raise UnsafePlan(
                f"the plan stops {group.container} on {member.host} while {away} may not work",
                where=plan.cloud,
                why=_why(group, needed),
                hint="apply to the others first, or one host at a time",
            )


def _may_be_away(other: Member, member: Member, plan: Plan) -> bool:
    """Whether `other` may not work at the moment when `member` is stopped."""
    if not other.touches:
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


def _why(group: Group, needed: int) -> str:
    if isinstance(group.rollout, Quorum):
        return (
            f"{needed} other members of {len(group.members)} must work: a cluster that loses its "
            "majority stops, and may lose what was acknowledged"
        )
    return "nobody would answer until it is made anew"


def breaches(before: Standing, after: Standing, blueprint: Blueprint) -> Iterator[str]:
    """What one step took away that no step may, in words; nothing when all is well.

    A cluster of three or more that had its majority keeps it; a container that several hosts are
    to have keeps working on one; a volume is never removed. What was lost before the step (a
    host died) is not its fault.
    """
    for group in groups_of(blueprint.steps, {}):
        if len(group.members) < 2 or isinstance(group.rollout, Batches):
            continue
        ids = frozenset(m.id for m in group.members)
        enough = _enough(group)
        had, has = len(ids & before.up), len(ids & after.up)
        if had >= enough > has:
            yield f"{group.container}: {has} of {len(ids)} work, {enough} must"
    declared = {s.id for s in blueprint.steps.values() if isinstance(s.action, MakeVolume)}
    for id in sorted((before.volumes - after.volumes) & declared):
        yield f"{id}: the volume is gone"


def _enough(group: Group) -> int:
    count = len(group.members)
    return count // 2 + 1 if isinstance(group.rollout, Quorum) and count >= 3 else 1


def may_stop(step: Step, others: int) -> bool:
    """Whether a container that works may be stopped while `others` of its members work."""
    assert isinstance(step.action, RunContainer)
    return others >= others_needed(step.action.rollout, len(step.action.members))
