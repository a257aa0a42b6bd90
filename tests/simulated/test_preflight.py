"""`check --hosts` looks at every host that it can, whatever the others are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from cloudwright.engine.clock import run_virtual
from cloudwright.engine.fake import FakeEngine
from cloudwright.errors import HostError, Missing, Unreachable
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.execute.look.preflight import HostFinding, preflight
from cloudwright.execute.secrets.vault import Vault
from cloudwright.execute.session import Session
from cloudwright.images.schemas import Schemas
from cloudwright.model.cloud import Cloud
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.services import SERVICES
from cloudwright.transport.fake import FakeHost
from cloudwright.transport.host import Completed

CLOUD = load(Path(__file__).parents[2] / "examples" / "two-sites.yaml")
EVERYBODY = tuple(host.name for host in CLOUD.hosts)

GONE = Unreachable("no answer", where="root@x:22", why="Connection timed out", hint="see that")
BARE = Missing("no container engine answers", where="x", why="no socket", hint="install one")
FACTS = """\
cores=8
memory=17179869184
disk=107374182400
arch=x86_64
now={now}
ovs=yes
interfaces=[]
kernel=6.12
kvm=works 6.12
kvm_device=yes
"""


def answer(command: str, stdin: bytes) -> Completed:
    """What a host's shell says when it is asked what it is; else nothing."""
    said = FACTS.format(now=time.time()) if "echo cores=" in command else ""
    return Completed(status=0, stdout=said, stderr="")


def crun_refuses(command: str, stdin: bytes) -> Completed:
    """The answer of a host on which Podman starts nothing."""
    if "podman run" in command:
        return Completed(status=126, stdout="", stderr="crun: unknown version\n")
    if "cgroup=2" in command:
        return Completed(status=0, stdout="cgroup=1\nsystemd=yes\n")
    return answer(command, stdin)


def session_of(
    cloud: Cloud, directory: Path, lost: dict[str, HostError], quirks_on: Sequence[str] = ()
) -> Session:
    answers = {name: crun_refuses if name in quirks_on else answer for name in EVERYBODY}
    members = {
        name: Member(host=FakeHost(name, answer=answers[name]), engine=FakeEngine(name))
        for name in EVERYBODY
        if name not in lost
    }
    return Session(
        path=directory / "cloud.yaml",
        cloud=cloud,
        services=SERVICES,
        overrides=Overrides(),
        vault=Vault(directory),
        fleet=Fleet(members=members, lost=lost),
        schemas=Schemas(release=cloud.release),
        images={},
    )


def findings(
    tmp_path: Path,
    lost: dict[str, HostError],
    image_on: Sequence[str] = (),
    quirks_on: Sequence[str] = (),
) -> tuple[HostFinding, ...]:
    session = session_of(CLOUD, tmp_path, lost, quirks_on)
    for name in image_on:
        engine = session.fleet.engine(name)
        assert isinstance(engine, FakeEngine)
        engine.add_image(f"{CLOUD.images.prefix}/nova-libvirt:{CLOUD.release}")

    async def story() -> tuple[HostFinding, ...]:
        world = await session.world()
        blueprint = session.blueprint_of_all(world)
        return await preflight(session.fleet, session.cloud, world, blueprint)

    return run_virtual(story())


@pytest.mark.parametrize(
    "lost",
    [
        {"cmp-b": GONE},
        {"ctl-a": BARE, "ctl-b": GONE},  # no controller is left to ask
        dict.fromkeys(EVERYBODY, GONE),
    ],
)
def test_a_lost_host_is_one_failed_row_among_those_of_the_others(
    tmp_path: Path, lost: dict[str, HostError]
) -> None:
    found = findings(tmp_path, lost)
    assert list(dict.fromkeys(f.host for f in found)) == list(EVERYBODY)
    for name in EVERYBODY:
        own = [f for f in found if f.host == name]
        if name not in lost:
            assert ("cores", "ok") in {(f.subject, f.severity) for f in own}
            continue
        [row] = own
        assert (row.subject, row.severity, row.hint) == ("reached", "error", lost[name].hint)
        assert row.text == f"{lost[name].what}: {lost[name].why}"


def test_kvm_is_not_tried_where_the_image_is_not_yet(tmp_path: Path) -> None:
    found = findings(tmp_path, {}, image_on=["cmp-a"])
    said = {f.host: (f.severity, f.text) for f in found if f.subject == "virtualisation"}
    assert said == {
        "cmp-a": ("ok", "KVM runs a guest"),
        "cmp-b": ("warning", "KVM was not tried: the image with QEMU is not there yet"),
    }


def test_an_engine_that_starts_nothing_is_told_of_its_host_alone(tmp_path: Path) -> None:
    found = findings(tmp_path, {}, quirks_on=["ctl-b"])
    engines = {f.host: f for f in found if f.subject == "engine"}
    assert [name for name in EVERYBODY if engines[name].severity == "error"] == ["ctl-b"]
    assert "cannot start a container" in engines["ctl-b"].text
    assert "runtime" in engines["ctl-b"].hint
