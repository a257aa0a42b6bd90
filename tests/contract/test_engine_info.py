"""How an engine was set up, in its own words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloudwright.engine.api import EngineInfo
from cloudwright.execute.look.docker import judge_start, judge_store

from . import rigs
from .rigs import Rig


async def _info(rig: Rig) -> EngineInfo:
    async with rig.engine() as engine:
        return await engine.info()


def test_an_engine_says_how_it_keeps_images(rig: Rig) -> None:
    info = asyncio.run(_info(rig))
    assert info.driver and Path(info.root).is_absolute()
    if rig.name == "docker":
        assert info.root == "/var/lib/containers/docker"
        assert {judge_start(info).severity, judge_store(info).severity} == {"ok"}


def test_a_docker_whose_containers_have_users_of_their_own_is_told(tmp_path: Path) -> None:
    if why := rigs.why_not("docker"):
        pytest.skip(why)
    with rigs.docker(tmp_path, "--userns-remap=default", "--storage-driver=vfs") as rig:
        info = asyncio.run(_info(rig))
    assert judge_start(info).text == "Docker gives containers users of their own"
    assert judge_store(info).severity == "warning"
