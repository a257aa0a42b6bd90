"""`explain` says why: where a container's options come from, or what a run waited for."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import click

from cloudwright.cli.options import with_cloud_option

RUN = re.compile(r"(?:.*T.*-)?[0-9a-f]{4}")
"""A run's name, or its last four letters; no container is called so."""


@click.command()
@click.argument("name")
@click.argument("option", required=False, default="")
@click.option("--host", default="", metavar="HOST", help="On this host [the first that has it].")
@click.option("--all", "whole", is_flag=True, help="Upstream's defaults too.")
@click.option("--offline", is_flag=True, help="Ask no host what it is.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, on stdout.")
@with_cloud_option
def explain(
    path: Path, name: str, option: str, host: str, whole: bool, offline: bool, as_json: bool
) -> None:
    """Explain the container called NAME, or the run of that name (or its last four letters).

    Of a container, each option that is set, or one OPTION (cpu_mode, libvirt.cpu_mode): its
    value, where that comes from (default: upstream's own; service, site, host: ours;
    config/nova.conf:12: yours), and what upstream says of it.

    Of a run, the critical path, and which step waited how long for what. `history` lists the
    runs.
    """
    from cloudwright.cli.explain_container import explain_container
    from cloudwright.cli.explain_run import explain_run

    if RUN.fullmatch(name):
        if option or host or whole or offline or as_json:
            raise click.UsageError(f"{name} is a run: it has no options")
        work = explain_run(path, name)
    else:
        work = explain_container(
            path, name, option, host=host, offline=offline, whole=whole, as_json=as_json
        )
    click.echo(asyncio.run(work))
