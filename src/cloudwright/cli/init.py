"""`init` writes a commented cloud.yaml to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from cloudwright.cli.options import DEFAULT_CLOUD


@click.command()
@click.argument("hosts", nargs=-1, required=True, metavar="NAME=ADDRESS...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path(DEFAULT_CLOUD),
    show_default=True,
    help="The file to write; one that exists is left alone.",
)
@click.option("--name", default="mycloud", show_default=True, help="The cloud's name.")
def init(hosts: tuple[str, ...], output: Path, name: str) -> None:
    """Write a commented cloud.yaml for the hosts given as NAME=ADDRESS.

    One host does everything; of two the first controls; of three and more the first three do.
    """
    from cloudwright.errors import InvalidCloud, Problem
    from cloudwright.model.render_init import render_init

    text = render_init(name, _pairs(hosts))
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        problem = Problem(file=str(output), text="is there already", hint="choose --output")
        raise InvalidCloud((problem,)) from None
    click.echo(f"{output} is written; read its comments, then: cloudwright check {output}")


def _pairs(hosts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = [tuple(host.partition("=")[::2]) for host in hosts]
    for name, address in pairs:
        if not name or not address:
            raise click.UsageError(f"a host is NAME=ADDRESS, not {name or address!r}")
    return tuple((name, address) for name, address in pairs)
