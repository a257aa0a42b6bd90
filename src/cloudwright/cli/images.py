"""`images` builds the container images from nothing, and lists them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.options import columns

RELEASE = "2026.2"


@click.group()
def images() -> None:
    """The container images of a release, made on this machine: no registry is needed."""


@images.command()
@click.argument("names", nargs=-1)
@click.option("--release", default=RELEASE, show_default=True, help="OpenStack's release.")
@click.option("--fresh", is_flag=True, help="Build again what is there already.")
@click.option(
    "--from", "base_from", metavar="IMAGE", help="Begin with this, not with our own Debian."
)
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="At once.")
def build(
    names: tuple[str, ...], release: str, fresh: bool, base_from: str | None, jobs: int
) -> None:
    """Build all images, or those NAMES and what they stand on.

    Uses this machine's own mirror, package index and certificate authority, and leaves none of
    them in an image. An image whose recipe did not change is not built again.
    """
    from cloudwright.execute.build import build as build_images
    from cloudwright.services import SERVICES

    declared = tuple(service.image for service in SERVICES if service.image)
    work = build_images(
        declared, release, tell=click.echo, only=names, fresh=fresh, jobs=jobs, base_from=base_from
    )
    built = asyncio.run(work)
    click.echo(f"{len(built)} images built" if built else "nothing to do: all images are there")


@images.command("list")
@click.option("--release", default=RELEASE, show_default=True, help="OpenStack's release.")
def list_(release: str) -> int:
    """List every image, its size, and whether it is as its recipe says. Exits 1 if one is not."""
    from cloudwright.execute.build import found_images
    from cloudwright.services import SERVICES

    declared = tuple(service.image for service in SERVICES if service.image)
    rows = asyncio.run(found_images(declared, release))
    table = [
        (r.reference, f"{r.size / 1024**2:.0f} MiB" if r.size else "-", r.state) for r in rows
    ]
    click.echo(columns(("IMAGE", "SIZE", "STATE"), table))
    return 0 if all(row.state == "current" for row in rows) else 1


@images.command()
@click.argument("names", nargs=-1)
@click.option("--release", default=RELEASE, show_default=True, help="OpenStack's release.")
@click.option(
    "--write",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Write the release's data files below FOLDER, its source; else only compare.",
)
def options(names: tuple[str, ...], release: str, write: Path | None) -> int:
    """Ask the built images which options their services know.

    Without --write, compare that with what `check` and `explain` use, and exit 1 if an image
    says something else.
    """
    from cloudwright.execute.option_export import differing, export_all, write_options
    from cloudwright.services import SERVICES

    declared = tuple(service.image for service in SERVICES if service.image)
    texts = asyncio.run(export_all(declared, release, names))
    changed = write_options(texts, write) if write else differing(texts, release)
    for name, text in texts.items():
        state = ("written" if write else "differs") if name in changed else "as kept"
        click.echo(f"{name}: {len(text) // 1024} KiB, {state}")
    return 1 if changed and not write else 0
