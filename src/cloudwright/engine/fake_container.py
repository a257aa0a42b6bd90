"""What a container of an engine in memory does, and what is seen of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cloudwright.engine.api import ContainerSpec, ContainerState, State

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The moment at which the loop's clock shows zero."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """What a container's command does: writes `output`, ends after `seconds` (None: never).

    `on_term` is its exit code when it is asked to end; None ignores that, as PID 1 does.
    """

    output: tuple[str, ...] = ()
    seconds: float | None = None
    exit_code: int = 0
    on_term: int | None = 0


@dataclass(slots=True)
class FakeContainer:
    """One container of an engine in memory; `started` and `ends` are in the loop's seconds."""

    spec: ContainerSpec
    id: str
    image_id: str
    labels: Mapping[str, str]
    state: State = "created"
    process: Process = field(default_factory=Process)
    exit_code: int | None = None
    started: float | None = None
    restarts: int = 0
    ends: float | None = None
    stopped_by_user: bool = False
    log: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def seen(self, *, inspected: bool) -> ContainerState:
        """The container as it is listed, or as it is inspected, of which more is told."""
        since = self.started if inspected else None
        started = None if since is None else EPOCH + timedelta(seconds=since)
        return ContainerState(
            name=self.spec.name,
            id=self.id,
            image=self.spec.image,
            image_id=self.image_id,
            labels=self.labels,
            state=self.state,
            exit_code=self.exit_code,
            started_at=started,
            restarts=self.restarts if inspected else 0,
            pid=1 if inspected and self.state in ("running", "paused") else 0,
            status_text=self.state,
        )
