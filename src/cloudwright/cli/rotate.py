"""`rotate` replaces secrets of a running cloud by new ones, without a gap."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.apply import apply_now
from cloudwright.cli.asking import may_ask
from cloudwright.cli.options import with_cloud


@click.group()
def rotate() -> None:
    """Replace secrets by new ones, without a gap."""


@rotate.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--plain", is_flag=True, help="Plain lines, even on a terminal.")
@with_cloud
def tokens(path: Path, yes: bool, plain: bool) -> int:
    """Change the keys that Keystone of CLOUD makes tokens with, and bring them to each controller.

    Every controller had the new key before any uses it, and goes on to take tokens of the three
    keys before: nobody is logged out, as long as this is done at most once in the life of a token
    (4 hours). No container is restarted. Refused while Keystone is not as declared, or a
    controller is away: it would not know the key that others use.
    """
    ask = may_ask(yes)
    asyncio.run(_turn(path))
    return asyncio.run(apply_now(path, None, ask, plain, "keys of tokens", only=("keystone",)))


async def _turn(path: Path) -> None:
    from cloudwright.errors import UnsafePlan
    from cloudwright.execute.secrets.rings import turn
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES
    from cloudwright.services.keystone import TOKENS

    async with open_session(path, SERVICES) as session:
        _, _, plan = await session.plan()
        ids = [planned.step.id for planned in plan.planned]
        if late := [id for id in ids if id.startswith("keystone/")]:
            raise UnsafePlan(
                "Keystone is not as declared",
                where=", ".join(late[:3]),
                why="a controller may not have the key yet that all would use from now on",
                hint="`cloudwright apply` first, then again",
            )
        turn(session.vault, TOKENS)
