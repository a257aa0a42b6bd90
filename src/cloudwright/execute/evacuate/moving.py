"""Instances are brought up elsewhere by Nova, a few at a time, and each is awaited."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloudwright.errors import HostError
from cloudwright.execute.evacuate.apis import Apis
from cloudwright.execute.evacuate.computes import newest_record
from cloudwright.operations.evacuate import Instance, Move, Outlook

POLL_SECONDS = 1.0
RUNS_AGAIN = "2.94"
"""Nova's microversion that asks for a move: from 2.95 on every instance is stopped afterwards."""

FORCES = "2.67"
"""The last of Nova's microversions that can pass the scheduler by; Placement is still asked."""

FAILED = ("error", "failed")
"""States of an evacuation's record that Nova has given up (`Migration.status`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a move ended: `well`, or why not; `host` and `status` as Nova has them at the end."""

    instance: Instance
    host: str
    status: str
    why: str
    seconds: float

    @property
    def well(self) -> bool:
        """Whether it is there, as it was before: running or stopped."""
        return not self.why


@dataclass(kw_only=True, slots=True)
class _Awaited:
    instance: Instance
    began: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Mover:
    """Moves at most `at_once` instances at a time, and waits at most `seconds` for each."""

    apis: Apis
    at_once: int
    seconds: float
    tell: Callable[[str], None]

    async def move(self, outlook: Outlook) -> tuple[Result, ...]:
        """Ask for every move in its order, those under way are awaited with them."""
        loop = asyncio.get_running_loop()
        waiting = deque(outlook.moves)
        awaited = [_Awaited(instance=i, began=loop.time()) for i in outlook.under_way]
        results: list[Result] = []
        while waiting or awaited:
            while waiting and len(awaited) < self.at_once:
                move = waiting.popleft()
                refusal = await self._ask(move)
                if refusal:
                    results.append(self._told(_gave_up(move.instance, refusal)))
                else:
                    awaited.append(_Awaited(instance=move.instance, began=loop.time()))
            for one in tuple(awaited):
                if result := await self._ended(one, loop.time()):
                    awaited.remove(one)
                    results.append(self._told(result))
            if awaited:
                await asyncio.sleep(POLL_SECONDS)
        return tuple(results)

    async def _ask(self, move: Move) -> str:
        """Ask Nova for the move; why it refuses, or nothing."""
        zone = (
            f", out of zone {move.instance.zone} that it was asked for in" if move.forced else ""
        )
        self.tell(f"{move.instance.name}: {move.instance.host} → {move.host}{zone}")
        try:
            await self.apis.do(_ask, move)
        except HostError as err:
            return err.why
        return ""

    async def _ended(self, one: _Awaited, now: float) -> Result | None:
        """How it ended, None while it has not and there is time left."""
        passed = now - one.began
        try:
            result = await self.apis.do(_look, one.instance, passed)
        except HostError as err:  # an API may be silent for a moment
            result, silent = None, err.why
        else:
            silent = ""
        if result or passed < self.seconds:
            return result
        why = silent or f"not there after {self.seconds:g} s; Nova may still be at it"
        return _gave_up(one.instance, why, passed)

    def _told(self, result: Result) -> Result:
        name, seconds = result.instance.name, f"{result.seconds:.1f} s"
        if result.well:
            self.tell(f"✓ {name} is {result.status} on {result.host} ({seconds})")
        else:
            self.tell(f"✗ {name}: {result.why.splitlines()[0]} ({seconds})")
        return result


def _gave_up(instance: Instance, why: str, seconds: float = 0.0) -> Result:
    return Result(instance=instance, host=instance.host, status="-", why=why, seconds=seconds)


def _ask(apis: Apis, move: Move) -> None:
    path = f"/servers/{move.instance.id}/action"
    if move.forced:
        apis.tell_nova(path, {"evacuate": {"host": move.host, "force": True}}, FORCES)
    else:
        apis.tell_nova(path, {"evacuate": {"host": move.host}}, RUNS_AGAIN)


def _look(apis: Apis, instance: Instance, seconds: float) -> Result | None:
    """How an evacuation that was asked for ended; None while Nova is at it.

    An instance is for a moment without a task and still on its old host, so the failure is told
    by Nova's record of the evacuation, and the success by the instance's host.
    """
    from keystoneauth1.exceptions import NotFound

    try:
        server = apis.nova(f"/servers/{instance.id}")["server"]
    except NotFound:
        why = "its owner removed it meanwhile"
        return Result(instance=instance, host="-", status="gone", why=why, seconds=seconds)
    host, status = server["OS-EXT-SRV-ATTR:host"], server["status"]
    if server["OS-EXT-STS:task_state"]:
        return None
    record = newest_record(apis, instance.id)
    failed = record is not None and record.status in FAILED
    if not failed and host == instance.host:
        return None
    why = _reason(server) if failed or status == "ERROR" else ""
    return Result(instance=instance, host=host, status=status, why=why, seconds=seconds)


def _reason(server: dict[str, Any]) -> str:
    said = (server.get("fault") or {}).get("message", "")
    return said or "Nova gave up; `cloudwright logs nova-conductor` and `nova-compute` say more"
