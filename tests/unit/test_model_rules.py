"""Each rule refuses what it is there for, and says so at the right line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudwright.errors import InvalidCloud
from cloudwright.model.load import read

EXAMPLES = Path(__file__).parents[2] / "examples"
AIO = (EXAMPLES / "aio.yaml").read_text()
THREE = (EXAMPLES / "three-controllers.yaml").read_text()
CTL3 = THREE[THREE.index("  ctl-3:") : THREE.index("  cmp-1:")]


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (AIO, "name: aio", "name: My_Cloud", '"My_Cloud" is no name'),
        (AIO, "  aio:", "  aio.example:", '"aio.example" is no name'),
        (AIO, "  aio:", "  localhost:", "every machine's name for itself"),
        (AIO, "address: 10.64.0.11", "address: 127.0.0.1", "every machine is itself there"),
        (AIO, "address: 10.64.0.11", "address: 0.0.0.0", "it stands for all addresses"),
        (AIO, "address: 10.64.0.11", "address: 224.0.0.18", "it is of a group of hosts"),
        (AIO, "name: aio", "name: aio\nssh: {user: x y}", '"x y" cannot be the user'),
        (AIO, "    site: a", "    site: a\n    ssh: {user: -x}", '"-x" cannot be the user'),
        (AIO, 'release: "2026.2"', "release: master", '"master" cannot be the release'),
        (AIO, "name: aio", "name: aio\nimages: {base: 'a b'}", '"a b" cannot be the base'),
        (AIO, "roles: [control, network, compute]", "roles: [control, network]", "no host has"),
        (AIO, ", compute]", ", compute, stroage]", 'unknown role "stroage"'),
        (AIO, "site: a", "site: b", 'unknown site "b"'),
        (AIO, "sites: [a]", "sites: [a, b]", 'site "b" has no host'),
        (AIO, "tunnel_address: 10.64.1.11", "tunnel_address: 10.64.9.11", "is not in the tunnel"),
        (AIO, "    tunnel_address: 10.64.1.11", "    #", 'has no "tunnel_address"'),
        (AIO, "  tunnel: {cidr: 10.64.1.0/24}", "  #", "there is no tunnel network"),
        (AIO, "    external_interface: eth2", "    #", 'no "external_interface"'),
        (THREE, "networks:", "network: {ha: distributed}\nnetworks:", "leave by the host itself"),
        (THREE, "networks:", "network: {ha: both}\nnetworks:", "central, distributed"),
        (THREE, "api:", "api:\n  mode: anycast", "`api.mode: anycast` is not there yet"),
        (THREE, "api:", "api:\n  mode: dns", "`api.mode: dns` is not there yet"),
        (AIO, "api:", "api:\n  mode: bgp", 'must be one of vrrp, anycast, dns, not "bgp"'),
        (AIO, "external_interface: eth2", "external_interface: a/b", "no name of a network card"),
        (AIO, "{cidr: 10.64.1.0/24}", "{cidr: 10.64.0.0/16}", "overlaps the management network"),
        (AIO, "{cidr: 10.64.1.0/24}", "{cidr: 10.64.1.0/24, mtu: 500}", "must be 1280 to 65535"),
        (AIO, "gateway: 10.64.2.1", "gateway: 10.64.2.150", "is in the pool"),
        (AIO, "gateway: 10.64.2.1", "gateway: 10.64.3.1", "is not in the external network"),
        (AIO, "pool_end: 10.64.2.199", "pool_end: 10.64.2.99", "ends before it starts"),
        (AIO, "pool_end: 10.64.2.199", "pool_end: 10.64.2.255", "first or last of its network"),
        (AIO, "internal: 10.64.0.11", "internal: 10.65.0.11", "is not in the management network"),
        (AIO, "external: 10.64.0.11", "external: 10.64.2.101", "of the API is in the pool"),
        (AIO, "internal: 10.64.0.11", "internal: api.lan", "is no IPv4 address"),
        (THREE, "address: 10.65.0.22", "address: 10.65.0.21", "10.65.0.21 is here twice"),
        (THREE, "10.65.1.22", "10.65.1.21", "10.65.1.21 is here twice"),
        (THREE, "internal: 10.65.0.10", "internal: 10.65.0.11", "3 controllers need one"),
        (THREE, "internal: 10.65.0.10", "internal: 10.65.0.21", "which is no controller"),
        (AIO, "internal: 10.64.0.11", "internal: 10.64.0.10", "nobody would bring it up"),
        (AIO, "external: 10.64.0.11", "external: 10.64.0.10", "nobody would bring it up"),
        (THREE, "external: 10.65.0.10", "external: 10.65.2.10", "where nobody looks for it"),
        (THREE, CTL3, "", "2 controllers: a majority needs an odd number"),
        (THREE, "sites: [a]", "sites: {a: {witness: true}}", "which only votes"),
    ],
)
def test_rule(text: str, old: str, new: str, said: str) -> None:
    assert old in text
    wrong = text.replace(old, new, 1)
    with pytest.raises(InvalidCloud) as caught:
        read(wrong.encode(), "cloud.yaml")
    problems = [p for p in caught.value.problems if said in p.text]
    assert problems, str(caught.value)
    assert all(0 < p.line <= len(wrong.splitlines()) and p.column for p in problems)


def test_a_way_in_is_told_where_it_is_written() -> None:
    text = THREE.replace("    site: a\n", "    site: a\n    ssh: {port: 70000}\n", 1)
    with pytest.raises(InvalidCloud) as caught:
        read(f"{text}\nssh: {{user: a b, port: 99999}}\n".encode(), "cloud.yaml")
    said = [problem.text for problem in caught.value.problems]
    assert said == [
        '"hosts.ctl-1.ssh.port" must be 1 to 65535, not 70000',
        '"a b" cannot be the user',
        '"ssh.port" must be 1 to 65535, not 99999',
    ]


def test_two_controllers_are_refused_with_a_cure() -> None:
    with pytest.raises(InvalidCloud) as caught:
        read(THREE.replace(CTL3, "").encode(), "cloud.yaml")
    (problem,) = caught.value.problems
    assert "witness" in problem.hint
    assert 'take the role control from "ctl-2"' in problem.hint


def test_each_compute_host_needs_a_card_for_its_own_floating_ips() -> None:
    text = f"{THREE}\nnetwork: {{ha: distributed}}\n"
    with pytest.raises(InvalidCloud) as caught:
        read(text.encode(), "cloud.yaml")
    first, second = caught.value.problems
    assert ('"cmp-1"' in first.text, '"cmp-2"' in second.text) == (True, True)
    assert text.splitlines()[first.line - 1].strip() == "cmp-1:"
    assert "ha: central" in first.hint
    for number in (21, 22):
        card = f"address: 10.65.0.{number}\n    external_interface: eth2"
        text = text.replace(f"address: 10.65.0.{number}", card)
    cloud = read(text.encode(), "cloud.yaml")
    assert {h.name for h in cloud.hosts_with(cloud.external_role)} == {h.name for h in cloud.hosts}


def test_moving_the_address_by_vrrp_may_be_said() -> None:
    text = THREE.replace("api:", "api:\n  mode: vrrp")
    assert read(text.encode(), "cloud.yaml").api == read(THREE.encode(), "cloud.yaml").api


def test_the_external_network_may_be_the_management_network() -> None:
    text = AIO.replace("10.64.2.", "10.64.0.")
    assert read(text.encode(), "cloud.yaml").networks.external.gateway == "10.64.0.1"


@pytest.mark.parametrize(
    ("text", "old", "external"),
    [
        (AIO, "external: 10.64.0.11", "10.64.2.50"),  # on a card of the host's own
        (THREE, "external: 10.65.0.10", "10.65.0.9"),
    ],
)
def test_users_may_have_an_address_of_their_own(text: str, old: str, external: str) -> None:
    assert old in text
    cloud = read(text.replace(old, f"external: {external}").encode(), "cloud.yaml")
    assert cloud.api.external == external != cloud.api.internal


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("network, compute]", "netwrok, compute]", 'did you mean "network"?'),
        ("internal: 10.64.0.11", "internal: 10.64.0.10", "write 10.64.0.11"),
        ("internal: 10.64.0.11", "internal: 10.65.0.11", ""),
    ],
)
def test_one_mistake_is_one_problem(old: str, new: str, hint: str) -> None:
    assert old in AIO
    with pytest.raises(InvalidCloud) as caught:
        read(AIO.replace(old, new).encode(), "cloud.yaml")
    (problem,) = caught.value.problems
    assert problem.hint == hint
