"""What one asks of a lab that is not there is refused in words."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import pytest

from cloudwright.errors import CommandFailed, InvalidCloud, Missing
from cloudwright.lab import verbs
from cloudwright.lab.spec import LabSpec, spec_of
from cloudwright.model.load import load
from cloudwright.transport.fake import FakeHost
from cloudwright.transport.host import Completed, Host
from tests.contract.sshd import free_port

Verb = Callable[[Host, LabSpec, tuple[str, ...]], Coroutine[None, None, None]]
EXAMPLES = Path(__file__).parents[2] / "examples"


def empty() -> FakeHost:
    """A machine without any container of ours and any network card."""
    return FakeHost(
        "here", answer=lambda command, stdin: Completed(status=0, stdout="[]", stderr="")
    )


def spec(name: str, folder: Path) -> LabSpec:
    return spec_of(load(EXAMPLES / name), folder / "cloud.yaml")


@pytest.mark.parametrize("verb", [verbs.kill, verbs.boot])
@pytest.mark.parametrize("name", ["aio", "site:a"])
def test_a_host_that_is_not_there_has_no_power_switch(
    verb: Verb, name: str, tmp_path: Path
) -> None:
    machine = empty()
    with pytest.raises(Missing, match="there is no lab host aio") as caught:
        asyncio.run(verb(machine, spec("aio.yaml", tmp_path), (name,)))
    assert "lab up" in caught.value.hint
    assert len(machine.commands) == 1  # the look alone


@pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
def test_when_one_host_cannot_be_started_nobody_waits_for_the_others(tmp_path: Path) -> None:
    first, second, *_ = spec("two-sites.yaml", tmp_path).hosts

    def answer(command: str, stdin: bytes) -> Completed:
        if command == f"podman start {second.container}":
            return Completed(status=125, stdout="", stderr="no space left")
        return Completed(status=0, stdout="[]", stderr="")

    async def story() -> None:
        # The first one starts and never answers.
        silent = replace(first, address="127.0.0.1", port=free_port())
        lab = replace(spec("two-sites.yaml", tmp_path), hosts=(silent, second))
        machine = FakeHost("here", answer=answer)
        with pytest.raises(CommandFailed, match=second.container) as caught:
            await verbs.up(machine, lab, lambda event: None)
        assert caught.value.why == "no space left"
        assert f"podman start {first.container}" in machine.commands
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


@pytest.mark.parametrize("verb", [verbs.cut, verbs.join])
def test_a_lab_that_is_down_has_no_cables(verb: Verb, tmp_path: Path) -> None:
    machine = empty()
    with pytest.raises(Missing, match="the lab is not up") as caught:
        asyncio.run(verb(machine, spec("two-sites.yaml", tmp_path), ("a",)))
    assert "lab up" in caught.value.hint
    assert len(machine.commands) == 1  # the look alone


def test_a_site_of_the_file_is_known_to_a_lab_that_is_down(tmp_path: Path) -> None:
    with pytest.raises(InvalidCloud, match="there is one site only"):
        asyncio.run(verbs.cut(empty(), spec("aio.yaml", tmp_path), ("a",)))
    with pytest.raises(InvalidCloud, match="no site is called x"):
        asyncio.run(verbs.cut(empty(), spec("two-sites.yaml", tmp_path), ("x",)))
