"""A frozen API leaves its pool by the load balancer's checks, and comes back with an answer."""

from __future__ import annotations

import csv
import ssl
from collections.abc import Iterator

import httpx
import pytest

from tests.cloud.tool import ADDRESS, Tool, eventually

STATISTICS = f"http://{ADDRESS}:13999/;csv"
SECONDS = 300
PLACEMENT = 8780


def servers() -> dict[str, dict[str, str]]:
    """Pool → what HAProxy itself says of its only member."""
    text = httpx.get(STATISTICS, trust_env=False, timeout=60).text
    rows = csv.DictReader(text.removeprefix("# ").splitlines())
    return {r["pxname"]: r for r in rows if r["svname"] not in ("FRONTEND", "BACKEND")}


@pytest.fixture
def frozen(cloud: Tool) -> Iterator[str]:
    """Every process of Placement's API, stopped where it stands as a hung one is."""
    pids = cloud.on_host("podman top placement-api hpid | tail -n +2").split()
    assert pids
    cloud.on_host(f"kill -STOP {' '.join(pids)}")
    try:
        yield "placement-api"
    finally:
        cloud.on_host(f"kill -CONT {' '.join(pids)}")


def test_a_frozen_api_leaves_the_pool_and_comes_back(cloud: Tool, frozen: str) -> None:
    trusted = ssl.create_default_context(cafile=str(cloud.state / "ca.pem"))
    api = httpx.Client(
        base_url=f"https://{ADDRESS}:{PLACEMENT}", verify=trusted, trust_env=False, timeout=60
    )
    before = servers()
    gone = eventually(
        lambda: servers()[frozen]["status"] == "DOWN", seconds=SECONDS, what="out of the pool"
    )
    seen = servers()[frozen]
    assert int(seen["chkfail"]) - int(before[frozen]["chkfail"]) >= 2
    # A frozen process is met in the TLS handshake, or after it where the connection was kept.
    # A star before it: the next check is on its way.
    assert seen["check_status"].removeprefix("* ") in ("L6TOUT", "L7TOUT")
    # Whoever calls is told at once, and does not hang with it.
    assert api.get("/").status_code == 503
    assert any("placement-api is running, no answer" in line for line in cloud.ill())

    pids = cloud.on_host("podman top placement-api hpid | tail -n +2").split()
    cloud.on_host(f"kill -CONT {' '.join(pids)}")
    back = eventually(
        lambda: servers()[frozen]["status"].startswith("UP"), seconds=SECONDS, what="in the pool"
    )
    print(f"left the pool after {gone:.1f} s, was back {back:.1f} s after it answered again")
    assert api.get("/").status_code == 200
    after = servers()
    assert after.keys() == before.keys()
    cloud.await_whole()
