"""`destroy` removes a cloud from its hosts, and its data only when told to."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from cloudwright.cli.options import with_cloud


@click.command()
@click.option("--data", is_flag=True, help="Remove volumes and instances too: all data is lost.")
@click.option("--name", "given", help="The cloud's name, instead of being asked for it.")
@with_cloud
def destroy(path: Path, data: bool, given: str | None) -> None:
    """Remove containers and config of CLOUD from its hosts. Asks for the cloud's name.

    Volumes, and with them every database and image, are kept unless --data is given: `apply`
    then makes the same cloud again.
    """
    asyncio.run(_destroy(path, data, given))


async def _destroy(path: Path, data: bool, given: str | None) -> None:
    from cloudwright.execute.power import destroy_cloud
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES) as session:
        _confirm(session.cloud.name, data, given)
        blueprint = await session.blueprint()
        await destroy_cloud(session.fleet, session.cloud, blueprint, click.echo, data=data)
    click.echo(f"cloud {session.cloud.name} is gone" + ("" if data else "; its volumes are kept"))


def _confirm(name: str, data: bool, given: str | None) -> None:
    if given is None:
        if not sys.stdin.isatty():
            raise click.UsageError(f"no terminal to ask on: give --name {name}")
        what = "with ALL ITS DATA" if data else "but not its volumes"
        given = click.prompt(f"This removes the cloud {name}, {what}. Its name, to go on")
    if given != name:
        raise click.UsageError(f"the cloud is not called {given!r}; nothing was touched")
