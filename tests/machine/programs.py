"""The programs that a service lays beside upstream's, tried in upstream's image."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from tests.machine.kolla import image, podman


def said(service: str, of: str, script: str, *words: str) -> Any:
    """What a script says in JSON, in its last line, in the image `of` beside the programs."""
    programs = files(f"cloudwright.services.{service}").joinpath("program")
    lines = podman(
        *("run", "--rm", "--runtime", "runc", "--network", "none"),
        *("--volume", f"{programs}:/mnt:ro", "--env", "PYTHONPATH=/mnt"),
        *("--env", "PYTHONDONTWRITEBYTECODE=1", "--entrypoint", "python3"),
        *(image(of), "-c", script, *words),
    ).splitlines()
    return json.loads(lines[-1])
