"""What a plan's restarts mean to somebody who uses the cloud's APIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloudwright.declare.service import Container, Service
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Change, Plan
from cloudwright.plan.graph import closure
from cloudwright.plan.rollout import Group, groups_of
from cloudwright.plan.steps import ReadAgain, RunContainer, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Restart:
    """A container that works and is remade, on these hosts, in this order.

    `silent` are the APIs (containers' names) that do not answer for seconds meanwhile; none when
    other hosts' containers answer, or nobody asks it. `at_once`: the hosts do not take turns.
    """

    container: str
    hosts: tuple[str, ...]
    silent: tuple[str, ...] = ()
    at_once: bool = False


def restarts_of(
    plan: Plan, blueprint: Blueprint, services: Sequence[Service]
) -> tuple[Restart, ...]:
    """Every restart of the plan, in the order in which the first of each is done."""
    touched = {p.step.id: p.up for p in plan.planned if p.change is Change.ALTER}
    runs = frozenset(p.step.id for p in plan.planned if p.runs)
    groups: dict[str, Group] = {}
    hosts: dict[str, list[str]] = {}
    for group in groups_of(blueprint.steps, touched):
        for member in group.members:
            # One that only reads its files again does not restart.
            if member.stops and member.id in runs:
                host, container = member.place
                groups[container] = group
                hosts.setdefault(container, []).append(host)
    order = dict.fromkeys(
        p.step.action.container for p in plan.planned if isinstance(p.step.action, RunContainer)
    )
    return tuple(
        Restart(
            container=name,
            hosts=tuple(hosts[name]),
            silent=_silent(name, groups[name], blueprint, services, _at_once(groups[name], runs)),
            at_once=bool(_at_once(groups[name], runs)),
        )
        for name in order
        if name in groups
    )


def rereads_of(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """Container → the hosts where it goes on and reads its files again: nobody notices."""
    hosts: dict[str, list[str]] = {}
    for planned in plan.planned:
        match planned.step.action:
            case ReadAgain(container=name) if planned.change is Change.ALTER:
                hosts.setdefault(name, []).append(planned.step.host)
            case _:
                pass
    return {name: tuple(found) for name, found in hosts.items()}


def _at_once(group: Group, runs: frozenset[str]) -> int:
    """How many members that run are remade with no regard to the others."""
    return sum(member.id in runs for member in group.healed)


def _silent(
    name: str,
    group: Group,
    blueprint: Blueprint,
    services: Sequence[Service],
    at_once: int,
) -> tuple[str, ...]:
    """The APIs that stop answering while the only one of a group is remade, or most of it at once.

    Where several take turns, the load balancer asks the others. What requests come in through has
    nothing before it: whoever holds the cloud's address cuts what it carries, and hands it on.
    """
    declared = {c.name: c for s in services for c in s.containers}
    own = declared.get(name)
    others_do = len(group.places) > 1 and len(group.places) - at_once > at_once
    if own is None or own.spared or (others_do and not own.carries):
        return ()
    ids = {member.id for member in group.members}
    return tuple(
        api.name
        for service in services
        for api in service.containers
        if api.api
        and (
            api is own
            or (own.carries and _steps_of(service, api, blueprint.steps))
            or ids & _asked(service, api, blueprint.steps)
        )
    )


def _steps_of(service: Service, container: Container, steps: Mapping[str, Step]) -> set[str]:
    return {id for id in steps if id.startswith(f"{service.name}/{container.name}@")}


def _asked(service: Service, container: Container, steps: Mapping[str, Step]) -> frozenset[str]:
    """The steps without which an API does not answer: what it needs, and who knows its users."""
    own = _steps_of(service, container, steps)
    own |= {f"{service.name}/identity"} & steps.keys() if service.identity_user else set()
    return closure(steps, frozenset(own)) if own else frozenset()
