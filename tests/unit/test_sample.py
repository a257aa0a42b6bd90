"""What the smoke test works out before it touches a cloud."""

from __future__ import annotations

from pathlib import Path

import asyncssh

from cloudwright.execute.central.access import clouds_yaml, openrc, paths_of, write_private
from cloudwright.execute.sample.reach import fingerprints_in, new_key
from cloudwright.execute.sample.sample import free_cidr
from cloudwright.model.cloud import Api, Cloud, External, Host, Network, Networks, Site


def cloud_with(management: str, tunnel: str | None = None) -> Cloud:
    return Cloud(
        name="tiny",
        sites=(Site(name="a"),),
        hosts=(Host(name="one", address="10.242.0.1", site="a", roles=("control",)),),
        networks=Networks(
            management=Network(cidr=management),
            tunnel=Network(cidr=tunnel) if tunnel else None,
            external=External(
                cidr="203.0.113.0/24",
                gateway="203.0.113.1",
                pool_start="203.0.113.10",
                pool_end="203.0.113.20",
            ),
        ),
        api=Api(internal="10.242.0.1", external="10.242.0.9"),
    )


def test_the_private_network_is_none_of_the_hosts() -> None:
    assert free_cidr(cloud_with("192.0.2.0/24")) == "10.242.0.0/24"
    assert free_cidr(cloud_with("10.0.0.0/8")) == "172.30.242.0/24"
    assert free_cidr(cloud_with("10.242.0.0/16", "172.30.0.0/16")) == "192.168.242.0/24"


def test_host_keys_are_known_from_the_console_before_ssh() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    line = key.export_public_key().decode().strip()
    mark = key.get_fingerprint()
    assert fingerprints_in(f"[ 1.0] boot\r\nssh-ed25519 short\r\n[ 2.2] {line} root@x\r\n") == {
        mark
    }
    assert fingerprints_in(f"[6.01] guest: host key {mark}\r\n") == {mark}
    assert fingerprints_in("") == frozenset()


def test_a_new_key_is_private(tmp_path: Path) -> None:
    path, public = new_key(tmp_path / "smoke")
    assert path.stat().st_mode & 0o777 == 0o600
    assert public.startswith("ssh-ed25519 ")
    again, other = new_key(tmp_path / "smoke")
    assert (again, other != public) == (path, True)


def test_credentials_are_private_and_quoted(tmp_path: Path) -> None:
    cloud = cloud_with("192.0.2.0/24")
    access = paths_of(tmp_path / ".cloudwright", cloud)
    text = clouds_yaml(cloud, access, 'p"w')
    assert 'password: "p\\"w"' in text
    assert 'auth_url: "https://10.242.0.9:5000/v3"' in text
    assert "export OS_PASSWORD='p w'\n" in openrc(cloud, access, "p w")
    write_private(access.openrc, "secret")
    write_private(access.openrc, "other")
    assert access.openrc.read_text() == "other"
    assert access.openrc.stat().st_mode & 0o777 == 0o600
    assert access.openrc.parent.stat().st_mode & 0o777 == 0o700
