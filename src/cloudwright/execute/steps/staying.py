"""Whether containers that became healthy in a run are still the same process at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from cloudwright.engine.api import ContainerState
from cloudwright.errors import CloudError
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.host.health import probe
from cloudwright.execute.journal.telling import telling
from cloudwright.execute.steps.perform import LOG_LINES, last_lines
from cloudwright.model.cloud import Cloud
from cloudwright.plan.steps import RunContainer, Step

POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Staying:
    """The containers of a run, each with the moment at which its process was started.

    One that opens its port and dies a moment later was healthy when it was looked at, and its
    engine starts it again for ever.
    """

    fleet: Fleet
    cloud: Cloud
    starts: dict[str, tuple[Step, datetime | None]] = field(default_factory=dict)

    async def note(self, step: Step) -> None:
        """Remember the process of a container that has just become healthy."""
        if isinstance(step.action, RunContainer):
            state = await self._state(step)
            self.starts[step.id] = (step, state.started_at)

    async def fallen(self, waits: Callable[[str, str], None]) -> dict[str, str]:
        """Step id → what became of it, of those whose process has ended since.

        One that was started again is not lost yet, as where members of a cluster meet for the
        first time: it has to be well, and to live for as long as the process before it did.
        `waits` takes the id and the reason then. A host that does not answer any more says
        nothing: that is told elsewhere.
        """
        told = await asyncio.gather(*(self._told(*one, waits) for one in self.starts.values()))
        return {id: text for id, text in zip(self.starts, told, strict=True) if text}

    async def _told(
        self, step: Step, first: datetime | None, waits: Callable[[str, str], None]
    ) -> str:
        assert isinstance(step.action, RunContainer)
        name = step.action.container
        try:
            state = await self._state(step)
            if state.running and state.started_at == first:
                return ""
            if state.running and state.started_at and first:
                lived = (state.started_at - first).total_seconds()
                waits(step.id, f"it was started again; whether it lives {lived:.0f} s this time")
                if await self._stays(step, state.started_at, lived):
                    return ""
            lines = await last_lines(self.fleet.engine(step.host), name, LOG_LINES)
        except CloudError:
            return ""
        now = "was started again" if state.running else f"ended with code {state.exit_code}"
        return f"{name} became healthy, and {now} before the run was over\n  why: {telling(lines)}"

    async def _stays(self, step: Step, since: datetime, seconds: float) -> bool:
        """Whether the process of that moment lives for so long, and is well at the end."""
        assert isinstance(step.action, RunContainer)
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while clock() < end:
            await asyncio.sleep(POLL_SECONDS)
            state = await self._state(step)
            if not state.running or state.started_at != since:
                return False
        host, engine = self.fleet.host(step.host), self.fleet.engine(step.host)
        address = self.cloud.host(step.host).address
        return not await probe(host, engine, address, step.action.container, step.action.health)

    async def _state(self, step: Step) -> ContainerState:
        assert isinstance(step.action, RunContainer)
        return await self.fleet.engine(step.host).inspect(step.action.container)
