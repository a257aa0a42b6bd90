"""A world in memory that steps are done to, with failures where one wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from cloudwright.errors import HostError
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Observed, Seen
from cloudwright.plan.steps import RemoveContainer, RunContainer, Step


class Failure(Enum):
    """Where in a step it fails."""

    BEFORE = "nothing of it was done"
    HALF = "what was there is gone, what shall be is not yet"
    AFTER = "it was done, and the answer was lost"


class Killed(BaseException):
    """The process ended in the middle, as by `kill -9`: nothing after it happens."""


@dataclass(slots=True)
class SimulatedWorld:
    """Step id → digest of what is there, and the containers that run, per host.

    `failures` are spent: a step fails once for each. `kill_at` ends the whole run when that many
    steps have been begun. `order` records what was done, for checks of the order.
    """

    effects: dict[str, str] = field(default_factory=dict)
    running: dict[tuple[str, str], str] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    kill_at: int = -1
    begun: int = 0
    order: list[str] = field(default_factory=list)

    async def perform(
        self, step: Step, log: Callable[[str], None], waits: Callable[[str], None]
    ) -> None:
        """Do the step to this world, or fail as asked."""
        if self.begun == self.kill_at:
            raise Killed
        self.begun += 1
        failure = self.failures.pop(step.id, None)
        if failure is Failure.BEFORE:
            raise HostError("injected", where=step.id)
        self._undo(step)
        await asyncio.sleep(0)
        if failure is Failure.HALF:
            raise HostError("injected", where=step.id)
        self._do(step)
        self.order.append(step.id)
        if failure is Failure.AFTER:
            raise HostError("injected", where=step.id)

    def _undo(self, step: Step) -> None:
        self.effects.pop(step.id, None)
        match step.action:
            case RunContainer(container=name) | RemoveContainer(container=name):
                self.running.pop((step.host, name), None)
            case _:
                pass

    def _do(self, step: Step) -> None:
        match step.action:
            case RemoveContainer():
                return
            case RunContainer(container=name):
                self.running[step.host, name] = step.digest
            case _:
                pass
        self.effects[step.id] = step.digest

    def observe(self, blueprint: Blueprint) -> Observed:
        """What is there, as looking at real hosts would say it."""
        declared = {
            (s.host, s.action.container)
            for s in blueprint.steps.values()
            if isinstance(s.action, RunContainer)
        }
        seen = {
            id: Seen(digest=digest) for id, digest in self.effects.items() if id in blueprint.steps
        }
        return Observed(seen=seen, strays=tuple(sorted(self.running.keys() - declared)))

    def state(self) -> tuple[Mapping[str, str], Mapping[tuple[str, str], str]]:
        """The whole world, to be compared."""
        return dict(self.effects), dict(self.running)
