"""`logs` shows what a container wrote, wherever it runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.options import tell_lost, with_cloud_option

if TYPE_CHECKING:
    from cloudwright.execute.host.fleet import Fleet
    from cloudwright.execute.host.locate import Located


@click.command()
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
@click.option("-n", "--tail", type=click.IntRange(min=0), help="Only the last lines.")
@with_cloud_option
def logs(path: Path, name: str, follow: bool, tail: int | None) -> None:
    """Show the logs of the container NAME (`glance-api`), on every host that runs it.

    With `NAME@HOST` on that host alone. Lines from several hosts begin with the host's name.
    """
    asyncio.run(_logs(path, name, follow, tail))


async def _logs(path: Path, name: str, follow: bool, tail: int | None) -> None:
    from cloudwright.execute.host.locate import locate
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES, whole=False) as session:
        tell_lost(session.fleet.lost)
        found = await locate(session.fleet, session.cloud.name, name)
        prefixed = len(found) > 1
        shows = [_show(session.fleet, one, follow, tail, prefixed) for one in found]
        if follow:
            await asyncio.gather(*shows)
        else:
            for show in shows:
                await show


async def _show(
    fleet: Fleet, one: Located, follow: bool, tail: int | None, prefixed: bool
) -> None:
    prefix = f"{one.host}: " if prefixed else ""
    lines = fleet.engine(one.host).logs(one.state.name, tail=tail, follow=follow)
    async for line in lines:
        click.echo(prefix + line.rstrip("\n"))
