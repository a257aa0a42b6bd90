"""`stop` and `start` halt and resume a whole cloud, and keep everything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.options import with_cloud


@click.command()
@with_cloud
def stop(path: Path) -> None:
    """Stop every container of CLOUD, users before what they use. Everything is kept."""
    asyncio.run(_power(path, on=False))


@click.command()
@with_cloud
def start(path: Path) -> None:
    """Start what `stop` stopped, each container once what it needs is healthy."""
    asyncio.run(_power(path, on=True))


async def _power(path: Path, *, on: bool) -> None:
    from cloudwright.execute.power import start_cloud, stop_cloud
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES) as session:
        blueprint = await session.blueprint()
        work = start_cloud if on else stop_cloud
        count = await work(session.fleet, session.cloud, blueprint, click.echo)
    click.echo(f"{count} containers {'started' if on else 'stopped'}")
