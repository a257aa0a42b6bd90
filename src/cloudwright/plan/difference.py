"""The plan is the blueprint minus what was observed, plus removals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from cloudwright.plan import rollout
from cloudwright.plan.blueprint import BALANCER, Blueprint
from cloudwright.plan.graph import ids_in_order, needs_within
from cloudwright.plan.steps import (
    ConfigFile,
    ReadAgain,
    RemoveContainer,
    RunContainer,
    Step,
)


class Change(Enum):
    """What happens to a thing; the value is the sign that a user sees."""

    MAKE = "+"
    ALTER = "~"
    REMOVE = "-"


DRIFTED = "drifted"
"""No step has this digest: what is there is not what is declared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What observing found for one step: a digest equal to the step's when all is as declared.

    `why` says in words what is wrong when it is not. `up` is whether it works all the same, so
    that to alter it takes something away for a moment. `runs`: its users would miss it, though it
    is not kept for their sake (`Quorum.speaks`). `found` are files that are not as
    declared, as they stand on the host, with placeholders for every secret of ours.
    """

    digest: str
    why: str = ""
    up: bool = True
    runs: bool = False
    found: tuple[ConfigFile, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """The world as found: step id → what was seen (absent: not there), and strays per host."""

    seen: Mapping[str, Seen] = field(default_factory=dict)
    strays: tuple[tuple[str, str], ...] = ()
    """(host, container) of this cloud that may have to go."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A step to do, the kind of change, and why; `up` is whether what it alters works now, and
    `runs` whether somebody misses it meanwhile, in whichever order it is done."""

    step: Step
    change: Change
    why: str
    up: bool = False
    runs: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to do, in an order that respects every need; `needs` is among the plan's own steps.

    A step starts once what it needs went well, and what it comes `after` is over, well or not.
    """

    cloud: str
    planned: tuple[Planned, ...]
    needs: Mapping[str, frozenset[str]]
    unchanged: int
    after: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def gates(self) -> dict[str, frozenset[str]]:
        """Step id → all that must be over before it may begin."""
        none: frozenset[str] = frozenset()
        ids = (p.step.id for p in self.planned)
        return {id: self.needs.get(id, none) | self.after.get(id, none) for id in ids}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.planned


def make_plan(blueprint: Blueprint, observed: Observed) -> Plan:
    """Everything that must exist and does not, or is wrong; then what nothing declares.

    Hosts that have the same container take turns, as its rollout says (`plan.rollout`).
    """
    planned = _planned(blueprint, observed)
    chosen = frozenset(planned)
    order = rollout.order(
        blueprint.steps,
        {id: p.up for id, p in planned.items()},
        needs_within(blueprint.steps, chosen),
    )
    later = {id: order.needs[id] | after for id, after in order.after.items()}
    in_turn = ids_in_order({**order.needs, **later})
    removals = tuple(_removal(host, name) for host, name in sorted(observed.strays))
    return Plan(
        cloud=blueprint.cloud,
        planned=tuple(planned[id] for id in in_turn) + removals,
        needs={**order.needs, **{r.step.id: _before(r, blueprint, planned) for r in removals}},
        after=order.after,
        unchanged=sum(_is_as_declared(s, observed) for s in blueprint.steps.values()),
    )


def _planned(blueprint: Blueprint, observed: Observed) -> dict[str, Planned]:
    planned: dict[str, Planned] = {}
    for step in blueprint.steps.values():
        seen = observed.seen.get(step.id)
        if seen is None:
            planned[step.id] = Planned(step=step, change=Change.MAKE, why="is not there")
        elif seen.digest != step.digest:
            why = seen.why or "is not as declared"
            planned[step.id] = Planned(
                step=step, change=Change.ALTER, why=why, up=seen.up, runs=seen.up or seen.runs
            )
    return {id: p for id, p in planned.items() if not _reads_anyway(p.step, planned)}


def _reads_anyway(step: Step, planned: Mapping[str, Planned]) -> bool:
    """Whether it only has files read again by a container that is to be made anew."""
    return isinstance(step.action, ReadAgain) and any(
        isinstance(planned[need].step.action, RunContainer)
        for need in step.needs
        if need in planned
    )


def _is_as_declared(step: Step, observed: Observed) -> bool:
    seen = observed.seen.get(step.id)
    return seen is not None and seen.digest == step.digest


def _removal(host: str, name: str) -> Planned:
    step = Step(id=f"stray/{name}@{host}", host=host, action=RemoveContainer(container=name))
    return Planned(step=step, change=Change.REMOVE, why="nothing declares it any more", up=True)


def _before(
    removal: Planned, blueprint: Blueprint, planned: Mapping[str, Planned]
) -> frozenset[str]:
    """A container that moved to other hosts goes once it works there and requests go there."""
    assert isinstance(removal.step.action, RemoveContainer)
    name = removal.step.action.container
    if not any(_runs(step, name) for step in blueprint.steps.values()):
        return frozenset()
    return frozenset(
        id for id, p in planned.items() if _runs(p.step, name) or _runs(p.step, BALANCER)
    )


def _runs(step: Step, container: str) -> bool:
    return isinstance(step.action, RunContainer) and step.action.container == container
