"""Each row of `check --hosts`: what is well, what is not, and that what is not says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from cloudwright.execute.look.fitness import Condition
from cloudwright.execute.look.preflight import (
    GIB,
    HostFinding,
    check_choices,
    check_images,
    check_interfaces,
    check_machine,
    check_ports,
)
from cloudwright.model.cloud import Compute, NetworkChoices
from cloudwright.model.facts import Facts, Interface
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.plan.blueprint import World, make_blueprint
from cloudwright.services import SERVICES

CLOUD = load(Path(__file__).parents[2] / "examples" / "aio.yaml")
[HOST] = CLOUD.hosts
FACTS = Facts(
    host="aio",
    engine_version="5.4",
    cores=2,
    memory_bytes=6 * GIB,
    disk_free_bytes=10 * GIB,
    kvm=True,
    kernel_ovs=True,
    interfaces=(
        Interface(name="eth0", addresses=("10.64.0.11/24",)),
        Interface(name="eth1", addresses=("10.64.1.11/24",)),
        Interface(name="eth2", addresses=("fe80::1/64",)),
    ),
)
WORLD = World(facts={"aio": FACTS})
BLUEPRINT = make_blueprint(CLOUD, SERVICES, WORLD, Overrides())


def row(found: Iterable[HostFinding], subject: str) -> HostFinding:
    """The one finding of this subject: an error has a hint, what is well has none."""
    [one] = [f for f in found if f.subject == subject]
    assert one.severity == "warning" or bool(one.hint) == (one.severity == "error")
    return one


@pytest.mark.parametrize(
    ("subject", "changed", "severity", "text"),
    [
        ("cores", {}, "ok", "2 of at least 2"),
        ("cores", {"cores": 1}, "error", "1 of at least 2"),
        ("memory", {}, "ok", "6 of at least 6 GiB"),
        ("memory", {"memory_bytes": 4 * GIB}, "error", "4 of at least 6 GiB"),
        ("disk", {}, "ok", "10 of at least 10 GiB"),
        ("disk", {"disk_free_bytes": 3 * GIB}, "error", "3 of at least 10 GiB"),
        ("clock", {"time_skew": 2.0}, "ok", "+2.0 s from this machine's"),
        ("clock", {"time_skew": -2.1}, "error", "-2.1 s from this machine's"),
    ],
)
def test_what_a_host_has(
    subject: str, changed: dict[str, float], severity: str, text: str
) -> None:
    found = row(check_machine(HOST, replace(FACTS, **changed)), subject)
    assert (found.severity, found.text) == (severity, text)


@pytest.mark.parametrize(
    ("roles", "least"),
    [(("control", "compute"), 6), (("compute",), 2), (("network",), 1), (("witness",), 1)],
)
def test_memory_is_that_of_the_role_that_takes_most(roles: tuple[str, ...], least: int) -> None:
    found = row(check_machine(replace(HOST, roles=roles), FACTS), "memory")
    assert found.text == f"6 of at least {least} GiB"


def without(card: str) -> tuple[Interface, ...]:
    return tuple(i for i in FACTS.interfaces if i.name != card)


@pytest.mark.parametrize(
    ("cards", "wrong"),
    [
        (FACTS.interfaces, []),
        (without("eth1"), [("address", "no card has 10.64.1.11")]),
        (without("eth2"), [("external card", "no card eth2")]),
        (
            (*without("eth2"), Interface(name="eth2", addresses=("10.64.2.5/24",))),
            [("external card", "eth2 has an address")],
        ),
    ],
)
def test_addresses_and_cards_are_there(
    cards: tuple[Interface, ...], wrong: list[tuple[str, str]]
) -> None:
    found = list(check_interfaces(CLOUD, HOST, replace(FACTS, interfaces=cards)))
    assert [(f.subject, f.text) for f in found if f.severity == "error"] == wrong
    assert all(f.hint for f in found if f.severity == "error")
    assert len(found) == 3


def test_the_only_controller_has_the_addresses_of_the_api() -> None:
    cloud = replace(CLOUD, api=replace(CLOUD.api, external="10.64.2.50"))
    found = [f.text for f in check_interfaces(cloud, HOST, FACTS) if f.severity == "error"]
    assert found == ["no card has 10.64.2.50"]
    compute = replace(HOST, roles=("compute",))
    assert not [f for f in check_interfaces(cloud, compute, FACTS) if f.severity == "error"]
    several = replace(cloud, hosts=(HOST, replace(HOST, name="other")))
    assert not [f for f in check_interfaces(several, HOST, FACTS) if f.severity == "error"]


@pytest.mark.parametrize(
    ("virt", "kvm", "severity", "text"),
    [
        ("auto", True, "ok", "KVM runs a guest"),
        ("auto", False, "warning", "KVM does not run a guest: emulation"),
        ("auto", None, "warning", "KVM was not tried: the image with QEMU is not there yet"),
        ("kvm", True, "ok", "KVM runs a guest"),
        ("kvm", False, "error", "KVM does not run a guest"),
        ("kvm", None, "warning", "KVM was not tried: the image with QEMU is not there yet"),
        ("qemu", True, "warning", "emulation, as compute.virt says"),
        ("qemu", None, "warning", "emulation, as compute.virt says"),
    ],
)
def test_how_instances_run(virt: str, kvm: bool | None, severity: str, text: str) -> None:
    cloud = replace(CLOUD, compute=Compute(virt=virt))  # type: ignore[arg-type]
    found = row(check_choices(cloud, HOST, replace(FACTS, kvm=kvm)), "virtualisation")
    assert (found.severity, found.text) == (severity, text)


@pytest.mark.parametrize(
    ("datapath", "kernel", "severity", "said"),
    [
        ("auto", True, "ok", "in the kernel"),
        ("auto", False, "warning", "in the user space (slower)"),
        ("kernel", False, "error", "in the kernel"),
        ("userspace", True, "warning", "in the user space (slower)"),
    ],
)
def test_how_packets_are_switched(datapath: str, kernel: bool, severity: str, said: str) -> None:
    network = NetworkChoices(datapath=datapath)  # type: ignore[arg-type]
    cloud = replace(CLOUD, network=network)
    found = list(check_choices(cloud, HOST, replace(FACTS, kernel_ovs=kernel)))
    one = row(found, "datapath")
    assert (one.severity, one.text) == (severity, f"Open vSwitch {said}")


@pytest.mark.parametrize("role", ["control", "witness"])
def test_a_host_without_instances_or_a_way_out_has_no_choice(role: str) -> None:
    own = replace(HOST, roles=(role,))
    assert not list(check_choices(CLOUD, own, replace(FACTS, kernel_ovs=False)))


def test_an_image_that_nobody_has_is_named() -> None:
    [nothing] = check_images(HOST, WORLD, BLUEPRINT)
    assert (nothing.severity, bool(nothing.hint)) == ("error", True)
    names = nothing.text.removeprefix("missing: ").split(", ")
    assert f"{CLOUD.images.prefix}/glance:{CLOUD.release}" in names
    some = replace(WORLD, image_ids={name: "id" for name in names[1:]})
    [one] = check_images(HOST, some, BLUEPRINT)
    assert one.text == f"missing: {names[0]}"
    [well] = check_images(HOST, replace(WORLD, image_ids=dict.fromkeys(names, "id")), BLUEPRINT)
    assert (well.severity, well.text, well.hint) == ("ok", f"{len(names)} present", "")


@pytest.mark.parametrize(
    ("address", "port", "text"),
    [
        ("10.64.0.11", 11211, "port 11211 is taken by other; memcached needs it"),
        ("127.0.0.1", 11211, ""),
        ("*", 443, "port 443 is taken by other; haproxy needs it"),
        ("127.0.0.1", 13306, "port 13306 is taken by other; haproxy needs it"),
        ("0.0.0.0", 4369, "port 4369 is taken by other; rabbitmq needs it"),
        ("10.64.0.11", 6643, "port 6643 is taken by other; ovn-nb-db needs it"),
        ("*", 22, ""),
    ],
)
def test_a_port_that_a_container_will_listen_on(address: str, port: int, text: str) -> None:
    condition = Condition(listeners={(address, port): "other"})
    found = list(check_ports(HOST, BLUEPRINT, condition))
    assert [f.text for f in found] == [text] * bool(text)
    assert all(f.severity == "error" and f.hint for f in found)
    ours = frozenset({"memcached", "haproxy", "rabbitmq", "ovn-nb-db"})
    assert not list(check_ports(HOST, BLUEPRINT, replace(condition, alive=ours)))
