"""Three hosts: what is wrong with one, or asked of one, leaves the others alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from tests.cloud.tool import eventually
from tests.machine.bench import CHANGES, NETWORK, Bench, bench_in, three_controllers

HOSTS = {f"ctl-{number}": f"{NETWORK}0.1{number}" for number in (1, 2, 3)}
MEMCACHED = ("--only", "memcached")
BOTH = (*MEMCACHED, "--only", "mariadb")
LEFT_OUT = "ctl-1 is left out: ctl-1: no container engine answers\n"
PREFIX = f"localhost/cw-three-{os.getpid()}"
OURS = "localhost/cloudwright"
STARTS = (
    "podman ps --all --quiet | xargs --no-run-if-empty "
    "podman inspect --format '{{.Name}} {{.Id}} {{.State.StartedAt}}'"
)
SECONDS = 120


def podman(*words: str, stdin: str = "") -> str:
    done = subprocess.run(["podman", *words], input=stdin, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tags() -> list[str]:
    """This machine's container images, by names that these tests may move."""
    listed = podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    ours = {name: name.replace(f"{OURS}/", f"{PREFIX}/", 1) for name in listed}
    moved = {name: new for name, new in ours.items() if name != new}
    for name, new in moved.items():
        podman("tag", name, new)
    return list(moved.values())


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Three hosts with nothing on them, and images by a name of their own."""
    made = tags()
    cloud = f"{three_controllers()}\nimages: {{prefix: {PREFIX}}}\n"
    try:
        with bench_in(tmp_path_factory.mktemp("three"), cloud) as bench:
            yield bench
    finally:
        podman("rmi", *made)


def starts(three: Bench, *, without: str = "") -> Mapping[tuple[str, str], str]:
    """(Host, container) → which it is and since when it runs."""
    found = {}
    for host, address in HOSTS.items():
        for line in three.on_host(STARTS, address=address).splitlines() if host != without else ():
            name, _, which = line.partition(" ")
            found[host, name] = which
    return found


def whole(three: Bench) -> None:
    """All is as declared, on every host."""
    three.run("apply", "--yes", *BOTH)
    three.run("plan", *BOTH)
    assert starts(three).keys() == {(h, c) for h in HOSTS for c in ("memcached", "mariadb")}


def cut_while_applying(three: Bench, step: str) -> tuple[int, str]:
    """`apply`, and no power for a step's host as soon as it has begun: how that ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudwright", "apply", "--yes", *BOTH],
        cwd=three.directory,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if f" begins {step}\n" in line:
            three.run("lab", "kill", step.partition("@")[2])
            break
    rest, _ = process.communicate(timeout=600)
    return process.returncode, "".join(said) + rest


def test_one_without_an_engine_holds_up_nobody_else(three: Bench) -> None:
    with three.without_engine():
        planned = three.run("plan", *MEMCACHED, status=CHANGES)
        assert planned.startswith(LEFT_OUT)
        assert "memcached@ctl-2" in planned
        assert "@ctl-1" not in planned
        applied = three.run("apply", "--yes", *MEMCACHED, status=4)
        assert applied.startswith(LEFT_OUT)
        assert "error: ctl-1 could not be used; what could be done without is done" in applied
        status = three.run("status", status=1)
        assert LEFT_OUT in status
        rows = [line.split() for line in status.splitlines() if line.startswith("memcached ")]
        assert [(row[1], row[3]) for row in rows] == [("ctl-2", "running"), ("ctl-3", "running")]
    assert three.on_host("podman ps --quiet") == ""
    three.run("apply", "--yes", *MEMCACHED)
    assert three.on_host("podman ps --format '{{.Names}}'") == "memcached\n"


def test_what_is_asked_of_one_host_is_done_there_alone(three: Bench) -> None:
    whole(three)
    for host in ("ctl-2", "ctl-3"):
        three.on_host("podman rm --force --time 0 memcached", address=HOSTS[host])
    before = starts(three)
    three.run("apply", "--yes", "--host", "ctl-2", *MEMCACHED)
    after = starts(three)
    assert {**before, ("ctl-2", "memcached"): after["ctl-2", "memcached"]} == after
    whole(three)


def test_a_changed_image_remakes_its_containers_and_no_other(three: Bench) -> None:
    whole(three)
    before = starts(three)
    image = f"{PREFIX}/memcached:2026.2"
    podman("build", "--quiet", f"--tag={image}", "-", stdin=f"FROM {image}\nLABEL changed=yes\n")
    told = three.run("plan", *BOTH, status=CHANGES)
    assert "mariadb@" not in told
    three.run("apply", "--yes", *BOTH)
    after = starts(three)
    changed = {place for place, which in after.items() if before[place] != which}
    assert changed == {(host, "memcached") for host in HOSTS}
    assert after.keys() == before.keys()
    three.run("plan", *BOTH)


def test_a_host_that_dies_in_the_middle_holds_up_nobody_else(three: Bench) -> None:
    whole(three)
    for address in HOSTS.values():
        three.on_host("podman rm --force --time 0 memcached", address=address)
    three.on_host("podman rm --force --time 0 mariadb", address=HOSTS["ctl-2"])
    before = starts(three)
    status, said = cut_while_applying(three, "mariadb/mariadb@ctl-2")
    try:
        assert status in (1, 4), said
        assert "Traceback" not in said
        assert "ctl-2" in said.partition("error: ")[2]
        left = starts(three, without="ctl-2")
        assert {which for place, which in before.items() if place[0] != "ctl-2"} <= {
            *left.values()
        }
        assert ("ctl-1", "memcached") in left
        assert ("ctl-3", "memcached") in left
        assert "@ctl-2" not in three.run("plan", *BOTH)
    finally:
        three.run("lab", "boot", "ctl-2")
    whole(three)


def test_a_host_that_comes_back_with_an_empty_disk_is_filled_again(three: Bench) -> None:
    whole(three)
    create = "CREATE DATABASE IF NOT EXISTS kept"
    three.sql(create)
    before = starts(three)
    three.empty("ctl-3")
    assert three.on_host("podman ps -aq; podman volume ls -q", address=HOSTS["ctl-3"]) == ""
    told = three.run("plan", *BOTH, status=CHANGES)
    assert "@ctl-1" not in told
    assert "@ctl-2" not in told
    whole(three)
    after = starts(three)
    assert {p: w for p, w in after.items() if p[0] != "ctl-3"} == {
        p: w for p, w in before.items() if p[0] != "ctl-3"
    }
    kept = "SHOW DATABASES LIKE 'kept'"
    eventually(
        lambda: three.sql(kept, address=HOSTS["ctl-3"]) == "kept\n",
        seconds=SECONDS,
        what="what the others have",
    )


def test_a_full_disk_of_one_host_is_told_and_the_others_can_go_on(three: Bench) -> None:
    whole(three)
    for address in HOSTS.values():
        three.on_host("podman rm --force --time 0 memcached", address=address)
    before = starts(three)
    three.on_host("mount -t tmpfs -o size=8m none /etc/cloudwright", address=HOSTS["ctl-2"])
    try:
        said = three.run("apply", "--yes", *BOTH, status=4)
        assert "error: no space: 8 MiB are free below /etc/cloudwright" in said
        assert "where: ctl-2\n" in said
        assert starts(three) == before
        three.run("apply", "--yes", "--host", "ctl-1", "--host", "ctl-3", *MEMCACHED)
        made = starts(three).keys() - before.keys()
        assert made == {("ctl-1", "memcached"), ("ctl-3", "memcached")}
    finally:
        three.on_host("umount /etc/cloudwright", address=HOSTS["ctl-2"])
    whole(three)
