"""`failback` looks at a lost site's return, and waits until every vote and every copy is back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.failover import table
from cloudwright.cli.options import tell_lost, with_cloud


@click.command()
@click.option(
    "--wait", default=300.0, show_default=True, help="Seconds until every vote must be back."
)
@with_cloud
def failback(path: Path, wait: float) -> int:
    """Say what still differs after a lost site of CLOUD came back, and wait until nothing does.

    Returned members throw away what was given up and join by themselves; the message queue's
    copies are spread over them again. Refused when returned ones take writes of their own. Exits
    1 when something still differs at the end.
    """
    return asyncio.run(_failback(path, wait))


async def _failback(path: Path, wait: float) -> int:
    from cloudwright.execute.recover.failover import Voting
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES
    from cloudwright.transport.local import HERE, LocalHost

    async with open_session(path, SERVICES, whole=False) as session:
        tell_lost(session.fleet.lost)
        voting = Voting(
            cloud=session.cloud, services=SERVICES, fleet=session.fleet, here=LocalHost(HERE)
        )
        click.echo(table(await voting.look()))
        left = await voting.together(wait, click.echo)
        click.echo("every cluster has all of its votes" if not left else "still differs:")
        if left:
            click.echo("\n".join(left))
        return 1 if left else 0
