"""An instance of the site that lives stays reachable: its router's gateway moves."""

from __future__ import annotations

import pytest

from tests.cloud.tool import Instance, Tool, eventually

SECONDS = 300


@pytest.mark.ha
def test_an_instance_is_reached_whichever_gateway_is_lost(two_sites: Tool) -> None:
    two_sites.await_whole()
    two_sites.run("smoke", "--keep", "--zone", "b")
    instance = Instance(two_sites)
    boot = instance.says("cat /proc/sys/kernel/random/boot_id")
    assert boot
    for lost in ("site:a", "ctl-b"):
        two_sites.run("lab", "kill", lost)
        silent = eventually(
            lambda: instance.says("cat /proc/sys/kernel/random/boot_id") == boot,
            seconds=SECONDS,
            what=f"the instance without {lost}",
        )
        print(f"without {lost} the instance answered after {silent:.1f} s")
        two_sites.run("lab", "boot", lost)
        two_sites.await_whole()
    two_sites.run("smoke")  # which takes the kept one away
