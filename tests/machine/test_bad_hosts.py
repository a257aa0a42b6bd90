"""A host that cannot be used: `check`, `plan` and `apply` say what, where, why and what next, and
touch it not at all; once it can be used again, they go on."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path

import pytest

from cloudwright.errors import Missing
from cloudwright.transport.host import File
from cloudwright.transport.ssh import SshAddress, connect_ssh
from tests.machine.bench import ADDRESS, Bench

LOOKED_AT = {
    *("cores", "memory", "disk", "clock", "address", "external card"),
    *("engine", "storage", "virtualisation", "datapath", "images"),
}
"""What `check --hosts` says something of; no boot of units, for a lab host has no systemd."""


def rows(said: str) -> list[tuple[str, ...]]:
    """Of each line of the table: what was looked at, how it is, what was found, and the hint."""
    lines = [re.split("  +", line) for line in said.splitlines() if line.startswith("aio ")]
    return [(*line[1:], "")[:4] for line in lines]


def test_check_has_a_row_for_each_thing_that_it_looked_at(bench: Bench) -> None:
    said = bench.run("check", "--hosts")
    found = rows(said)
    assert {subject for subject, *_ in found} == LOOKED_AT
    assert "error" not in {severity for _, severity, *_ in found}
    assert ("external card", "ok", "eth2 is free", "") in found
    [(_, severity, engine, hint)] = [row for row in found if row[0] == "engine"]
    assert (severity, hint) == ("ok", "")
    assert re.fullmatch(r"podman [0-9.]+; Podman starts containers", engine)
    assert said.endswith("the hosts are ready\n")
    bench.usable()


def test_check_ends_with_4_where_a_port_is_taken(bench: Bench) -> None:
    with bench.taken(443):
        said = bench.run("check", "--hosts", status=4)
    [wrong] = [row for row in rows(said) if row[1] == "error"]
    assert wrong == (
        "port",
        "error",
        "port 443 is taken by perl; haproxy needs it",
        "stop that program, or move it to another port",
    )
    assert {subject for subject, *_ in rows(said)} == {*LOOKED_AT, "port"}
    assert "1 problem on the hosts" in said
    bench.usable()


def test_a_clock_that_is_ahead_is_told_with_how_far_it_is_off(bench: Bench) -> None:
    with bench.ahead(hours=1):
        said = bench.run("check", "--hosts", status=4)
        bench.refused("s ahead of this machine's", "where: aio", "run a time service (chrony)")
    [(subject, _, found, hint)] = [row for row in rows(said) if row[1] == "error"]
    assert (subject, hint) == ("clock", "run a time service (chrony) on the host")
    assert re.fullmatch(r"\+3[56]\d\d\.\d s from this machine's", found)
    assert "1 problem on the hosts" in said
    assert ("clock", "ok", "+0.0 s from this machine's", "") in rows(bench.run("check", "--hosts"))
    bench.usable()


def test_a_wrong_key_is_not_let_in(bench: Bench, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    whole = bench.file.read_text()
    bench.file.write_text(f"{whole}\nssh: {{key: {json.dumps(str(stranger))}}}\n")
    try:
        bench.refused("aio does not let us in", f"where: root@{ADDRESS}:22", "authorized_keys")
    finally:
        bench.file.write_text(whole)
    bench.usable()


def test_a_changed_host_key_is_refused(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    known = bench.keys / "known_hosts"
    whole = known.read_text()
    key = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    known.write_text(f"{ADDRESS} {key}\n")
    try:
        bench.refused("the host key of aio has changed", "someone may be in between")
        known.write_text("")
        bench.refused("the host key of aio is not known", "compare it")
    finally:
        known.write_text(whole)
    bench.usable()


def test_a_host_without_an_engine_says_how_to_get_one(bench: Bench) -> None:
    with bench.without_engine():
        bench.refused("no container engine answers", "where: aio", "apt-get install podman")
    bench.usable()


@pytest.mark.parametrize(
    ("port", "container"), [(11211, "memcached"), (443, "haproxy"), (4369, "rabbitmq")]
)
def test_a_port_that_is_taken_is_told_with_who_has_it(
    bench: Bench, port: int, container: str
) -> None:
    with bench.taken(port):
        bench.refused(f"port {port} is taken by perl; {container} needs it", "where: aio")
    bench.usable()


def test_a_host_without_space_is_told_before_anything_is_written(bench: Bench) -> None:
    bench.on_host("mount -t tmpfs -o size=8m none /etc/cloudwright")
    try:
        bench.refused("no space: 8 MiB are free below /etc/cloudwright", "make room")
    finally:
        bench.on_host("umount /etc/cloudwright")
    bench.usable()


def test_a_disk_that_fills_up_leaves_the_old_file_whole(bench: Bench) -> None:
    """What was there stays as it was, and no half of what did not fit is left beside it."""
    small = "/etc/small"
    bench.on_host(f"mkdir {small} && mount -t tmpfs -o size=64k none {small}")

    async def write() -> Missing:
        keys = bench.keys
        address = SshAddress(
            host=ADDRESS, key_file=keys / "id_ed25519", known_hosts=keys / "known_hosts"
        )
        host = await connect_ssh("aio", address)
        try:
            await host.put([File(path=f"{small}/file", content=b"old")])
            new = [File(path=f"{small}/{name}", content=b"x" * 40_000) for name in ("file", "two")]
            with pytest.raises(Missing) as caught:
                await host.put(new)
            assert await host.get(f"{small}/file") == b"old"
            return caught.value
        finally:
            await host.close()

    try:
        error = asyncio.run(write())
        assert error.what == f"no space left on the device below {small}"
        assert "make room" in error.hint
        assert error.where == "aio"
        assert bench.on_host(f"ls -A {small}") == "file\n"
    finally:
        bench.on_host(f"umount {small} && rmdir {small}")


def test_a_host_that_is_off_is_told(bench: Bench) -> None:
    bench.run("lab", "kill", "aio")
    try:
        bench.refused("aio", f"where: root@{ADDRESS}:22", "see that")
    finally:
        bench.run("lab", "boot", "aio")
    bench.usable()
