"""`recover` shows what every member holds after a power cut, and passes on a person's word."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.asking import typed
from cloudwright.cli.failover import named, table
from cloudwright.cli.options import columns, tell_lost, with_cloud

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudwright.execute.recover.failover import Voting
    from cloudwright.execute.session import Session
    from cloudwright.operations.failover import Cluster
    from cloudwright.operations.recover import MemberState

DATABASE = "mariadb"
PAUSE_SECONDS = 2.0
"""Before hosts that did not answer are tried again."""


@click.command()
@click.option(
    "--without", multiple=True, metavar="site:S|HOST", help="What is dead, and may know more."
)
@click.option("--statement", help="What would have to be typed, instead of being asked for it.")
@click.option(
    "--wait", default=300.0, show_default=True, help="Seconds to let the members settle."
)
@with_cloud
def recover(path: Path, without: tuple[str, ...], statement: str | None, wait: float) -> int:
    """Show what each member of CLOUD's clusters holds and waits for, and wait while they settle.

    After a power cut they agree by themselves who knows most, once all are back. When one never
    comes back, say so with --without: changes that only it had are lost then. That is refused
    while a whole cluster is there, when that host gives a sign of life, or while another run has
    the lock, as `failover` is; who did it is in `history`. Exits 1 when a cluster is not whole at
    the end: the database, the queue, or one of OVN's.
    """
    return asyncio.run(_recover(path, without, statement, wait))


async def _recover(
    path: Path, without: tuple[str, ...], statement: str | None, wait: float
) -> int:
    from cloudwright.execute.lock.changing import tell_holders
    from cloudwright.execute.session import open_session
    from cloudwright.operations.failover import meant, unsettled, why_wait
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES, whole=False) as session:
        tell_lost(session.fleet.lost)
        if without:
            await tell_holders(session.ledger, click.echo)
        dead, voting = meant(session.cloud, without), _voting(session)
        clusters = await voting.look()
        click.echo(_shown(clusters))
        if without:
            _confirm(without, statement, why_wait(clusters, dead))
            async with session.noted("recover", named(without), click.echo):
                await voting.pass_on(dead)
            click.echo("the others know; they go on without")
    if any(unsettled(cluster, dead) for cluster in clusters):
        clusters = await _settled(path, dead, wait)
    whole = True
    for cluster in clusters:
        left = unsettled(cluster, dead)
        click.echo(
            "\n".join(f"{line} (after {wait:.0f} s)" for line in left) or f"{cluster.name}: whole"
        )
        whole = whole and not left
    return 0 if whole else 1


async def _settled(path: Path, dead: Sequence[str], wait: float) -> tuple[Cluster, ...]:
    """What the members say once all but `dead` are part of whole clusters, or the time is over."""
    from cloudwright.execute.session import open_session
    from cloudwright.operations.failover import unsettled
    from cloudwright.services import SERVICES

    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    told: set[str] = set()

    def tell(line: str) -> None:
        if line not in told:
            told.add(line)
            click.echo(line)

    while True:
        async with open_session(path, SERVICES, whole=False) as session:
            # A host that was not reached is only found by connecting again.
            away = session.fleet.lost.keys() - set(dead)
            seconds = 0.0 if away else deadline - loop.time()
            found = await _voting(session).settle(dead, seconds, tell)
        left = any(unsettled(cluster, dead) for cluster in found)
        if not left or loop.time() > deadline:
            return found
        await asyncio.sleep(PAUSE_SECONDS)


def _voting(session: Session) -> Voting:
    from cloudwright.execute.recover.failover import Voting
    from cloudwright.transport.local import HERE, LocalHost

    return Voting(
        cloud=session.cloud,
        services=session.services,
        fleet=session.fleet,
        here=LocalHost(HERE),
    )


def _shown(clusters: Sequence[Cluster]) -> str:
    """What each member holds, and what that means for the database."""
    from cloudwright.operations.recover import meaning

    found = next(one.states for one in clusters if one.name == DATABASE)
    others = table([one for one in clusters if one.name != DATABASE])
    return "\n".join((_table(found), others, *meaning(found)))


def _table(found: tuple[MemberState, ...]) -> str:
    rows = [
        (
            one.host,
            one.state,
            "-" if one.position is None else str(one.position),
            one.history[:8] or "-",
            ", ".join(one.view) or "-",
            one.waits or one.why,
        )
        for one in found
    ]
    header = ("DATABASE ON", "STATE", "POSITION", "HISTORY", "LAST WHOLE WITH", "WAITS")
    return columns(header, rows)


def _confirm(dead: tuple[str, ...], given: str | None, why: str) -> None:
    from cloudwright.errors import UnsafePlan
    from cloudwright.operations.recover import statement

    if why:
        raise UnsafePlan("nobody was told anything", why=why)
    if given is None:
        click.echo("Changes that only they have are lost, and they may never found again.")
    typed(statement(dead), given, "nobody was told anything")
