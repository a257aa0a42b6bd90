"""`images push` sends container images to the hosts that lack them; `apply` begins with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.asking import confirmed
from cloudwright.cli.options import tell_lost, with_cloud

if TYPE_CHECKING:
    from cloudwright.execute.session import Session


@click.command()
@click.option("--plain", is_flag=True, help="Plain lines, even on a terminal.")
@with_cloud
def push(path: Path, plain: bool) -> None:
    """Send this machine's container images to the hosts of CLOUD that lack some.

    One stream a host, all hosts at once, over the connection that everything else goes over. No
    image, and no layer of one, that a host has is sent again. `apply` does the same first.
    """
    asyncio.run(_push(path, plain))


async def _push(path: Path, plain: bool) -> None:
    from cloudwright.cli.outcome import raise_if_lost
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES, whole=False) as session:
        tell_lost(session.fleet.lost)
        if not await bring_images(session, "images push", ask=False, plain=plain):
            click.echo(f"{session.cloud.name}: every host has its container images")
        raise_if_lost(session.fleet.lost)


async def bring_images(
    session: Session, verb: str, *, ask: bool, plain: bool, hosts: Sequence[str] = ()
) -> bool:
    """Send the hosts (all, or these) what they lack; says whether there was anything to send.

    With `ask` a person confirms first, and click.Abort says no. Raises StepFailed when a host did
    not get its images; the others have theirs.
    """
    from cloudwright.cli.outcome import raise_unless_whole
    from cloudwright.cli.view_plain import watch
    from cloudwright.execute.interrupts import cancelling
    from cloudwright.plan.estimate import Estimate
    from cloudwright.plan.explain import explain

    blueprint, plan = await session.delivery(hosts)
    if plan.is_empty:
        return False
    click.echo(explain(plan, blueprint, session.services))
    if ask and not confirmed("send them?"):
        raise click.Abort
    async with session.changing(verb, "container images", click.echo) as change:
        with watch(Estimate(), plain) as tell, cancelling():
            await session.execute(change, blueprint, plan, tell)
        raise_unless_whole(change.outcome, plan)
    return True
