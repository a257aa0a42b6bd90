"""Programs that containers run and that are in no image: their files, beside each other."""

from __future__ import annotations

from cloudwright.declare.service import File, Files
from cloudwright.declare.template import resource

LIBRARY = "/usr/local/lib/cloudwright"


def library(package: str, *paths: str) -> Files:
    """The files at `paths` in `package` (`program/agent.py`), each by its own name in LIBRARY."""
    names = {path.rpartition("/")[2]: path for path in paths}
    return {
        name: File(
            content=resource(package, *path.split("/")), path=f"{LIBRARY}/{name}", mode="0644"
        )
        for name, path in names.items()
    }
