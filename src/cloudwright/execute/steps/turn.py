"""Whether a container that works may be stopped now: the others of its kind are asked first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cloudwright.declare.rollout import Quorum
from cloudwright.errors import CloudError, EngineError, StepFailed, Unreachable
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.host.health import probe
from cloudwright.execute.host.judge import speaks_otherwise
from cloudwright.model.cloud import Cloud
from cloudwright.plan.checks import may_stop
from cloudwright.plan.steps import Peer, RunContainer, Step

POLL_SECONDS = 0.5
"""Between two questions to the others."""

PATIENCE_SECONDS = 120.0
"""How long the others may take to work again, beyond what their own health allows."""


Place = tuple[str, str]
"""A host, and the container on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turns:
    """Who of one run has its turn: one that may be stopped is no longer counted on, from that
    moment and not only once it is seen to be down."""

    fleet: Fleet
    cloud: Cloud
    taken: set[Place] = field(default_factory=set)
    asking: dict[tuple[Place, ...], asyncio.Lock] = field(default_factory=dict)
    """Of those that stand in for each other one at a time looks at the others and decides."""

    @asynccontextmanager
    async def turn(self, step: Step, waits: Callable[[str], None]) -> AsyncIterator[bool]:
        """For the block, which makes it anew, `step` may stop its container; gives whether that
        works. Enters at once when it does not.

        The plan orders the turns; this looks again at the last moment, because a host may have
        died since, and because what a run that was cut had not seen become healthy may work.
        Raises StepFailed, with nothing touched, when too few others work in time.
        """
        action = step.action
        assert isinstance(action, RunContainer)
        own = next((p for p in action.members if p.host == step.host), None)
        if own is None or len(action.members) < 2 or await self._is_spent(own, action):
            yield False
            return
        await self._take(own, step, action, waits)
        try:
            yield True
        finally:
            self.taken.discard(_place(own))

    async def _take(
        self, own: Peer, step: Step, action: RunContainer, waits: Callable[[str], None]
    ) -> None:
        lock = self.asking.setdefault(tuple(map(_place, action.members)), asyncio.Lock())
        deadline = _now() + PATIENCE_SECONDS
        told = False
        while True:
            async with lock:
                wrong = await self._in_the_way(own, step, action)
                if not wrong:
                    self.taken.add(_place(own))
                    return
            if self.taken & set(map(_place, action.members)):
                deadline = _now() + PATIENCE_SECONDS  # its own step ends in time
            text = [f"{where}: {one.why}" for where, one in wrong.items()]
            if _now() > deadline:
                raise StepFailed(
                    f"{action.container} was not stopped: too much depends on it now",
                    where=step.id,
                    why="\n".join(text),
                    hint="nothing was touched here; put the others right, then `apply` again",
                )
            if not told:
                waits("; ".join(text))
                told = True
            await asyncio.sleep(POLL_SECONDS)

    async def _in_the_way(self, own: Peer, step: Step, action: RunContainer) -> dict[str, _Wrong]:
        """`container@host` → why the member may not be stopped now; empty when it may."""
        wrong = await self._wrong_others(own, action)
        lost = sum(one.lost for one in wrong.values())
        if not may_stop(step, down=len(wrong) - lost, lost=lost):
            return wrong
        why = await _held(step, action, self.fleet)
        return {step.host: _Wrong(why=why)} if why else {}

    async def _is_spent(self, own: Peer, action: RunContainer) -> bool:
        """Whether nothing is taken away with it: it does not work, or will not with the others."""
        if await _wrong(own, self.fleet, self.cloud):
            return True
        state = await self.fleet.engine(own.host).inspect(own.container)
        return speaks_otherwise(action, state)

    async def _wrong_others(self, own: Peer, action: RunContainer) -> dict[str, _Wrong]:
        """`container@host` → what is wrong with it, of the other members that do not work."""
        others = [peer for peer in action.members if peer != own]
        found = await asyncio.gather(*map(self._wrong_other, others))
        return {
            f"{peer.container}@{peer.host}": wrong
            for peer, wrong in zip(others, found, strict=True)
            if wrong
        }

    async def _wrong_other(self, peer: Peer) -> _Wrong | None:
        if _place(peer) in self.taken:
            return _Wrong(why="is made anew")
        return await _wrong(peer, self.fleet, self.cloud)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wrong:
    """What is wrong with a member; `lost`: its host, or the engine there, does not answer."""

    why: str
    lost: bool = False


async def _held(step: Step, action: RunContainer, fleet: Fleet) -> str:
    """Why the member that is next may not leave, by its own word; empty when it may."""
    if not isinstance(action.rollout, Quorum) or not action.rollout.may_leave:
        return ""
    done = await fleet.engine(step.host).exec(action.container, action.rollout.may_leave)
    return "" if done.exit_code == 0 else done.output.strip() or "it may not leave"


async def _wrong(peer: Peer, fleet: Fleet, cloud: Cloud) -> _Wrong | None:
    """What is wrong with a member; None when it works."""
    try:
        engine = fleet.engine(peer.host)
        state = await engine.inspect(peer.container)
    except EngineError as err:
        return _Wrong(why="is not there" if err.status == 404 else err.what, lost=not err.status)
    except (CloudError, KeyError) as err:
        lost = isinstance(err, Unreachable) or peer.host in fleet.lost
        return _Wrong(why=str(err), lost=lost)
    if not state.running:
        return _Wrong(why=f"is {state.state}")
    address = cloud.host(peer.host).address
    why = await probe(fleet.host(peer.host), engine, address, peer.container, peer.health)
    return _Wrong(why=why) if why else None


def _place(peer: Peer) -> Place:
    return peer.host, peer.container


def _now() -> float:
    return asyncio.get_running_loop().time()
