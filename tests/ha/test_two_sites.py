"""A cloud over two sites and a witness as it stands: zones, copies of images, nothing to do."""

from __future__ import annotations

from tests.cloud.tool import Tool, eventually
from tests.ha.conftest import NETWORK

SECONDS = 300
CONTROLLERS = (f"{NETWORK}0.11", f"{NETWORK}0.12")


def test_nothing_is_left_to_do(two_sites: Tool) -> None:
    assert two_sites.plan() == {}
    assert two_sites.ill() == []


def test_each_site_is_a_zone(two_sites: Tool) -> None:
    zones = {
        (row["Zone Name"], row["Zone Resource"])
        for row in two_sites.openstack("availability", "zone", "list", "--long")
        if row["Zone Status"] == "available"
    }
    assert {("a", "cmp-a"), ("b", "cmp-b")} <= {
        (row["Zone Name"], row["Host Name"])
        for row in two_sites.openstack("availability", "zone", "list", "--compute", "--long")
    }
    assert {("a", "router"), ("b", "router")} <= zones


def test_a_machine_image_comes_to_each_controller(two_sites: Tool) -> None:
    file = two_sites.directory / "machine.img"
    file.write_bytes(b"no machine, but bytes like any other" * 100_000)
    made = ("--disk-format", "raw", "--container-format", "bare", "--file", str(file), "copied")
    two_sites.openstack_do("image", "create", *made)
    [image] = two_sites.openstack("image", "list", "--name", "copied")
    look = (
        "podman exec -u root glance-api sha256sum "
        f"/var/lib/glance/images/{image['ID']} 2>/dev/null | cut -d' ' -f1"
    )
    sums: list[str] = []

    def everywhere() -> bool:
        sums[:] = [two_sites.at(address, look) for address in CONTROLLERS]
        return len(set(sums)) == 1 and sums[0] != ""

    taken = eventually(everywhere, seconds=SECONDS, what="the image on both controllers")
    print(f"on both controllers after {taken:.1f} s")
    two_sites.openstack_do("image", "delete", image["ID"])
    eventually(
        lambda: not any(two_sites.at(address, look) for address in CONTROLLERS),
        seconds=SECONDS,
        what="its files to go with it",
    )
