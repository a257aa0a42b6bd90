"""Ask container images which options their processes know: the release's data is made of it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cloudwright.declare.image import Image
from cloudwright.errors import Missing
from cloudwright.execute.images.tools import call
from cloudwright.images.option_data import (
    FOLDER,
    export_script,
    kept_text,
    option_projects,
    option_text,
    wanted_namespaces,
)
from cloudwright.images.recipe import reference

EXPORTED = "/exported"
"""Where the container sees the directory that its answer is left in."""


async def export_options(image: Image, release: str) -> Any:
    """What the image on this machine says of its own options.

    Nothing of the machine is in it: no network, and a default that is a fact of a host is told
    by oslo.config's sample of it. Raises CommandFailed when the image is not there, or lacks a
    namespace that its service declares.
    """
    with tempfile.TemporaryDirectory(prefix="cloudwright-options.") as scratch:
        # By a file: an engine's own copying of so long an output was seen to stop half-way.
        await call(
            (
                *("podman", "run", "--rm", "--pull=never", "--network=none", "--hostname=host"),
                *("--user=root", f"--volume={scratch}:{EXPORTED}", "--entrypoint=python3"),
                *(reference(image.name, release), "-c", export_script()),
                *(f"{EXPORTED}/options.json", *wanted_namespaces(image)),
            )
        )
        return json.loads((Path(scratch) / "options.json").read_text("utf-8"))


async def export_all(
    images: Sequence[Image], release: str, only: Sequence[str] = ()
) -> dict[str, str]:
    """The text of each project's data file, by project; of `only` these when given."""
    chosen = {image.name: image for image in option_projects(images)}
    if unknown := [name for name in only if name not in chosen]:
        raise Missing(f"no options in image {unknown[0]}", hint=f"known: {', '.join(chosen)}")
    names = [name for name in chosen if not only or name in only]
    found = await asyncio.gather(*(export_options(chosen[name], release) for name in names))
    return {name: option_text(data) + "\n" for name, data in zip(names, found, strict=True)}


def differing(texts: Mapping[str, str], release: str) -> list[str]:
    """The names of those projects whose data file in the release is missing or another."""
    return [name for name, text in texts.items() if kept_text(release, name) != text]


def write_options(texts: Mapping[str, str], release: Path) -> list[str]:
    """Put the data files into a release's folder; returns the names of those that changed."""
    folder = release / FOLDER
    folder.mkdir(exist_ok=True)
    changed = []
    for name, text in texts.items():
        path = folder / f"{name}.json"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            changed.append(name)
    return changed
