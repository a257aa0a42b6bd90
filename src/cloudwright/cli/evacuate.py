"""`evacuate` brings up the instances of dead hosts elsewhere, and lets a host back in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from cloudwright.cli.asking import with_reason
from cloudwright.cli.options import with_cloud_option


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="HOST|site:SITE...")
@click.option("--some", is_flag=True, help="Move those for which there is room.")
@click.option(
    "--at-once", default=4, show_default=True, type=click.IntRange(1), help="So many at a time."
)
@click.option("--statement", help="What would have to be typed, instead of being asked for it.")
@click.option("--wait", default=600.0, show_default=True, help="Seconds to wait for each.")
@click.option("--return", "back", is_flag=True, help="Let hosts that came back have instances.")
@with_reason
@with_cloud_option
def evacuate(path: Path, names: tuple[str, ...], **wishes: Any) -> int:
    """Bring up the instances of dead compute hosts on the hosts that are left.

    Refused while one of the hosts gives any sign of life, or when not all instances find room
    elsewhere. What stood on a dead host's disks is lost: you are shown what becomes of each
    instance, and type that the hosts are dead. They are held out afterwards, until --return. Run
    it again for what is left. Exits 1 when an instance did not come back.
    """
    from cloudwright.cli.evacuate_run import Wishes, run

    return asyncio.run(run(path, names, Wishes(**wishes)))
