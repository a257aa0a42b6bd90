"""`apply` makes the hosts what cloud.yaml describes, and resumes after any failure."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from cloudwright.cli.options import with_cloud


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--plain", is_flag=True, help="Plain lines, even on a terminal.")
@with_cloud
def apply(path: Path, yes: bool, plain: bool) -> int:
    """Make the hosts what CLOUD describes: all that is missing or wrong, and nothing else.

    Every run leaves a journal and one log per step in `.cloudwright/runs/<time>/`. After a
    failure, a crash or Ctrl-C, `apply` again: it goes on where it stopped. Ctrl-C once lets the
    running steps end and starts no other; twice stops at once.
    """
    return asyncio.run(_apply(path, yes, plain))


async def _apply(path: Path, yes: bool, plain: bool) -> int:
    from cloudwright.cli.outcome import raise_unless_whole
    from cloudwright.cli.view_plain import watch
    from cloudwright.execute.access import write_access
    from cloudwright.execute.session import open_session
    from cloudwright.plan.explain import explain, summary
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES) as session:
        blueprint, _, plan = await session.plan()
        if plan.is_empty:
            click.echo(explain(plan, blueprint, SERVICES))
        else:
            click.echo(f"{plan.cloud}: {summary(plan)}")
            if not yes:
                _ask()
            with watch(plain) as tell:
                outcome = await session.execute(blueprint, plan, tell)
            raise_unless_whole(outcome, plan)
        access = await write_access(session.state, session.cloud, session.vault)
    click.echo(access.text(), nl=False)
    return 0


def _ask() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask on: give --yes")
    click.confirm("do it?", abort=True)
