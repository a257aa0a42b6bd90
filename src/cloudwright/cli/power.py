"""`stop` and `start` halt and resume a whole cloud, and keep everything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.asking import with_reason
from cloudwright.cli.options import tell_lost, with_cloud


@click.command()
@with_reason
@with_cloud
def stop(path: Path, reason: str) -> None:
    """Stop every container of CLOUD, users before what they use. Everything is kept."""
    asyncio.run(_power(path, reason, on=False))


@click.command()
@with_reason
@with_cloud
def start(path: Path, reason: str) -> None:
    """Start what `stop` stopped, each container once what it needs is healthy."""
    asyncio.run(_power(path, reason, on=True))


async def _power(path: Path, reason: str, *, on: bool) -> None:
    from cloudwright.cli.outcome import raise_if_lost
    from cloudwright.execute.power import start_cloud, stop_cloud
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES, whole=False) as session:
        tell_lost(session.fleet.lost)
        blueprint = await session.blueprint()
        work = start_cloud if on else stop_cloud
        async with session.changing("start" if on else "stop", reason, click.echo):
            count = await work(session.fleet, session.cloud, blueprint, click.echo)
    click.echo(f"{count} containers {'started' if on else 'stopped'}")
    raise_if_lost(session.fleet.lost)
