"""Whether a container that works may be stopped now: the others of its kind are asked first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cloudwright.errors import CloudError, EngineError, StepFailed
from cloudwright.execute.fleet import Fleet
from cloudwright.execute.health import probe
from cloudwright.model.cloud import Cloud
from cloudwright.plan.checks import may_stop
from cloudwright.plan.steps import RunContainer, Step

POLL_SECONDS = 0.5
"""Between two questions to the others."""

PATIENCE_SECONDS = 120.0
"""How long the others may take to work again, beyond what their own health allows."""


async def await_turn(step: Step, fleet: Fleet, cloud: Cloud, waits: Callable[[str], None]) -> None:
    """Return once `step` may stop its container; at once when that does not work anyway.

    The plan orders the turns; this looks again at the last moment, because a host may have died
    since. Raises StepFailed, with nothing touched, when too few others work in time.
    """
    action = step.action
    assert isinstance(action, RunContainer)
    if len(action.members) < 2 or not await _works(step.host, action, fleet, cloud):
        return
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    told = False
    while True:
        wrong = await _wrong_others(step, action, fleet, cloud)
        if may_stop(step, len(action.members) - 1 - len(wrong)):
            return
        if asyncio.get_running_loop().time() > deadline:
            raise StepFailed(
                f"{action.container} was not stopped: too few others of it work",
                where=step.id,
                why="\n".join(f"{host}: {why}" for host, why in wrong.items()),
                hint="nothing was touched here; put the others right, then `apply` again",
            )
        if not told:
            waits(f"{action.container} on {', '.join(wrong)} to work")
            told = True
        await asyncio.sleep(POLL_SECONDS)


async def _wrong_others(
    step: Step, action: RunContainer, fleet: Fleet, cloud: Cloud
) -> dict[str, str]:
    """Host → what is wrong there, of the other members that do not work."""
    others = [host for host in action.members if host != step.host]
    found = await asyncio.gather(*(_wrong(host, action, fleet, cloud) for host in others))
    return {host: why for host, why in zip(others, found, strict=True) if why}


async def _works(host: str, action: RunContainer, fleet: Fleet, cloud: Cloud) -> bool:
    return await _wrong(host, action, fleet, cloud) is None


async def _wrong(host: str, action: RunContainer, fleet: Fleet, cloud: Cloud) -> str | None:
    """What is wrong with the container on `host`; None when it works."""
    try:
        engine = fleet.engine(host)
        state = await engine.inspect(action.container)
    except EngineError as err:
        return "is not there" if err.status == 404 else err.what
    except (CloudError, KeyError) as err:
        return str(err)
    if not state.running:
        return f"is {state.state}"
    address = cloud.host(host).address
    return await probe(fleet.host(host), engine, address, action.container, action.health)
