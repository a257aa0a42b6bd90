"""Keys change under a running cloud, and who is logged in notices nothing."""

from __future__ import annotations

import json
import ssl

import httpx

from tests.cloud.tool import ADDRESS, Tool, changed

KEYS = "/etc/keystone/fernet-keys"
URL = f"https://{ADDRESS}:5000/v3/auth/tokens"


def issue(cloud: Tool) -> str:
    """A new token."""
    token: str = json.loads(cloud.openstack_do("token", "issue", "-f", "json"))["id"]
    return token


def status_of(cloud: Tool, token: str) -> int:
    """What Keystone says of it; without a cache it must decrypt it."""
    cloud.on_host("podman restart memcached")
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    trusted = ssl.create_default_context(cafile=str(cloud.state / "ca.pem"))
    with httpx.Client(verify=trusted, trust_env=False) as client:
        return client.get(URL, headers=headers, timeout=60).status_code


def used(cloud: Tool) -> tuple[str, str]:
    """Digests of the key that waits and of the one that makes tokens, as Keystone has them."""
    lines = cloud.on_host(f"podman exec keystone-api sha256sum {KEYS}/0 {KEYS}/4").splitlines()
    waiting, primary = (line.split()[0] for line in lines)
    return waiting, primary


def test_a_token_outlives_its_key(cloud: Tool) -> None:
    old, before = issue(cloud), cloud.starts()
    waiting, primary = used(cloud)
    cloud.run("rotate", "tokens", "--yes")
    assert changed(before, cloud.starts()) == set()
    assert used(cloud)[1] == waiting != primary
    assert status_of(cloud, old) == 200
    new = issue(cloud)
    cloud.run("rotate", "tokens", "--yes")
    assert [status_of(cloud, token) for token in (old, new)] == [200, 200]
    assert cloud.plan() == {}


def test_keys_are_not_changed_while_keystone_is_not_as_declared(cloud: Tool) -> None:
    before = used(cloud)
    cloud.on_host("echo '# by hand' >> /etc/cloudwright/keystone-api/keystone.conf")
    output = cloud.run("rotate", "tokens", "--yes", status=3)
    assert "`cloudwright apply` first" in output
    cloud.run("apply", "--yes")
    assert (used(cloud), cloud.plan()) == (before, {})
