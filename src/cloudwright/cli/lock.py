"""`lock` shows who is changing a cloud, and breaks the lock of a run that was lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.asking import confirm_name, with_reason
from cloudwright.cli.options import with_cloud

HELD = 5


@click.group()
def lock() -> None:
    """Show who is changing the cloud, or break their lock.

    Every verb that changes something holds the cloud's lock while it works, and so does `drill`;
    `failover` and `recover --without` do not, since they must work where most hosts are lost.
    The lock is on the controllers and on the hosts of witness sites; whoever has most of them has
    it. It never expires: a run that was killed is taken over by the next one of the same user on
    the same machine, and only `break` frees it for others.
    """


@lock.command("status")
@with_cloud
def lock_status(path: Path) -> int:
    """Show who holds CLOUD, on each host that keeps the lock. Exits 5 when it is not free."""
    return asyncio.run(_status(path))


@lock.command("break")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for the cloud's name.")
@click.option("--name", "given", help="The cloud's name, instead of being asked for it.")
@with_reason
@with_cloud
def lock_break(path: Path, yes: bool, given: str | None, reason: str) -> int:
    """Free CLOUD from a holder that is lost. Asks for the cloud's name.

    Be sure that the holder works no more: its run does not notice, and two at once can leave
    anything. What it had begun is found and put right by the next `apply`. Hosts that forgot
    whose the lock was, because their disk was emptied, count again afterwards.
    """
    return asyncio.run(_break(path, yes, given, reason))


async def _status(path: Path) -> int:
    from cloudwright.execute.lock.breaking import is_free, lines_of
    from cloudwright.execute.lock.reached import open_ledger
    from cloudwright.model.load import load

    async with open_ledger(load(path), path) as ledger:
        pages = await ledger.peek()
    click.echo("\n".join(lines_of(pages)))
    return 0 if is_free(pages) else HELD


async def _break(path: Path, yes: bool, given: str | None, reason: str) -> int:
    from cloudwright.execute.journal.record import RUNS, new_record
    from cloudwright.execute.lock.breaking import (
        break_lock,
        forgot_by,
        is_free,
        is_held,
        lines_of,
    )
    from cloudwright.execute.lock.reached import open_ledger
    from cloudwright.execute.session import STATE_DIRECTORY
    from cloudwright.model.load import load

    cloud = load(path)
    async with open_ledger(cloud, path) as ledger:
        seen = await ledger.peek()
        click.echo("\n".join(lines_of(seen)))
        if not is_held(seen) and not forgot_by(seen):
            click.echo("there is nothing to break")
            return 0 if is_free(seen) else HELD
        what = f"This breaks the lock of the cloud {cloud.name}"
        confirm_name(what, cloud.name, cloud.name if yes else given)
        record = await new_record(path, cloud, "lock break", reason)
        runs = path.resolve().parent / STATE_DIRECTORY / RUNS
        after = await break_lock(ledger, seen, record, runs, click.echo)
    click.echo("\n".join(lines_of(after)))
    return 0 if is_free(after) else HELD
