"""What must hold of any plan before it is carried out; a plan that breaks one is refused."""

from __future__ import annotations

from collections.abc import Iterator

from cloudwright.errors import Missing, UnsafePlan
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Change, Plan
from cloudwright.plan.steps import RunContainer, RunJob

QUORUM_SERVICES = ("mariadb", "rabbitmq", "ovn")
"""Services whose members vote: a majority of them may never be remade in one go."""


def check(plan: Plan, blueprint: Blueprint) -> None:
    """Refuse a dangerous plan; nothing has been touched.

    Raises Missing for container images that no host has, UnsafePlan for a plan that would take
    the majority of a cluster down at once.
    """
    images = sorted(set(missing_images(plan)))
    if images:
        raise Missing(
            "container images are missing",
            where=plan.cloud,
            why="\n".join(images),
            hint="`cloudwright images build` makes them",
        )
    for service, remade, members in majorities(plan, blueprint):
        raise UnsafePlan(
            f"the plan remakes {remade} of {members} members of {service} at once",
            where=plan.cloud,
            why="a cluster that loses its majority stops, and may lose what was acknowledged",
            hint="apply the change to one host at a time",
        )


def missing_images(plan: Plan) -> Iterator[str]:
    """The images that planned containers and jobs need and that were not found."""
    for planned in plan.planned:
        match planned.step.action:
            case RunContainer(body=body) | RunJob(body=body) if not body.image_id:
                yield body.image
            case _:
                pass


def majorities(plan: Plan, blueprint: Blueprint) -> Iterator[tuple[str, int, int]]:
    """(container, remade, members) of each cluster of three or more that would lose its quorum."""
    members: dict[str, int] = {}
    remade: dict[str, int] = {}
    for step in blueprint.steps.values():
        if _votes(step.id) and isinstance(step.action, RunContainer):
            members[step.action.container] = members.get(step.action.container, 0) + 1
    for planned in plan.planned:
        action = planned.step.action
        if planned.change is Change.ALTER and isinstance(action, RunContainer):
            remade[action.container] = remade.get(action.container, 0) + 1
    for container, count in members.items():
        if count >= 3 and count - remade.get(container, 0) <= count // 2:
            yield container, remade[container], count


def _votes(id: str) -> bool:
    return id.partition("/")[0] in QUORUM_SERVICES
