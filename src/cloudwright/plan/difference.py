"""The plan is the blueprint minus what was observed, plus removals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.graph import in_order, needs_within
from cloudwright.plan.steps import RemoveContainer, Step


class Change(Enum):
    """What happens to a thing; the value is the sign that a user sees."""

    MAKE = "+"
    ALTER = "~"
    REMOVE = "-"


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What observing found for one step: a digest equal to the step's when all is as declared.

    `why` says in words what is wrong when it is not.
    """

    digest: str
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """The world as found: step id → what was seen (absent: not there), and strays per host."""

    seen: Mapping[str, Seen] = field(default_factory=dict)
    strays: tuple[tuple[str, str], ...] = ()
    """(host, container) of this cloud that may have to go."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A step to do, the kind of change, and why."""

    step: Step
    change: Change
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to do, in an order that respects every need; `needs` is among the plan's own steps."""

    cloud: str
    planned: tuple[Planned, ...]
    needs: Mapping[str, frozenset[str]]
    unchanged: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.planned


def make_plan(blueprint: Blueprint, observed: Observed) -> Plan:
    """Everything that must exist and does not, or is wrong; then what nothing declares."""
    planned = []
    for step in in_order(blueprint.steps.values()):
        seen = observed.seen.get(step.id)
        if seen is None:
            planned.append(Planned(step=step, change=Change.MAKE, why="is not there"))
        elif seen.digest != step.digest:
            why = seen.why or "is not as declared"
            planned.append(Planned(step=step, change=Change.ALTER, why=why))
    chosen = frozenset(p.step.id for p in planned)
    needs = needs_within(blueprint.steps, chosen)
    removals = tuple(_removal(host, name) for host, name in sorted(observed.strays))
    return Plan(
        cloud=blueprint.cloud,
        planned=tuple(planned) + removals,
        needs={**needs, **{r.step.id: frozenset() for r in removals}},
        unchanged=len(blueprint.steps) - len(planned),
    )


def _removal(host: str, name: str) -> Planned:
    step = Step(id=f"stray/{name}@{host}", host=host, action=RemoveContainer(container=name))
    return Planned(step=step, change=Change.REMOVE, why="nothing declares it any more")
