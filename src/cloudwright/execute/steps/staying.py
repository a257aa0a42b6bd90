"""Whether containers that became healthy in a run are still the same process at its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from cloudwright.engine.api import ContainerState
from cloudwright.errors import CloudError
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.journal.telling import telling
from cloudwright.execute.steps.perform import LOG_LINES, last_lines
from cloudwright.plan.steps import RunContainer, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Staying:
    """The containers of a run, each with the moment at which its process was started.

    One that opens its port and dies a moment later was healthy when it was looked at, and its
    engine starts it again for ever.
    """

    fleet: Fleet
    starts: dict[str, tuple[Step, datetime | None]] = field(default_factory=dict)

    async def note(self, step: Step) -> None:
        """Remember the process of a container that has just become healthy."""
        if isinstance(step.action, RunContainer):
            state = await self._state(step, step.action.container)
            self.starts[step.id] = (step, state.started_at)

    async def fallen(self) -> dict[str, str]:
        """Step id → what became of it, of those whose process has ended since.

        A host that does not answer any more says nothing: that is told elsewhere.
        """
        told = await asyncio.gather(*(self._told(*one) for one in self.starts.values()))
        return {id: text for id, text in zip(self.starts, told, strict=True) if text}

    async def _told(self, step: Step, started: datetime | None) -> str:
        assert isinstance(step.action, RunContainer)
        name = step.action.container
        try:
            state = await self._state(step, name)
            if state.running and state.started_at == started:
                return ""
            lines = await last_lines(self.fleet.engine(step.host), name, LOG_LINES)
        except CloudError:
            return ""
        now = "was started again" if state.running else f"ended with code {state.exit_code}"
        return f"{name} became healthy, and {now} before the run was over\n  why: {telling(lines)}"

    async def _state(self, step: Step, name: str) -> ContainerState:
        return await self.fleet.engine(step.host).inspect(name)
