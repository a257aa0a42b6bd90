"""How long a look at many hosts takes that finds nothing to do: real sshd, real files.

Each host is a network name space with an sshd, an /etc/cloudwright and a /var/lib/cloudwright of
its own, on a bridge that goes with it. Its container engine is the fake that ships, so that what
is measured is ours: one SSH connection per host, facts, and the real content of every config file.
Usage: no_op_hosts.py [N]
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from cloudwright.engine.api import ContainerSpec
from cloudwright.engine.fake import FakeEngine
from cloudwright.engine.fake_container import Process
from cloudwright.execute.host.config import look, started_command, write_config
from cloudwright.execute.host.container import spec_of
from cloudwright.execute.host.fleet import Fleet, open_fleet
from cloudwright.execute.host.judge import container_seen, files_seen
from cloudwright.execute.host.kvm import PROBE
from cloudwright.execute.look.survey import holdings, survey
from cloudwright.execute.secrets.vault import Vault
from cloudwright.images.schemas import Schemas
from cloudwright.model.cloud import Cloud, Ssh
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.plan.blueprint import Blueprint, World, make_blueprint
from cloudwright.plan.steps import MakeVolume, RunContainer, WriteFiles
from cloudwright.services import SERVICES
from cloudwright.transport.host import Host

sys.path.insert(0, str(Path(__file__).parent))
from scale import cloud_yaml

BRIDGE = "cwnoop"
GOAL_SECONDS = 5


def main(count: int) -> int:
    """Measure and print; 1 when it took longer than the goal."""
    with tempfile.TemporaryDirectory(prefix="cloudwright-noop-") as name:
        folder = Path(name)
        (folder / "cloud.yaml").write_text(cloud_yaml(count))
        cloud = load(folder / "cloud.yaml")
        with hosts(cloud, folder):
            return asyncio.run(measure(with_keys(cloud, folder), folder))


def with_keys(cloud: Cloud, folder: Path) -> Cloud:
    """The cloud whose hosts let our key in."""
    ssh = Ssh(key=str(folder / "user"), known_hosts=str(folder / "known_hosts"))
    return replace(cloud, hosts=tuple(replace(h, ssh=ssh) for h in cloud.hosts))


async def measure(cloud: Cloud, folder: Path) -> int:
    """Make every host whole, then look at all of them from the start, and say how long it took."""
    engines = {h.name: FakeEngine(h.name, program=program) for h in cloud.hosts}
    for image in (s.image.name for s in SERVICES if s.image):
        for engine in engines.values():
            engine.add_image(f"{cloud.images.prefix}/{image}:{cloud.release}")

    async def engine_of(host: Host) -> FakeEngine:
        engines[host.name].lost = False  # as a new connection to it
        return engines[host.name]

    vault = Vault(folder / "state")
    async with open_fleet(cloud, folder, find_engine=engine_of) as fleet:
        blueprint = await declared(fleet, cloud)
        values = await asyncio.to_thread(vault.values, set(blueprint.secrets.values()))
        await asyncio.gather(*(fill(fleet, blueprint, h.name, values) for h in cloud.hosts))
    spent, began = time.process_time(), time.monotonic()
    async with open_fleet(cloud, folder, find_engine=engine_of) as fleet:
        connected = time.monotonic() - began
        blueprint = await declared(fleet, cloud)
        found = await asyncio.gather(
            *(wrong(fleet, blueprint, h.name, values) for h in cloud.hosts)
        )
        took, processor = time.monotonic() - began, time.process_time() - spent
        count = sessions(folder)
    assert sum(found) == 0, f"{sum(found)} steps are not as declared"
    assert count == 2 * len(cloud.hosts), f"{count} logins in two runs"
    files = sum(
        len(s.action.files) for s in blueprint.steps.values() if isinstance(s.action, WriteFiles)
    )
    print(
        f"{len(cloud.hosts)} hosts, {len(blueprint.steps)} steps, {files} files read: "
        f"{took:.1f} s, goal {GOAL_SECONDS} s "
        f"(connected after {connected:.1f} s; {processor:.1f} s of our processor)"
    )
    return int(took > GOAL_SECONDS)


def program(spec: ContainerSpec) -> Process:
    """Services run; no guest boots, which is asked once and kept on the host."""
    return Process(seconds=0, exit_code=1) if spec.name == PROBE else Process()


async def declared(fleet: Fleet, cloud: Cloud) -> Blueprint:
    """All that must exist, from the facts of the real hosts."""
    found = await survey(fleet, cloud, holdings(fleet, cloud, {}))
    return make_blueprint(
        cloud,
        SERVICES,
        World(facts=found.facts),
        Overrides(),
        Schemas(release=cloud.release).of,
    )


async def fill(fleet: Fleet, blueprint: Blueprint, name: str, values: Mapping[str, str]) -> None:
    """Make a host what it shall be."""
    host, engine = fleet.host(name), fleet.engine(name)
    for step in blueprint.steps.values():
        if step.host != name:
            continue
        match step.action:
            case WriteFiles() as action:
                await write_config(host, action, values)
                await host.run(started_command(action.directory))
            case MakeVolume(volume=volume):
                await engine.create_volume(volume, {})
            case RunContainer() as action:
                await engine.create(spec_of(step, action.body, blueprint.cloud))
                await engine.start(action.container)
            case _:
                pass


async def wrong(fleet: Fleet, blueprint: Blueprint, name: str, values: Mapping[str, str]) -> int:
    """How many of a host's files and containers are not as declared."""
    own = [s for s in blueprint.steps.values() if s.host == name]
    wanted = {s.id: s.action for s in own if isinstance(s.action, WriteFiles)}
    configs = (await look(fleet.host(name), wanted, values, dict)).configs
    states = {c.name: c for c in await fleet.engine(name).containers()}
    count = 0
    for step in own:
        match step.action:
            case WriteFiles():
                count += files_seen(step, configs[step.id]).digest != step.digest
            case RunContainer(container=container):
                config = next((configs[n] for n in step.needs if n in configs), None)
                seen = container_seen(step, states[container], config, blueprint.cloud)
                count += seen.digest != step.digest
            case _:
                pass
    return count


