"""Changes to a cloud that is in use: nobody notices one, and one survives the loss of a site."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from openstack import connect

from tests.cloud.tool import WHOLE_SECONDS, Tool, eventually
from tests.ha.conftest import NETWORK

VIRTUAL = f"{NETWORK}0.10"
CONTROLLERS = {"ctl-a": f"{NETWORK}0.11", "ctl-b": f"{NETWORK}0.12"}
PAUSE_SECONDS = 0.2
RETRY_SECONDS = 1.0
"""A client's pause before its one more try, as clients of OpenStack make."""

REMADE = {
    "keystone.conf": "[DEFAULT]\nlist_limit = {}\n",
    "nova.conf": "[api]\nmax_limit = {}\n",
    "neutron.conf": "[DEFAULT]\npagination_max_limit = {}\n",
}
"""Options that no running process takes: of three APIs, and all else that reads these files."""


@pytest.fixture(scope="module")
def overridden(two_sites: Tool) -> Iterator[Callable[[int], None]]:
    """Sets each of `REMADE`; after the last test they are as they were, and applied."""
    folder = two_sites.directory / "config"

    def put(value: int) -> None:
        folder.mkdir(exist_ok=True)
        for name, text in REMADE.items():
            (folder / name).write_text(text.format(value))

    yield put
    for name in REMADE:
        (folder / name).unlink(missing_ok=True)
    two_sites.run("apply", "--yes")


@contextmanager
def asked_again_and_again(cloud: Tool) -> Iterator[list[str]]:
    """Users of each API through the cloud's address, all the while; what failed twice."""
    failed: list[str] = []
    stop = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.state / "clouds.yaml"))
        sdk = connect(cloud.name)
        headers = sdk.session.get_auth_headers()
        services = ("identity", "compute", "network", "image", "placement")
        urls = {kind: sdk.endpoint_for(kind) for kind in services}
        sdk.close()
    paths = {"compute": "/servers", "network": "/v2.0/networks", "image": "/v2/images"}
    trust = ssl.create_default_context(cafile=str(cloud.state / "ca.pem"))

    def once(client: httpx.Client, url: str) -> str:
        try:
            answer = client.get(url, headers=headers)
        except httpx.HTTPError as err:
            return repr(err)
        return "" if answer.is_success else f"{answer.status_code} {answer.text[:200]}"

    def ask(kind: str) -> None:
        url = urls[kind].rstrip("/") + paths.get(kind, "/")
        number = 0
        while not stop.is_set():
            # A connection of its own each time, as most clients make.
            with httpx.Client(verify=trust, timeout=30) as client:
                number += 1
                if once(client, url):
                    stop.wait(RETRY_SECONDS)
                    if why := once(client, url):
                        failed.append(f"{kind}: {why}")
            stop.wait(PAUSE_SECONDS)
        print(f"{kind}: {number} requests")

    users = [threading.Thread(target=ask, args=[kind]) for kind in urls]
    for user in users:
        user.start()
    try:
        yield failed
    finally:
        stop.set()
        for user in users:
            user.join()


def test_a_change_of_every_api_is_noticed_by_nobody(
    two_sites: Tool, overridden: Callable[[int], None]
) -> None:
    """Container by container, each out of the load balancers first: no request fails twice."""
    two_sites.await_whole()
    before = {name: at(two_sites, name) for name in CONTROLLERS}
    overridden(997)
    with asked_again_and_again(two_sites) as failed:
        began = time.monotonic()
        two_sites.run("apply", "--yes")
        print(f"applied in {time.monotonic() - began:.1f} s")
    assert failed == []
    for name, starts in before.items():
        now = at(two_sites, name)
        remade = {c for c in starts if now[c] != starts[c]}
        assert remade >= {"keystone-api", "nova-api", "nova-conductor", "neutron-api"}
        assert not remade & {"mariadb", "rabbitmq", "haproxy", "ovn-nb-db", "glance-api"}
    assert two_sites.plan() == {}


def applied(cloud: Tool) -> bool:
    """Whether an `apply` went through."""
    run = cloud.start("apply", "--yes")
    print(run.communicate()[0])
    return run.returncode == 0


def at(cloud: Tool, host: str) -> dict[str, str]:
    """Container → which one it is, on a controller."""
    text = cloud.at(CONTROLLERS[host], "podman ps --format '{{.Names}} {{.ID}}'")
    return dict(line.split() for line in text.splitlines())


def test_a_site_is_lost_in_the_middle_of_a_change(
    two_sites: Tool, overridden: Callable[[int], None]
) -> None:
    """The run says what it does not reach and leaves what serves alone; the next ends the work."""
    two_sites.await_whole()
    there = at(two_sites, "ctl-b")
    overridden(996)
    run = two_sites.start("apply", "--yes", "--plain")
    assert run.stdout
    lines: list[str] = []
    try:
        for line in run.stdout:
            lines.append(line)
            if " done keystone/keystone-api@" in line:
                break
        two_sites.run("lab", "kill", "site:a")
        lines += run.stdout
        assert run.wait() == 1, "".join(lines)
        said = "".join(lines)
        assert "ctl-a" in said and "cmp-a" in said
        two_sites.openstack("server", "list")
        now = at(two_sites, "ctl-b")
        assert now.keys() == there.keys()
        # Nor does the next one stop what now serves alone.
        again = two_sites.start("apply", "--yes", "--plain")
        print(again.communicate()[0])
        assert again.returncode != 0
        two_sites.openstack("server", "list")
    finally:
        two_sites.run("lab", "boot", "site:a")
        if run.poll() is None:
            run.kill()
            run.wait()
    # While the site boots it is refused: what would be stopped has nobody else yet.
    eventually(lambda: applied(two_sites), seconds=WHOLE_SECONDS, what="an apply to end the work")
    two_sites.await_whole()
    assert two_sites.plan() == {}
    assert all(at(two_sites, "ctl-b")[c] != there[c] for c in ("keystone-api", "nova-api"))
