"""What becomes of a compute host whose libvirt dies at the worst moment."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from tests.cloud.tool import Instance, Tool, eventually

ASKED_SECONDS = 60

NOVA = r'users:\(\("[^"]*",pid={pid},'


def test_compute_outlives_a_libvirt_that_dies_in_the_middle_of_a_question(
    cloud: Tool, instance: Instance
) -> None:
    """The thread that asks is then told of the death by libvirt's library, while it holds the
    lock that it needs to note it; whoever came after waited for ever."""
    before = cloud.qemu_processes()
    libvirt = cloud.on_host("pgrep -x libvirtd").strip()
    compute = cloud.on_host("pgrep -fo nova_compute.py").strip()
    with ThreadPoolExecutor(1) as pool:
        cloud.on_host(f"kill -STOP {libvirt}")
        try:
            asking = pool.submit(console, cloud)
            eventually(
                lambda: unread_questions(cloud, compute),
                seconds=ASKED_SECONDS,
                what="a question of Nova's that libvirt does not read",
            )
        finally:
            cloud.on_host(f"kill -KILL {libvirt}")
        asking.exception()  # it may have its answer yet, or have been told that there is none
    cloud.run("apply", "--yes")
    cloud.await_whole()
    assert "guest: ready" in console(cloud)
    assert cloud.qemu_processes() == before
    assert cloud.on_host("pgrep -fo nova_compute.py").strip() == compute


def console(cloud: Tool) -> str:
    """The console of the instance, which Nova asks libvirt about."""
    return cloud.openstack_do("console", "log", "show", "cloudwright-smoke")


def unread_questions(cloud: Tool, compute: str) -> int:
    """Bytes that nova-compute wrote to libvirt's socket and libvirt has not read.

    ss(8) gives what is unread at the end that shall read it, which names the other end's inode.
    """
    lines = cloud.on_host("ss -Hxp state connected").splitlines()
    mine = re.compile(NOVA.format(pid=compute))
    ends = {inode(line) for line in lines if mine.search(line)}
    unread = [line for line in lines if "libvirt-sock" in line and peer(line) in ends]
    return sum(int(line.split()[2]) for line in unread)


def inode(line: str) -> str:
    """The socket's own, of a line of ss(8)."""
    return line.split()[5]


def peer(line: str) -> str:
    """That of its other end."""
    return line.split()[7]
