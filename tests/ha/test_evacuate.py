"""The instances of a dead site come up in the other, and its host destroys what it still has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cloud.tool import Tool, eventually
from tests.ha.conftest import NETWORK

LOST = f"{NETWORK}0.21"
SECONDS = 600
SMOKE = "cloudwright-smoke"
SECOND = "cloudwright-smoke-second"
DEAD = ("--statement", "cmp-a is dead")
GUESTS = "podman exec nova-libvirt virsh list --all --name | sed '/^$/d'"


def ran(cloud: Tool, *words: str) -> tuple[int, str]:
    process = cloud.start(*words)
    said = process.communicate(timeout=SECONDS)[0]
    print(said)
    return process.returncode, said


def server(cloud: Tool, name: str = SMOKE) -> dict[str, str]:
    [found] = cloud.openstack("server", "list", "--long", "--name", f"^{name}$")
    return found


def stopped_one(cloud: Tool) -> None:
    """An instance of a server group that was asked for in no zone, on the host that will be lost,
    and stopped. Called like the smoke test's, which removes it.
    """
    policy = ("--os-compute-api-version", "2.64", "--policy", "anti-affinity")
    cloud.openstack_do("server", "group", "create", *policy, SECOND)
    [group] = cloud.openstack("server", "group", "list")
    made = ("--image", SMOKE, "--flavor", SMOKE, "--network", f"{SMOKE}-private")
    # The first microversion that takes a host without a zone.
    where = ("--os-compute-api-version", "2.74", "--host", "cmp-a")
    member = ("--hint", f"group={group['ID']}", "--wait", SECOND)
    cloud.openstack_do("server", "create", *where, *made, *member)
    cloud.openstack_do("server", "stop", SECOND)
    eventually(
        lambda: server(cloud, SECOND)["Status"] == "SHUTOFF", seconds=SECONDS, what="its stop"
    )


def says(cloud: Tool, keys: Path, command: str) -> str:
    """What the instance answers at its floating IP; a host key is believed once per file."""
    [row] = cloud.openstack("floating", "ip", "list")
    argv = ["ssh", "-i", str(cloud.state / "smoke" / "id_ed25519"), "-o", "BatchMode=yes"]
    argv += ["-o", "ConnectTimeout=5", "-o", "StrictHostKeyChecking=accept-new"]
    argv += ["-o", f"UserKnownHostsFile={keys}", f"cloud@{row['Floating IP Address']}", command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.mark.ha
def test_instances_of_a_dead_site_come_up_in_the_other(booted: Tool, tmp_path: Path) -> None:
    cloud = booted
    cloud.await_whole()
    cloud.run("smoke", "--keep", "--zone", "a")
    assert server(cloud)["Host"] == "cmp-a"
    before, after = tmp_path / "before", tmp_path / "after"
    assert says(cloud, before, "echo there") == "there"
    stopped_one(cloud)

    refused = cloud.run("evacuate", "site:a", *DEAD, status=3)
    assert "this machine logged in to cmp-a" in refused
    cloud.run("lab", "kill", "site:a")
    cloud.run("evacuate", "site:a", *DEAD, status=3)  # Nova has heard of it a moment ago

    def missed() -> bool:
        code, said = ran(cloud, "evacuate", "site:a", "--statement", "cmp-a is well")
        assert code == 2 or "reports to Nova" in said
        return code == 2

    eventually(missed, seconds=SECONDS, what="Nova to miss the host")
    assert server(cloud)["Host"] == "cmp-a", "it was not what had to be typed"
    said = cloud.run("evacuate", "site:a", *DEAD)
    assert "was asked for in zone a" in said
    assert "rebuilt from image cloudwright-smoke" in said
    assert (server(cloud)["Host"], server(cloud)["Status"]) == ("cmp-b", "ACTIVE")
    second = server(cloud, SECOND)
    assert (second["Host"], second["Status"]) == ("cmp-b", "SHUTOFF"), "stopped as it was"
    eventually(
        lambda: says(cloud, after, "echo there") == "there",
        seconds=SECONDS,
        what="the instance at its floating IP",
    )
    assert before.read_text() != after.read_text(), "its disk is a new one, with a new host key"

    assert "no instance is on cmp-a" in cloud.run("evacuate", "site:a", *DEAD)
    assert cloud.json("status", status=1)["held_out"] == ["cmp-a"]
    cloud.run("evacuate", "--return", "site:a", status=3)

    cloud.run("lab", "boot", "site:a")
    assert "logged in to cmp-a" in cloud.run("evacuate", "site:a", *DEAD, status=3)
    eventually(
        lambda: ran(cloud, "evacuate", "--return", "site:a")[0] == 0,
        seconds=SECONDS,
        what="the host to be let in again",
    )
    assert cloud.at(LOST, GUESTS) == ""
    assert server(cloud)["Host"] == "cmp-b"
    eventually(
        lambda: says(cloud, after, "echo there") == "there",
        seconds=SECONDS,
        what="the instance, whose gateway may have moved back",
    )
    cloud.await_whole()
    assert cloud.json("status")["held_out"] == []
    cloud.openstack_do("server", "group", "delete", SECOND)
    cloud.run("smoke")
