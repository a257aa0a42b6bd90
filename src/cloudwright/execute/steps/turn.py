"""Whether a container that works may be stopped now: the others of its kind are asked first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

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


async def await_turn(step: Step, fleet: Fleet, cloud: Cloud, waits: Callable[[str], None]) -> bool:
    """Whether its container works, once `step` may stop it; at once when it does not.

    The plan orders the turns; this looks again at the last moment, because a host may have died
    since. Raises StepFailed, with nothing touched, when too few others work in time.
    """
    action = step.action
    assert isinstance(action, RunContainer)
    own = next((p for p in action.members if p.host == step.host), None)
    if own is None or len(action.members) < 2 or await _is_spent(own, action, fleet, cloud):
        return False
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    told = False
    while True:
        wrong = await _wrong_others(own, action, fleet, cloud)
        lost = sum(one.lost for one in wrong.values())
        enough = may_stop(step, down=len(wrong) - lost, lost=lost)
        if enough and not (why := await _held(step, action, fleet)):
            return True
        if enough:
            wrong = {step.host: _Wrong(why=why)}
        text = [f"{where}: {one.why}" for where, one in wrong.items()]
        if asyncio.get_running_loop().time() > deadline:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wrong:
    """What is wrong with a member; `lost`: its host, or the engine there, does not answer."""

    why: str
    lost: bool = False


async def _is_spent(own: Peer, action: RunContainer, fleet: Fleet, cloud: Cloud) -> bool:
    """Whether nothing is taken away with it: it does not work, or will not with the others."""
    if await _wrong(own, fleet, cloud):
        return True
    return speaks_otherwise(action, await fleet.engine(own.host).inspect(own.container))


async def _held(step: Step, action: RunContainer, fleet: Fleet) -> str:
    """Why the member that is next may not leave, by its own word; empty when it may."""
    if not isinstance(action.rollout, Quorum) or not action.rollout.may_leave:
        return ""
    done = await fleet.engine(step.host).exec(action.container, action.rollout.may_leave)
    return "" if done.exit_code == 0 else done.output.strip() or "it may not leave"


async def _wrong_others(
    own: Peer, action: RunContainer, fleet: Fleet, cloud: Cloud
) -> dict[str, _Wrong]:
    """`container@host` → what is wrong with it, of the other members that do not work."""
    others = [peer for peer in action.members if peer != own]
    found = await asyncio.gather(*(_wrong(peer, fleet, cloud) for peer in others))
    return {
        f"{peer.container}@{peer.host}": wrong
        for peer, wrong in zip(others, found, strict=True)
        if wrong
    }


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
