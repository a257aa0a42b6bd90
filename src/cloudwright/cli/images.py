"""`images` builds the container images from nothing, and lists them."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cloudwright.cli.images_push import push
from cloudwright.cli.options import columns
from cloudwright.model.cloud import DEFAULT_RELEASE

Verb = Callable[..., Any]


def of_release(verb: Verb) -> Verb:
    """Give the verb `release`, `prefix` and `base_from` (None: our own Debian): those of
    `-c CLOUD`, or of `--release` and `--from`."""

    @click.option(
        "--release", default=DEFAULT_RELEASE, show_default=True, help="OpenStack's release."
    )
    @click.option(
        "-c",
        "--cloud",
        metavar="CLOUD",
        type=click.Path(path_type=Path),
        help="Take the release, and `images:`, from this cloud's file.",
    )
    @click.option(
        "--from", "base", metavar="IMAGE", help="Begin with this, not with our own Debian."
    )
    @functools.wraps(verb)
    def wrapped(*, release: str, cloud: Path | None, base: str | None, **rest: Any) -> Any:
        from cloudwright.images.recipe import PREFIX
        from cloudwright.model.load import load

        if cloud is None:
            return verb(release=release, prefix=PREFIX, base_from=base, **rest)
        if base:
            hint = "`images: base:` in the cloud's file says what its images begin with"
            raise click.UsageError(f"--from and --cloud exclude each other: {hint}")
        loaded = load(cloud)
        images = loaded.images
        return verb(
            release=loaded.release, prefix=images.prefix, base_from=images.base or None, **rest
        )

    return wrapped


@click.group()
def images() -> None:
    """The container images of a release, made on this machine: no registry is needed."""


@images.command()
@click.argument("names", nargs=-1)
@of_release
@click.option("--fresh", is_flag=True, help="Build again what is there already.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="At once.")
@click.option("--plain", is_flag=True, help="Plain lines, even on a terminal.")
def build(
    names: tuple[str, ...],
    release: str,
    fresh: bool,
    base_from: str | None,
    jobs: int,
    plain: bool,
    prefix: str,
) -> None:
    """Build all images, or those NAMES and what they stand on.

    Uses this machine's own mirror, package index and certificate authority, and leaves none of
    them in an image. An image whose recipe did not change is not built again. Ctrl-C stops the
    builds that run; what is built stays.
    """
    from cloudwright.cli.view_pieces import BUILDS, watch_pieces
    from cloudwright.errors import number
    from cloudwright.execute.images.build import AGAIN
    from cloudwright.execute.images.build import build as build_images
    from cloudwright.execute.interrupts import interruptible
    from cloudwright.images.extend_start import images_of
    from cloudwright.services import SERVICES

    began = time.monotonic()
    with watch_pieces(BUILDS, plain=plain) as tell:
        work = build_images(
            images_of(SERVICES),
            release,
            tell=tell,
            prefix=prefix,
            only=names,
            fresh=fresh,
            jobs=jobs,
            base_from=base_from,
        )
        built = asyncio.run(interruptible(work, AGAIN))
    seconds = time.monotonic() - began
    done = f"{number(len(built), 'image')} built in {seconds:.0f} s"
    click.echo(done if built else "nothing to do: all images are there")


@images.command("list")
@of_release
def list_(release: str, prefix: str, base_from: str | None) -> int:
    """List every image, its size, and whether it is as its recipe says. Exits 1 if one is not.

    An image that all others begin with (--from, `images: base:`) comes first: here, or missing.
    """
    from cloudwright.execute.images.build import found_base, found_images
    from cloudwright.images.extend_start import images_of
    from cloudwright.services import SERVICES

    rows = asyncio.run(found_images(images_of(SERVICES), release, prefix, base_from))
    bases = [asyncio.run(found_base(base_from))] if base_from else []
    table = [
        (r.reference, f"{r.size / 1024**2:.0f} MiB" if r.size else "-", r.state)
        for r in (*bases, *rows)
    ]
    click.echo(columns(("IMAGE", "SIZE", "STATE"), table))
    return 0 if all(row.state == "current" for row in rows) else 1


@images.command()
@click.argument("names", nargs=-1)
@click.option("--release", default=DEFAULT_RELEASE, show_default=True, help="OpenStack's release.")
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
    from cloudwright.execute.images.option_export import differing, export_all, write_options
    from cloudwright.services import SERVICES

    declared = tuple(service.image for service in SERVICES if service.image)
    texts = asyncio.run(export_all(declared, release, names))
    changed = write_options(texts, write) if write else differing(texts, release)
    for name, text in texts.items():
        state = ("written" if write else "differs") if name in changed else "as kept"
        click.echo(f"{name}: {len(text) // 1024} KiB, {state}")
    return 1 if changed and not write else 0


images.add_command(push)
