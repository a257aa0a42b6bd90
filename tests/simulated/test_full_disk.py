"""The disk of a host is filled only where it is its alone, and given back by the repair."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloudwright.engine.fake import FakeEngine
from cloudwright.errors import HostError
from cloudwright.execute.drill.disk import PID_FILE
from cloudwright.execute.drill.injector import OverSsh, injure, mend
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.lab.injector import LabInjector
from cloudwright.lab.spec import spec_of
from cloudwright.model.load import load
from cloudwright.operations.drill.injury import fill_disk
from cloudwright.transport.fake import FakeHost
from cloudwright.transport.host import Completed

FILE = Path(__file__).parents[2] / "examples" / "two-sites.yaml"
CLOUD = load(FILE)
VOLUMES = "/var/lib/containers/storage/volumes"
INJURY = fill_disk(CLOUD, "ctl-b")


def answers(root: str, free: int) -> FakeHost:
    """A host whose `/` is of this type, and that has so many bytes free after it was filled."""

    def answer(command: str, stdin: bytes) -> Completed:
        said = root if command.startswith("stat") else VOLUMES if "info" in command else free
        return Completed(status=0, stdout=f"{said}\n", stderr="")

    return FakeHost("ctl-b", answer=answer)


def over_ssh(host: FakeHost) -> tuple[Fleet, OverSsh]:
    fleet = Fleet(members={"ctl-b": Member(host=host, engine=FakeEngine("ctl-b"))})
    return fleet, OverSsh(fleet=fleet, cloud=CLOUD, lab=Path("/nowhere"))


def test_the_disk_that_holds_volumes_is_filled_and_given_back() -> None:
    host = answers("ext2/ext3", free=0)
    fleet, injector = over_ssh(host)
    asyncio.run(injure(fleet, injector, INJURY))
    assert VOLUMES in host.commands[-1]
    asyncio.run(mend(fleet, injector, INJURY))
    assert f"cat {PID_FILE}" in host.commands[-1]


def test_a_disk_that_does_not_fill_is_told() -> None:
    fleet, injector = over_ssh(answers("ext2/ext3", free=5 * 1024**2))
    with pytest.raises(HostError, match="the disk is not full") as caught:
        asyncio.run(injure(fleet, injector, INJURY))
    assert caught.value.why == "5 MiB are still free"


def test_a_host_that_is_a_container_shares_its_disk_and_is_left_alone() -> None:
    host = answers("overlayfs", free=0)
    fleet, injector = over_ssh(host)
    with pytest.raises(HostError, match="also its machine's") as caught:
        asyncio.run(injure(fleet, injector, INJURY))
    assert "lab up --disk" in caught.value.hint
    assert len(host.commands) == 1


@pytest.mark.parametrize("mounted", [True, False])
def test_a_lab_host_is_filled_where_its_volume_is_a_file_system_of_its_own(mounted: bool) -> None:
    def machine(command: str, stdin: bytes) -> Completed:
        assert command.startswith("mountpoint") and spec.host("ctl-b").container in command
        return Completed(status=0 if mounted else 32, stdout="", stderr="")

    spec = spec_of(CLOUD, FILE)
    injector = LabInjector(machine=FakeHost("here", answer=machine), spec=spec)
    host = answers("overlayfs", free=0)
    fleet, _ = over_ssh(host)
    if mounted:
        asyncio.run(injure(fleet, injector, INJURY))
        assert VOLUMES in host.commands[-1]
    else:
        with pytest.raises(HostError, match="also its machine's"):
            asyncio.run(injure(fleet, injector, INJURY))
        assert host.commands == []
