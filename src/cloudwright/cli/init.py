"""`init` writes a commented cloud.yaml to begin with."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import click

from cloudwright.cli.options import DEFAULT_CLOUD


@click.command()
@click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
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
    """Write a commented cloud.yaml for the hosts given as NAME=ADDRESS[,ROLE+ROLE].

    Without roles: one host does everything; of two the second carries instances alone; of more
    the first three control, and carry instances too when there are no others.
    """
    from cloudwright.errors import InvalidCloud, Problem
    from cloudwright.model.render_init import render_init

    pairs = [(before, after) for before, _, after in (host.partition("=") for host in hosts)]
    text = render_init(name, pairs)
    try:
        _write_new(output, text)
    except FileExistsError:
        problem = Problem(file=str(output), text="is there already", hint="choose --output")
        raise InvalidCloud((problem,)) from None
    click.echo(f"{output} is written; read its comments, then: cloudwright check {output}")


def _write_new(path: Path, text: str) -> None:
    """All of `text` in `path`, or nothing; FileExistsError when it is there already."""
    from cloudwright.errors import naming

    if os.path.lexists(path):
        raise FileExistsError(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(path.parent))
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with naming(path):
        file = draft.open("x", encoding="utf-8")
        try:
            with file:
                file.write(text)
            os.link(draft, path)  # unlike a renaming it never replaces what came there meanwhile
        finally:
            draft.unlink()
