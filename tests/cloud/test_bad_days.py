"""What goes wrong on a host that runs a cloud: told clearly, nothing half-done, then put right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cloud.tool import ADDRESS, Tool, changed

CACHE_PORT = 11211
LISTENER = (
    f'perl -MIO::Socket::INET -e \'$s = IO::Socket::INET->new(LocalAddr => "{ADDRESS}",'
    f" LocalPort => {CACHE_PORT}, Listen => 1, ReuseAddr => 1) or die $!; sleep 3600'"
)


@contextmanager
def overridden(cloud: Tool, **files: str) -> Iterator[None]:
    """Operator's overrides while the block runs: container (with `_` for `-`) → content."""
    folder = cloud.directory / "config"
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{name.replace('_', '-')}.conf" for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.write_text(text)
    try:
        yield
    finally:
        for path in paths:
            path.unlink()
        folder.rmdir()


def test_a_port_that_another_program_has_is_told_before_anything_is_touched(cloud: Tool) -> None:
    cloud.on_host(
        "podman rm -f -t 5 memcached; "
        f"nohup {LISTENER} >/dev/null 2>&1 & echo $! >/run/taken; "
        f"until ss -Hltn | grep -q :{CACHE_PORT}; do sleep 0.1; done"
    )
    before = cloud.starts()
    try:
        for words in (("plan",), ("apply", "--yes")):
            said = cloud.run(*words, status=4)
            assert f"port {CACHE_PORT} is taken by perl; memcached needs it" in said
            assert "where: aio" in said
            assert "stop that program" in said
    finally:
        cloud.on_host("kill $(cat /run/taken); rm /run/taken")
    assert changed(before, cloud.starts()) == set()
    cloud.run("apply", "--yes")
    assert changed(before, cloud.starts()) == {"memcached"}
    cloud.await_whole()


def test_a_full_disk_has_nothing_half_written_and_stops_nobody_else(cloud: Tool) -> None:
    """A directory of its own that is full: its files fail, and the other step is done."""
    directory = "/etc/cloudwright/placement-api"
    cloud.on_host(f"mount -t tmpfs -o size=4k,mode=700 none {directory}")
    cloud.on_host("podman rm -f -t 5 memcached")
    before = cloud.starts()
    try:
        said = cloud.run("apply", "--yes", status=1)
        assert f"no space left on the device below {directory}" in said
        assert "placement/files/placement-api@aio" in said
        assert cloud.on_host(f"find {directory} -mindepth 1") == ""
        assert changed(before, cloud.starts()) == {"memcached"}
    finally:
        cloud.on_host(f"umount {directory}")
    cloud.run("apply", "--yes")
    assert cloud.plan() == {}
    cloud.await_whole()


def test_a_container_that_never_gets_healthy_stops_its_dependents_alone(cloud: Tool) -> None:
    """A database port that is a digit off: the error shows the line of the log that says it."""
    wrong = f"mysql+pymysql://placement:none@{ADDRESS}:13309/placement"
    broken = f"[placement_database]\nconnection = {wrong}\nmax_retries = 1\n"
    other = "[DEFAULT]\nreserved_host_memory_mb = 111\n"
    before = cloud.starts()
    with overridden(cloud, placement_api=broken, nova_scheduler=other, nova_novncproxy=other):
        said = cloud.run("apply", "--yes", status=1)
        assert "FAILED placement/placement-api@aio" in said
        assert "placement-api did not become healthy" in said
        assert "Can't connect to MySQL server" in said
        assert "skipped nova/nova-scheduler@aio because of placement/placement-api@aio" in said
        assert "1 step failed, 1 were skipped" in said
        # What does not need it went on, and what needs it runs as it was.
        assert changed(before, cloud.starts()) == {"placement-api", "nova-novncproxy"}
        assert any("placement-api" in line for line in cloud.ill())
    cloud.run("apply", "--yes")
    assert cloud.plan() == {}
    cloud.await_whole()
