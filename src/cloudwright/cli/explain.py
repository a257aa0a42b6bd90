"""`explain` says why: of a run, what decided how long it took."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.options import with_cloud_option


@click.command()
@click.argument("name")
@with_cloud_option
def explain(path: Path, name: str) -> None:
    """Explain the run called NAME (or its last four letters).

    Shows the critical path, and which step waited how long for what. `history` lists the runs.
    """
    from cloudwright.cli.explain_run import explain_run

    click.echo(asyncio.run(explain_run(path, name)))
