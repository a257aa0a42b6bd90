"""`failover` has a site without a majority go on, on a person's word that the others are dead."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.asking import typed
from cloudwright.cli.options import columns, tell_lost, with_cloud

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudwright.operations.failover import Cluster


@click.command()
@click.option(
    "--without",
    multiple=True,
    required=True,
    metavar="site:S|HOST",
    help="What is dead. Name everything that is lost.",
)
@click.option("--statement", help="What would have to be typed, instead of being asked for it.")
@click.option(
    "--wait", default=180.0, show_default=True, help="Seconds for each cluster to be whole again."
)
@with_cloud
def failover(path: Path, without: tuple[str, ...], statement: str | None, wait: float) -> int:
    """Have CLOUD go on where no majority is left, as without the other site and the witness.

    Shows what every host that answers gets from the lost ones, what will be done in each cluster
    and what may be lost by it, and asks for a typed statement. A cluster that is whole is left
    alone. Refused when all are, when a lost host gives a sign of life, or when one is silent that
    was not named. Can be repeated. Those that return join by themselves and bring nothing back;
    `failback` watches it. Who did it and when is in `history`.

    It holds no lock, for which there may be too few hosts left. Refused while most of all that
    keep the lock say that another run has it; what fewer say is shown.
    """
    return asyncio.run(_failover(path, without, statement, wait))


async def _failover(path: Path, without: tuple[str, ...], given: str | None, wait: float) -> int:
    from cloudwright.errors import UnsafePlan
    from cloudwright.execute.lock.changing import tell_holders
    from cloudwright.execute.recover.failover import Voting
    from cloudwright.execute.session import open_session
    from cloudwright.operations.failover import consequences, meant, why_not
    from cloudwright.operations.recover import statement
    from cloudwright.services import SERVICES
    from cloudwright.transport.local import HERE, LocalHost

    async with open_session(path, SERVICES, whole=False) as session:
        tell_lost(session.fleet.lost)
        await tell_holders(session.ledger, click.echo)
        dead = meant(session.cloud, without)
        voting = Voting(
            cloud=session.cloud, services=SERVICES, fleet=session.fleet, here=LocalHost(HERE)
        )
        clusters = await voting.look()
        click.echo(table(clusters))
        if why := why_not(clusters, dead):
            hint = "a member takes some seconds to see that others are gone: perhaps look again"
            raise UnsafePlan("nobody was told anything", why=why, hint=hint)
        click.echo("\n".join(map(str, await voting.evidence(dead))))
        click.echo("\n".join(consequences(clusters, dead)))
        click.echo("If any of them still serves somewhere, the cloud will be two.")
        typed(statement(without), given, "nobody was told anything")
        async with session.noted("failover", named(without), click.echo):
            await voting.force(dead, wait, click.echo)
        click.echo("every cluster is whole; the addresses follow by themselves")
        return 0


def named(without: Sequence[str]) -> str:
    """What was named as dead, for the history."""
    return f"without {', '.join(without)}"


def table(clusters: Sequence[Cluster]) -> str:
    """What each member of each cluster says."""
    rows = [
        (
            cluster.name,
            state.host,
            "whole" if state.whole else state.state,
            state.history[:8] or "-",
            ", ".join(state.view) or "-",
            state.waits or state.why,
        )
        for cluster in clusters
        for state in cluster.states
    ]
    return columns(("CLUSTER", "HOST", "STATE", "HISTORY", "LAST WHOLE WITH", "WAITS"), rows)
