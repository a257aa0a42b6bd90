"""`plan` shows what would change, on which host and why, and touches nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from cloudwright.cli.options import with_cloud

CHANGES = 10


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON, on stdout.")
@with_cloud
def plan(path: Path, as_json: bool) -> int:
    """Show what `apply` would do to make the hosts what CLOUD describes.

    One line a step: + made, ~ altered, - removed; every privilege of a container with its reason.
    Exits 0 when there is nothing to do, 10 when there is.
    """
    return asyncio.run(_plan(path, as_json))


async def _plan(path: Path, as_json: bool) -> int:
    from cloudwright.execute.session import open_session
    from cloudwright.plan.explain import explain, explain_json
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES) as session:
        blueprint, _, found = await session.plan()
    if as_json:
        click.echo(json.dumps(explain_json(found, blueprint, SERVICES), indent=2))
    else:
        click.echo(explain(found, blueprint, SERVICES))
    return 0 if found.is_empty else CHANGES
