"""Runs an evacuation, or a host's return, for the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cloudwright.cli.asking import typed
from cloudwright.cli.evacuate_view import table, told
from cloudwright.cli.options import tell_lost
from cloudwright.errors import UnsafePlan
from cloudwright.execute.evacuate import estate
from cloudwright.execute.evacuate.apis import Apis, open_apis
from cloudwright.execute.evacuate.computes import Compute, hold_out
from cloudwright.execute.evacuate.evidence import prove_down
from cloudwright.execute.evacuate.giveback import give_back
from cloudwright.execute.evacuate.moving import Mover, Result
from cloudwright.execute.session import Session, open_session, read_cloud
from cloudwright.operations.evacuate import Outlook, compute_hosts, outlook
from cloudwright.operations.recover import statement
from cloudwright.services import SERVICES
from cloudwright.transport.local import HERE, LocalHost


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What the command line said; `wait` is in seconds."""

    some: bool
    at_once: int
    wait: float
    statement: str | None
    back: bool
    reason: str


async def run(path: Path, names: Sequence[str], wishes: Wishes) -> int:
    """Do it; the exit code."""
    hosts = compute_hosts(read_cloud(path.resolve(), SERVICES)[0], names)
    async with open_session(path, SERVICES, whole=False) as session:
        tell_lost(session.fleet.lost)
        apis = await open_apis(session)
        work = _return if wishes.back else _evacuate
        return await work(session, apis, hosts, wishes)


async def _return(session: Session, apis: Apis, hosts: Sequence[str], wishes: Wishes) -> int:
    async with session.changing("evacuate", wishes.reason, click.echo):
        count = await give_back(session.fleet, apis, hosts, wishes.wait, click.echo)
    if not count:
        click.echo(f"not held out: {', '.join(hosts)}")
    return 0


async def _evacuate(session: Session, apis: Apis, hosts: Sequence[str], wishes: Wishes) -> int:
    services = await _proof(session, apis, hosts)
    found = await apis.do(estate.look, services, hosts)
    plan = outlook(found.instances, found.rooms)
    click.echo(told(plan, hosts))
    _refuse(plan, some=wishes.some)
    if plan.is_empty:
        return 1 if plan.stays else 0
    asked = typed(statement(hosts), wishes.statement, "nothing was touched")
    if asked:  # a person may take an hour to answer
        services = await _proof(session, apis, hosts)
    async with session.changing("evacuate", wishes.reason, click.echo):
        results = await _move(apis, services, hosts, plan, wishes)
    click.echo(table(results, plan))
    whole = all(one.well for one in results) and not (plan.stays or plan.homeless)
    return 0 if whole else 1


async def _proof(session: Session, apis: Apis, hosts: Sequence[str]) -> Mapping[str, Compute]:
    return await prove_down(session.fleet, session.cloud, LocalHost(HERE), apis, hosts)


async def _move(
    apis: Apis,
    services: Mapping[str, Compute],
    hosts: Sequence[str],
    plan: Outlook,
    wishes: Wishes,
) -> tuple[Result, ...]:
    for host in hosts:
        if host in services and not services[host].held_out:
            await apis.do(hold_out, services[host], True)
            click.echo(f"{host} is held out")
    mover = Mover(apis=apis, at_once=wishes.at_once, seconds=wishes.wait, tell=click.echo)
    return await mover.move(plan)


def _refuse(plan: Outlook, *, some: bool) -> None:
    if not plan.homeless or (some and not plan.is_empty):
        return
    raise UnsafePlan(
        f"{len(plan.homeless)} instances find no room on the hosts that are left",
        why="\n".join(f"{one.name}: {why}" for one, why in plan.homeless),
        hint="" if plan.is_empty else "--some moves the others; more hosts would take all",
    )
