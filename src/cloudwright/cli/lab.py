"""`lab` makes stand-in hosts for a cloud.yaml on this machine, and switches them off and on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.options import columns, with_cloud, with_cloud_option

if TYPE_CHECKING:
    from cloudwright.lab.spec import LabSpec
    from cloudwright.transport.host import Host

Work = Callable[["Host", "LabSpec"], Awaitable[int | None]]


@click.group()
def lab() -> None:
    """Stand-in hosts for a cloud.yaml: one container each, with SSH and a container engine.

    From `lab up` on nothing knows that it is a lab: `apply` reaches the hosts over SSH as it
    does iron. Needs root, and what `doctor --fix` installs.
    """


@lab.command()
@with_cloud
def up(path: Path) -> None:
    """Make or mend the hosts that CLOUD names; what is well is left alone."""
    from cloudwright.lab import verbs

    async def work(machine: Host, spec: LabSpec) -> None:
        started = await verbs.up(machine, spec, click.echo)
        click.echo(f"{len(spec.hosts)} lab hosts are up, {len(started)} of them started now")

    _run(path, work)


@lab.command()
@click.option("--data", is_flag=True, help="Remove the hosts' disks too: all data is lost.")
@with_cloud
def down(path: Path, data: bool) -> None:
    """Remove the hosts and networks; the hosts' disks stay unless --data is given."""
    from cloudwright.lab import verbs

    async def work(machine: Host, spec: LabSpec) -> None:
        await verbs.down(machine, spec, data=data)
        click.echo("the lab is down" + ("" if data else "; its disks are kept"))

    _run(path, work)


@lab.command()
@with_cloud
def status(path: Path) -> int:
    """Show every lab host; exits 1 when one is not up."""
    from cloudwright.lab import verbs

    async def work(machine: Host, spec: LabSpec) -> int:
        rows = await verbs.status(machine, spec)
        table = [
            (r.name, r.address, r.container, r.state, "yes" if r.answers else "no") for r in rows
        ]
        click.echo(columns(("HOST", "ADDRESS", "CONTAINER", "POWER", "SSH ANSWERS"), table))
        return 0 if all(row.answers for row in rows) else 1

    return _run(path, work) or 0


@lab.command()
@click.argument("host")
@with_cloud_option
def kill(path: Path, host: str) -> None:
    """Cut the power of HOST: nothing in it gets to say goodbye. Its disk stays."""
    from cloudwright.lab import verbs

    _run(path, lambda machine, spec: verbs.kill(machine, spec, host))


@lab.command()
@click.argument("host")
@with_cloud_option
def boot(path: Path, host: str) -> None:
    """Switch HOST on, and wait until it answers."""
    from cloudwright.lab import verbs

    _run(path, lambda machine, spec: verbs.boot(machine, spec, host))


@lab.command()
@click.argument("site")
@click.argument("position", type=click.Choice(["cut", "join"]))
@with_cloud_option
def link(path: Path, site: str, position: str) -> None:
    """Cut SITE off from all other sites, or join it again."""
    from cloudwright.lab import verbs

    up = position == "join"
    _run(path, lambda machine, spec: verbs.set_site_link(machine, spec, site, up=up))


def _run(path: Path, work: Work) -> int | None:
    from cloudwright.lab.spec import spec_of
    from cloudwright.model.load import load
    from cloudwright.transport.local import LocalHost

    spec = spec_of(load(path), path)

    async def whole() -> int | None:
        machine = LocalHost()
        try:
            return await work(machine, spec)
        finally:
            await machine.close()

    return asyncio.run(whole())
