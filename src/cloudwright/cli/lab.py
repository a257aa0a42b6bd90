"""`lab` makes stand-in hosts for a cloud.yaml on this machine, and switches them off and on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.lab_drill import boot, cut, join, kill
from cloudwright.cli.lab_run import in_lab
from cloudwright.cli.options import columns, with_cloud

if TYPE_CHECKING:
    from cloudwright.lab.spec import LabSpec
    from cloudwright.transport.host import Host


@click.group()
def lab() -> None:
    """Stand-in hosts for a cloud.yaml: one container each, with SSH and a container engine.

    From `lab up` on nothing knows that it is a lab: `apply` reaches the hosts over SSH as it
    does iron. Needs root, and what `doctor --fix` installs.
    """


@lab.command()
@click.option(
    "--own-store/--shared-store",
    default=None,
    help="Whether hosts start without this machine's container images, as real ones do.",
)
@click.option(
    "--disk",
    type=click.IntRange(min=1),
    metavar="GIB",
    help="Give each host a disk of its own, of so many GiB.",
)
@with_cloud
def up(path: Path, own_store: bool | None, disk: int | None) -> None:
    """Make or mend the hosts that CLOUD names; what is well is left alone.

    Hosts share this machine's container images, so that nothing is copied, unless --own-store.
    They also share its disk, unless --disk: then each one's is a file that takes as much space as
    is written to it, and `drill full-disk` fills that alone.
    """
    from cloudwright.cli.view_pieces import HOSTS, watch_pieces
    from cloudwright.lab import verbs

    async def work(machine: Host, spec: LabSpec) -> None:
        with watch_pieces(HOSTS) as tell:
            started = await verbs.up(machine, spec, tell, own_store=own_store, disk=disk)
        click.echo(_up_text(len(spec.hosts), len(started)))

    in_lab(path, work)


@lab.command()
@click.option("--data", is_flag=True, help="Remove the hosts' disks too: all data is lost.")
@with_cloud
def down(path: Path, data: bool) -> None:
    """Remove the hosts and networks; the hosts' disks stay unless --data is given."""
    from cloudwright.lab import verbs

    async def work(machine: Host, spec: LabSpec) -> None:
        await verbs.down(machine, spec, data=data)
        click.echo("the lab is down" + ("" if data else "; its disks are kept"))

    in_lab(path, work)


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

    return in_lab(path, work) or 0


def _up_text(hosts: int, started: int) -> str:
    from cloudwright.errors import number

    return f"{number(hosts, 'lab host')} {'is' if hosts == 1 else 'are'} up, {started} started now"


for command in (kill, boot, cut, join):
    lab.add_command(command)
