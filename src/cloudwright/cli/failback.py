"""`failback` looks at a lost site's return, and waits until every vote and every copy is back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.failover import table
from cloudwright.cli.options import tell_lost, with_cloud

PAUSE_SECONDS = 2.0
"""Before hosts that did not answer are tried again."""


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

    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    told: set[str] = set()

    def tell(line: str) -> None:
        if line not in told:
            told.add(line)
            click.echo(line)

    while True:
        async with open_session(path, SERVICES, whole=False) as session:
            voting = Voting(
                cloud=session.cloud, services=SERVICES, fleet=session.fleet, here=LocalHost(HERE)
            )
            if not told:
                tell_lost(session.fleet.lost)
                tell(table(await voting.look()))
            # A host that was not reached is only found by connecting again.
            seconds = 0.0 if session.fleet.lost else deadline - loop.time()
            left = await voting.together(seconds, tell)
        if not left or loop.time() > deadline:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    click.echo("still differs: " + "; ".join(left) if left else "every cluster has all its votes")
    return 1 if left else 0
