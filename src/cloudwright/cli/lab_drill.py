"""The lab's power switches and cable cutter, for failures on purpose."""

from __future__ import annotations

from pathlib import Path

import click

from cloudwright.cli.lab_run import in_lab
from cloudwright.cli.options import with_cloud_option


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="HOST|site:SITE...")
@with_cloud_option
def kill(path: Path, names: tuple[str, ...]) -> None:
    """Cut the power of hosts, or whole sites, at once: nothing gets to say goodbye.

    Their disks stay.
    """
    from cloudwright.lab import verbs

    in_lab(path, lambda machine, spec: verbs.kill(machine, spec, names))


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="HOST|site:SITE...")
@with_cloud_option
def boot(path: Path, names: tuple[str, ...]) -> None:
    """Switch hosts, or whole sites, on, and wait until they answer."""
    from cloudwright.lab import verbs

    in_lab(path, lambda machine, spec: verbs.boot(machine, spec, names))


@click.command()
@click.argument("sites", nargs=-1, required=True, metavar="SITE [SITE...]")
@with_cloud_option
def cut(path: Path, sites: tuple[str, ...]) -> None:
    """Cut SITE off from all others, or just the named ones off from each other."""
    from cloudwright.lab import verbs

    in_lab(path, lambda machine, spec: verbs.cut(machine, spec, sites))


@click.command()
@click.argument("sites", nargs=-1, required=True, metavar="SITE [SITE...]")
@with_cloud_option
def join(path: Path, sites: tuple[str, ...]) -> None:
    """Let SITE reach all others again, or just the named ones each other."""
    from cloudwright.lab import verbs

    in_lab(path, lambda machine, spec: verbs.join(machine, spec, sites))
