"""What a release's projects know of their own options, as one data file for each project."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from cloudwright.declare.image import Image
from cloudwright.images.release import releases

FOLDER = "options"
"""Inside a release's folder: one `PROJECT.json` for each image that declares options."""


def export_script() -> str:
    """The program that prints an image's options, run by the image's own Python."""
    return (files("cloudwright.images") / "inside" / "options.py").read_text("utf-8")


def wanted_namespaces(image: Image) -> tuple[str, ...]:
    """Every namespace that a file of the image's processes may hold options of, in order."""
    return tuple(sorted({name for options in image.options for name in options.namespaces}))


def option_projects(images: Sequence[Image]) -> tuple[Image, ...]:
    """The images that have options to export."""
    return tuple(image for image in images if image.options)


def option_text(data: Any, pad: str = "") -> str:
    """`data` as JSON with one option a line, sorted, so that a difference is readable."""
    if not isinstance(data, dict) or isinstance(data.get("type"), str):
        return json.dumps(data, sort_keys=True, ensure_ascii=False)
    inner = [
        f"{pad} {json.dumps(key)}: {option_text(value, pad + ' ')}"
        for key, value in sorted(data.items())
    ]
    return "{\n" + ",\n".join(inner) + f"\n{pad}}}" if inner else "{}"


def kept_text(release: str, project: str) -> str:
    """The data file of a project; empty when the release has none."""
    file = releases() / release / FOLDER / f"{project}.json"
    return file.read_text("utf-8") if file.is_file() else ""
