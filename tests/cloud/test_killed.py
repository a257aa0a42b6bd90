"""`kill -9` at ten random moments of an `apply`; the next one ends in the same whole world."""

from __future__ import annotations

import os
import random
import signal
import time

from cloudwright.execute.journal.journal import JOURNAL, read_journal
from cloudwright.execute.journal.timeline import timeline
from tests.cloud.tool import SQL, Tool, changed

ROUNDS = 10
LINES = 26
"""About as many lines as an `apply` of what is broken below writes."""

BREAK = f"""
podman rm -f -t 0 memcached glance-api placement-api nova-novncproxy horizon >/dev/null 2>&1
rm -rf /etc/cloudwright/horizon /etc/cloudwright/glance-api/glance-api.conf
echo '# by hand' >>/etc/cloudwright/placement-api/placement.conf
podman exec openvswitch-vswitchd \
    ovs-vsctl remove Open_vSwitch . external_ids ovn-openflow-probe-interval
podman exec rabbitmq rabbitmqctl -q clear_permissions openstack
{SQL.format("DROP USER IF EXISTS glance@'%';")}
{SQL.format("DELETE FROM keystone.endpoint WHERE url LIKE '%:8780';")}
"""

WORLD = {
    "containers": "podman ps --all --format '{{.Names}} {{.ImageID}} {{.State}}' | sort",
    "volumes": "podman volume ls --quiet | sort",
    "files": "cd /etc/cloudwright && find . -type f -exec sha256sum {} + | sort -k2",
    "modes": "cd /etc/cloudwright && find . -printf '%m %u:%g %p\\n' | sort -k3",
    "switch": "podman exec openvswitch-vswitchd ovs-vsctl get Open_vSwitch . external_ids",
    "bridges": "podman exec openvswitch-vswitchd ovs-vsctl list-br",
    "queue": "podman exec rabbitmq rabbitmqctl -q list_permissions",
    "database users": SQL.format("SELECT User, Host, authentication_string FROM mysql.user;"),
    "database rights": SQL.format("SELECT Db, User FROM mysql.db ORDER BY 1, 2;"),
    "endpoints": SQL.format(
        "SELECT s.type, e.interface, e.url FROM keystone.endpoint e"
        " JOIN keystone.service s ON s.id = e.service_id ORDER BY 1, 2;"
    ),
    "roles": SQL.format(
        "SELECT u.name, r.name FROM keystone.assignment a"
        " JOIN keystone.local_user u ON u.user_id = a.actor_id"
        " JOIN keystone.role r ON r.id = a.role_id ORDER BY 1, 2;"
    ),
}


def world(cloud: Tool) -> dict[str, str]:
    """Everything that an `apply` makes, as the host itself shows it."""
    return {part: cloud.on_host(command) for part, command in WORLD.items()}


def test_killed_at_ten_random_moments_and_whole_after_the_next(cloud: Tool) -> None:
    seed = int(os.environ.get("CLOUDWRIGHT_SEED", random.SystemRandom().randrange(10_000)))
    print(f"CLOUDWRIGHT_SEED={seed}")
    moments = random.Random(seed)
    before = world(cloud)
    killed = cut = 0
    for number in range(ROUNDS):
        cloud.on_host(BREAK, check=False)  # a killed run may not have made again what is removed
        if kill_after(cloud, moments.randint(1, LINES), moments.random(), number):
            killed += 1
            cut += len(left_running(cloud))
    assert killed > ROUNDS // 2, "most ended before they were killed"
    assert cut, "no step was ever cut"
    cloud.run("apply", "--yes")
    assert changed(before, world(cloud)) == set()
    assert cloud.plan() == {}
    cloud.await_whole()


def kill_after(cloud: Tool, lines: int, seconds: float, number: int) -> bool:
    """End an `apply` with SIGKILL so long after so many lines; whether it had not ended before."""
    process = cloud.start("apply", "--yes")
    assert process.stdout
    last = ""
    for _ in range(lines):
        last = process.stdout.readline() or last
    time.sleep(seconds)  # a step is cut within, not only as it ends
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    print(f"{number}: {process.returncode}, {seconds:.2f} s after line {lines}: {last.strip()}")
    return process.returncode == -signal.SIGKILL


def left_running(cloud: Tool) -> list[str]:
    """The steps that the last run's journal has as begun and not as ended."""
    run = max((cloud.state / "runs").iterdir())
    steps = timeline(read_journal(run / JOURNAL)).steps.values()
    return [step.id for step in steps if step.result == "running"]
