"""`destroy` removes a cloud from its hosts, and its data only when told to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.asking import confirm_name, with_reason
from cloudwright.cli.options import with_cloud


@click.command()
@click.option("--data", is_flag=True, help="Remove volumes and instances too: all data is lost.")
@click.option("--name", "given", help="The cloud's name, instead of being asked for it.")
@with_reason
@with_cloud
def destroy(path: Path, data: bool, given: str | None, reason: str) -> None:
    """Remove containers and config of CLOUD from its hosts. Asks for the cloud's name.

    Volumes, and with them every database and image, are kept unless --data is given: `apply`
    then makes the same cloud again.
    """
    asyncio.run(_destroy(path, data, given, reason))


async def _destroy(path: Path, data: bool, given: str | None, reason: str) -> None:
    from cloudwright.execute.destroy import destroy_cloud
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES) as session:
        extent = "with ALL ITS DATA" if data else "but not its volumes"
        name = session.cloud.name
        confirm_name(f"This removes the cloud {name}, {extent}", name, given)
        blueprint = await session.blueprint()
        async with session.changing("destroy", reason, click.echo) as change:
            await destroy_cloud(session.fleet, session.cloud, blueprint, click.echo, data=data)
            change.gone = data
    click.echo(f"cloud {session.cloud.name} is gone" + ("" if data else "; its volumes are kept"))
