"""A whole cloud on one host, from nothing to an instance that answers over SSH."""

from __future__ import annotations

import base64
import hashlib
import shutil
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from openstack import connect
from openstack.connection import Connection
from ruamel.yaml import YAML

from tests.cloud.browser import browser, log_in, text_of
from tests.cloud.dashboard import logged_in
from tests.cloud.handed import handed_over
from tests.cloud.tool import ADDRESS, SQL, Tool, changed


def test_a_killed_apply_is_ended_by_the_next(cloud: Tool) -> None:
    """The fixture killed the first apply with -9; the second must have reached the whole cloud."""
    cloud.await_whole()


def test_second_apply_has_nothing_to_do(cloud: Tool) -> None:
    assert "nothing to do" in cloud.run("apply", "--yes")
    cloud.run("plan", status=0)


def test_smoke_leaves_nothing_behind(cloud: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Image, networks, router, keypair, instance, floating IP, ping, SSH; then all is removed."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.state / "clouds.yaml"))
    with connect(cloud.name) as sdk:
        before = belongings(sdk)
        output = cloud.run("smoke")
        assert "smoke: " in output and " passed" in output
        assert belongings(sdk) == before


def belongings(sdk: Connection) -> set[tuple[str, str]]:
    """Everything of the kinds that the smoke test makes, by kind and id."""
    network, compute = sdk.network, sdk.compute
    kinds = {
        "instance": compute.servers(all_projects=True),
        "flavor": compute.flavors(),
        "keypair": compute.keypairs(),
        "image": sdk.image.images(),
        "network": network.networks(),
        "subnet": network.subnets(),
        "router": network.routers(),
        "port": network.ports(),
        "floating IP": network.ips(),
        # Neutron itself makes a project's own at the first look at its groups.
        "security group": (g for g in network.security_groups() if g.name != "default"),
    }
    return {(kind, one.id) for kind, those in kinds.items() for one in those}


def test_smoke_keeps_an_instance(cloud: Tool) -> None:
    """And says where it is and how to be in it, beside what `apply` says at its end."""
    handed = handed_over(cloud.run("smoke", "--keep"))
    handed.check()
    [floating] = cloud.openstack("floating", "ip", "list")
    assert handed.lines["floating IP"] == floating["Floating IP Address"]
    assert handed.log_in("echo it is me") == "it is me\n"


def test_the_openstack_client_works_with_the_printed_clouds_yaml(cloud: Tool) -> None:
    assert [s["Status"] for s in cloud.openstack("server", "list")] == ["ACTIVE"]


def test_horizon_shows_the_instance_in_a_browser(cloud: Tool, tmp_path: Path) -> None:
    """Log in with the printed credentials, and see the instance that smoke kept."""
    state = cloud.directory / ".cloudwright"
    auth = yaml_of(state / "clouds.yaml")["clouds"]["aio"]["auth"]
    key = public_key_of(ADDRESS, state / "ca.pem")
    with browser(tmp_path / "profile", trusted_key=key) as driver:
        log_in(driver, f"https://{ADDRESS}/", auth["username"], auth["password"])
        shown = text_of(driver, f"https://{ADDRESS}/project/instances/", "cloudwright-smoke")
    assert "Running" in shown or "Active" in shown


SQL_SESSIONS = "SELECT COUNT(*) FROM horizon.django_session WHERE expire_date {} UTC_TIMESTAMP()"


def test_a_login_outlives_the_cache(cloud: Tool) -> None:
    """Sessions are in the database: what memcached forgets logs nobody out."""
    with logged_in(cloud, ADDRESS) as session:
        assert session.state() == "in"
        before = cloud.starts()["memcached"]
        cloud.on_host("podman restart --time 0 memcached")
        assert cloud.starts()["memcached"] != before
        assert session.state() == "in"
        kept = dict(session.client.cookies)
        session.log_out()
        session.client.cookies.update(kept)
        assert session.state() == "out"


def test_sessions_that_are_over_are_cleared_and_no_others(cloud: Tool) -> None:
    """By the command that the dashboard's own server runs each hour."""
    line = cloud.on_host("podman exec horizon grep -h cron /etc/cloudwright/uwsgi.ini")
    command = line.partition("-1 -1 -1 -1 ")[2].strip()
    with logged_in(cloud, ADDRESS) as session:
        old = "'over', '', UTC_TIMESTAMP() - INTERVAL 1 DAY"
        cloud.on_host(SQL.format(f"INSERT INTO horizon.django_session VALUES ({old})"))
        assert int(cloud.on_host(SQL.format(SQL_SESSIONS.format("<")))) >= 1
        cloud.on_host(f"podman exec horizon {command}")
        assert int(cloud.on_host(SQL.format(SQL_SESSIONS.format("<")))) == 0
        assert session.state() == "in"


def test_instances_survive_new_libvirt_and_compute_containers(cloud: Tool) -> None:
    """QEMU keeps its process when both containers are killed, removed and made anew."""
    before = cloud.qemu_processes()
    assert before
    for name in ("nova-libvirt", "nova-compute"):
        cloud.on_host(f"podman rm -f -t 0 {name}")
    assert cloud.qemu_processes() == before
    cloud.run("apply", "--yes")
    assert cloud.qemu_processes() == before
    cloud.run("apply", "--yes")


def test_an_override_remakes_one_container(cloud: Tool) -> None:
    """One changed option of one service: exactly one container is made anew."""
    folder = cloud.directory / "config"
    folder.mkdir(exist_ok=True)
    (folder / "nova-scheduler.conf").write_text("[DEFAULT]\nreserved_host_memory_mb = 111\n")
    try:
        before = cloud.starts()
        cloud.run("apply", "--yes")
        assert changed(before, cloud.starts()) == {"nova-scheduler"}
    finally:
        shutil.rmtree(folder)
        cloud.run("apply", "--yes")


def test_no_secret_stands_where_it_must_not(cloud: Tool) -> None:
    """No secret in environments, labels, arguments or logs: each value is looked for."""
    values = secret_values(cloud.directory)
    assert len(values) > 10
    places = {
        "inspect": cloud.on_host("podman inspect $(podman ps -aq)"),
        "arguments": cloud.on_host("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"),
        "runs": "".join(
            p.read_text()
            for p in (cloud.directory / ".cloudwright/runs").rglob("*.*")
            if p.is_file()
        ),
    }
    for place, text in places.items():
        found = [name for name, value in values.items() if value in text]
        assert not found, f"{place} holds {found}"


def yaml_of(path: Path) -> dict[str, Any]:
    """A small YAML file of our own making."""
    return dict(YAML(typ="safe").load(path))


def public_key_of(address: str, ca: Path) -> str:
    """The digest of the key that a server shows, after its certificate was checked against ours.

    Chromium on Linux trusts no file: the test verifies here, and tells it the one key to take.
    """
    context = ssl.create_default_context(cafile=str(ca))
    with (
        socket.create_connection((address, 443), 10) as raw,
        context.wrap_socket(raw, server_hostname=address) as tls,
    ):
        certificate = x509.load_der_x509_certificate(tls.getpeercert(True) or b"")
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def secret_values(directory: Path) -> dict[str, str]:
    """Every password of the cloud, by name."""
    from cloudwright.execute.secrets.vault import Vault
    from cloudwright.model.secrets import Secret

    names = (
        "root/database",
        "admin/identity",
        "nova/database",
        "nova/identity",
        "glance/database",
        "glance/identity",
        "neutron/database",
        "neutron/identity",
        "keystone/database",
        "placement/identity",
        "openstack/queue",
        "memcache-tokens",
    )
    secrets = [Secret(name=n) for n in names]
    values = Vault(directory / ".cloudwright").values(secrets)
    return {s.name: values[str(s)] for s in secrets}
