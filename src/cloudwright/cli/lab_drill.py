"""The lab's power switches and cable cutter, for failures on purpose."""

from __future__ import annotations

from pathlib import Path

import click

from cloudwright.cli.lab_run import in_lab
from cloudwright.cli.options import with_cloud_option


@click.command()
@click.argument("host")
@with_cloud_option
def kill(path: Path, host: str) -> None:
    """Cut the power of HOST: nothing in it gets to say goodbye. Its disk stays."""
    from cloudwright.lab import verbs

    in_lab(path, lambda machine, spec: verbs.kill(machine, spec, host))


@click.command()
@click.argument("host")
@with_cloud_option
def boot(path: Path, host: str) -> None:
    """Switch HOST on, and wait until it answers."""
    from cloudwright.lab import verbs

    in_lab(path, lambda machine, spec: verbs.boot(machine, spec, host))


@click.command()
@click.argument("site")
@click.argument("position", type=click.Choice(["cut", "join"]))
@with_cloud_option
def link(path: Path, site: str, position: str) -> None:
    """Cut SITE off from all other sites, or join it again."""
    from cloudwright.lab import verbs

    up = position == "join"
    in_lab(path, lambda machine, spec: verbs.set_site_link(machine, spec, site, up=up))