def sessions(folder: Path) -> int:
    """How often somebody logged in to any of the hosts."""
    logs = folder.glob("log-*")
    return sum(log.read_text(errors="replace").count("Accepted publickey") for log in logs)


@contextlib.contextmanager
def hosts(cloud: Cloud, folder: Path) -> Iterator[None]:
    """Bridge, name spaces and servers; all gone afterwards, whatever happens."""
    for key in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
    (folder / "authorized_keys").write_text((folder / "user.pub").read_text())
    public = (folder / "host.pub").read_text()
    (folder / "known_hosts").write_text("".join(f"{h.address} {public}" for h in cloud.hosts))
    servers: list[subprocess.Popen[bytes]] = []
    try:
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", "10.0.254.1/16", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        for number, host in enumerate(cloud.hosts):
            servers.append(serve(number, host.address, folder))
        wait_for(cloud)
        yield
    finally:
        for server in servers:
            server.kill()
            server.wait()
        for number in range(len(cloud.hosts)):
            run("ip", "netns", "del", f"{BRIDGE}{number}", check=False)
        run("ip", "link", "del", BRIDGE, check=False)


def serve(number: int, address: str, folder: Path) -> subprocess.Popen[bytes]:
    """One host: its name space, its card, its sshd with an /etc/cloudwright of its own."""
    space, card = f"{BRIDGE}{number}", f"cwn{number}"
    run("ip", "netns", "add", space)
    run("ip", "link", "add", card, "type", "veth", "peer", "name", "eth0", "netns", space)
    run("ip", "link", "set", card, "master", BRIDGE, "up")
    run("ip", "-n", space, "address", "add", f"{address}/16", "dev", "eth0")
    run("ip", "-n", space, "link", "set", "eth0", "up")
    run("ip", "-n", space, "link", "set", "lo", "up")
    config = folder / f"sshd-{number}"
    config.write_text(
        f"ListenAddress {address}\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nAllowStreamLocalForwarding yes\n"
    )
    start = (
        "mkdir -p /etc/cloudwright /var/lib/cloudwright /run/sshd; "
        "for own in /etc/cloudwright /var/lib/cloudwright; do mount -t tmpfs tmpfs $own; done; "
        # Not what root of this machine starts at each login: a hundred hosts share its processors.
        "mount -t tmpfs tmpfs /root; "
        f"exec /usr/sbin/sshd -D -e -f {config}"
    )
    with (folder / f"log-{number}").open("wb") as log:
        argv = ["ip", "netns", "exec", space, "unshare", "-m", "sh", "-c", start]
        return subprocess.Popen(argv, stderr=log)


def wait_for(cloud: Cloud) -> None:
    """Until every sshd answers."""
    import socket

    for host in cloud.hosts:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection((host.address, 22), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise


def run(*argv: str, check: bool = True) -> None:
    subprocess.run(argv, check=check, capture_output=not check)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 100))
