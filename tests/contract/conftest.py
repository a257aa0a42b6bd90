"""One engine of each kind and one sshd for the whole tier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import rigs
from . import sshd as servers
from .rigs import Rig
from .sshd import Sshd


@pytest.fixture(scope="session", params=["fake", "podman", "docker"])
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Each engine that can be run here."""
    name = str(request.param)
    if why := rigs.why_not(name):
        pytest.skip(why)
    directory: Path = tmp_path_factory.mktemp(name)
    match name:
        case "fake":
            made = rigs.fake()
        case "podman":
            made = rigs.podman(directory)
        case _:
            made = rigs.docker(directory)
    with made as rig:
        yield rig


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One server for all tests that leave it alive."""
    with servers.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server
