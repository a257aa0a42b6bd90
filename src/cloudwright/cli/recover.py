"""`recover` shows what every member holds after a power cut, and passes on a person's word."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.asking import typed
from cloudwright.cli.failover import table
from cloudwright.cli.options import columns, tell_lost, with_cloud

if TYPE_CHECKING:
    from cloudwright.operations.recover import MemberState


@click.command()
@click.option(
    "--without", multiple=True, metavar="HOST", help="A host that is dead, and may know more."
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
    while a whole cluster is there, or when that host gives a sign of life. Exits 1 when the
    database is not whole at the end.
    """
    return asyncio.run(_recover(path, without, statement, wait))


async def _recover(
    path: Path, without: tuple[str, ...], statement: str | None, wait: float
) -> int:
    from cloudwright.execute.recover.failover import Voting
    from cloudwright.execute.recover.members import every_cluster
    from cloudwright.execute.session import open_session
    from cloudwright.operations.failover import to_force
    from cloudwright.operations.recover import all_up, can_go_without, meaning
    from cloudwright.services import SERVICES
    from cloudwright.transport.local import HERE, LocalHost

    async with open_session(path, SERVICES, whole=False) as session:
        tell_lost(session.fleet.lost)
        voting = Voting(
            cloud=session.cloud, services=SERVICES, fleet=session.fleet, here=LocalHost(HERE)
        )
        clusters = every_cluster(session.cloud, SERVICES, session.fleet)
        members = next(one for one in clusters if one.container.name == "mariadb")
        looked = await voting.look()
        found = next(one.states for one in looked if one.name == members.container.name)
        click.echo(_table(found))
        click.echo(table([one for one in looked if one.name != members.container.name]))
        click.echo("\n".join(meaning(found)))
        if without:
            forced = [one.name for one in to_force(looked)]
            database = not forced or members.container.name in forced
            _confirm(without, statement, can_go_without(found, without) if database else "")
            await voting.pass_on(without)
            click.echo("the others know; they go on without")
        if not all_up([one for one in found if one.host not in without]):
            found = await members.settle(wait, without, click.echo)
            click.echo("\n".join(meaning(found)))
        return 0 if all_up([one for one in found if one.host not in without]) else 1


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
