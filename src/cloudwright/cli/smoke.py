"""`smoke` proves a cloud: an instance boots, takes its key from metadata, and answers over SSH."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.options import columns, tell_lost, with_cloud

if TYPE_CHECKING:
    from cloudwright.execute.sample.disk import Disk
    from cloudwright.execute.sample.smoke import Report

AGAIN = "`cloudwright smoke` begins anew, and removes what an earlier run left"


@click.command()
@click.option("--keep", is_flag=True, help="Leave the instance, and say how to log in to it.")
@click.option(
    "--image",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A cloud image (qcow2, raw or VMDK) to boot instead of the tiny guest made here.",
)
@click.option("--user", default="debian", show_default=True, help="Who logs in to --image.")
@click.option("--zone", default="", help="The availability zone to boot it in [any].")
@with_cloud
def smoke(path: Path, keep: bool, image: Path | None, user: str, zone: str) -> None:
    """Boot an instance on CLOUD with all that it depends on, and reach it over SSH.

    Image, flavor, external and private network, router, security group, keypair, floating IP;
    metadata, console log, ping, SSH; then everything is removed. Ends with a table of timings.
    Ctrl-C stops at once and leaves what was made; the next `smoke` removes it.
    """
    from cloudwright.execute.interrupts import interruptible
    from cloudwright.execute.sample.disk import read_disk

    own = read_disk(image) if image else None
    asyncio.run(interruptible(_smoke(path, keep, own, user, zone), AGAIN))


async def _smoke(path: Path, keep: bool, own: Disk | None, user: str, zone: str) -> None:
    from cloudwright.cli.view_pieces import PARTS, watch_pieces
    from cloudwright.execute.central.access import write_access
    from cloudwright.execute.central.api import connect_api
    from cloudwright.execute.sample.guest import sample_guest
    from cloudwright.execute.sample.smoke import smoke as run
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES, whole=False) as session:
        tell_lost(session.fleet.lost)
        state, cloud = session.state, session.cloud
        access = await write_access(state, cloud, session.vault)
        guest, api = await asyncio.gather(
            sample_guest(state, own, user, click.echo),
            connect_api(session.fleet, cloud, session.vault, state),
        )
        guest = replace(guest, zone=zone)
        gateway = session.fleet.host(session.fleet.first(cloud.hosts_with("control")).name)
        with watch_pieces(PARTS) as tell:
            report = await run(cloud, api, gateway, state / "smoke", guest, tell, keep=keep)
    click.echo(_text(report))
    if report.kept:
        click.echo(access.text() + _way_in(report))


def _text(report: Report) -> str:
    rows = [(t.name, f"{t.began:6.1f}", f"{t.seconds:6.1f}") for t in report.timings]
    return f"{columns(('PART', 'BEGAN', 'SECONDS'), rows)}\nsmoke: {report.seconds:.1f} s, passed"


def _way_in(report: Report) -> str:
    """Where the instance is, and what one types to be in it."""
    return f"floating IP:  {report.login.address}\nlog in:       {report.login.command()}"
