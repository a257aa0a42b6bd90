"""A part of a cloud: some services or hosts, with all that they need, and nothing else."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from cloudwright.errors import UnsafePlan
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Observed
from cloudwright.plan.graph import closure


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What was asked for: names of services and of hosts; none means all of them."""

    services: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole cloud."""
        return not (self.services or self.hosts)

    def __str__(self) -> str:
        parts = [", ".join(self.services)] if self.services else []
        parts += [f"on {', '.join(self.hosts)}"] if self.hosts else []
        return " ".join(parts) or "everything"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What a selection leaves of a cloud; `along` are the ids that only others' needs brought."""

    blueprint: Blueprint
    observed: Observed
    along: frozenset[str]


def restrict(blueprint: Blueprint, observed: Observed, selection: Selection) -> Part:
    """The selected steps and the closure of their needs, with what was seen of those.

    Containers that nothing declares are no service's: they are left in only where hosts alone
    are selected. Raises UnsafePlan when the selection holds nothing.
    """
    if selection.is_whole:
        return Part(blueprint=blueprint, observed=observed, along=frozenset())
    chosen = frozenset(
        step.id
        for step in blueprint.steps.values()
        if (not selection.services or step.id.partition("/")[0] in selection.services)
        and (not selection.hosts or step.host in selection.hosts)
    )
    if not chosen:
        raise UnsafePlan(
            f"there is nothing of this: {selection}",
            where=blueprint.cloud,
            hint="`cloudwright status` shows what is where",
        )
    kept = closure(blueprint.steps, chosen)
    strays = tuple(
        (host, name)
        for host, name in observed.strays
        if not selection.services and host in selection.hosts
    )
    steps = {id: step for id, step in blueprint.steps.items() if id in kept}
    seen = {id: seen for id, seen in observed.seen.items() if id in kept}
    return Part(
        blueprint=dataclasses.replace(blueprint, steps=steps),
        observed=dataclasses.replace(observed, seen=seen, strays=strays),
        along=kept - chosen,
    )
