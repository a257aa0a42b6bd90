"""Two sites and a witness on lab hosts with their real database, queue and OVN clusters."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest
from pymysql.constants import ER

from cloudwright.declare.oslo import NORTHBOUND_PORT, QUEUE_PORT
from cloudwright.execute.central import amqp
from cloudwright.execute.secrets.vault import Vault
from cloudwright.model.load import load
from cloudwright.model.renewal import latest
from cloudwright.model.secrets import Secret
from cloudwright.plan.certificates import certificates
from cloudwright.services import SERVICES
from tests.cloud.tool import Tool, eventually
from tests.leftovers import remove_labs_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "two-sites.yaml"
CLUSTERS = tuple(
    word for name in ("mariadb", "rabbitmq", "ovn", "self-fence") for word in ("--only", name)
)
SECONDS = 300
LED = re.compile(r"(?m)^Leader: (?!unknown)")
"""What a member of a raft says that knows its leader."""
BEGIN_ANEW = {ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK}
"""What a member answers to a statement that a change of the cluster's members met."""

NETWORK = "10.67."
ADDRESSES = {
    name: f"{NETWORK}0.{n}" for name, n in (("ctl-a", 11), ("ctl-b", 12), ("witness", 13))
}
QUEUE = "proof"
NORTHBOUND = (
    "podman exec ovn-nb-db ovn-nbctl --timeout=20 --no-leader-only --db=ssl:{address}:{port}"
    " -p /etc/cloudwright/tls.key -c /etc/cloudwright/tls.crt -C /etc/cloudwright/ca.pem"
)


MEMBERS = {
    4567: "mariadb",
    5671: "rabbitmq",
    6641: "ovn-nb-db",
    6642: "ovn-sb-db",
    6643: "ovn-nb-db",
    6644: "ovn-sb-db",
}
"""Port → the container whose name its certificate has. Members of the queue speak with nobody who
has no certificate (25672)."""


class Clusters:
    """The example's controllers and witness; its compute hosts are left out."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool

    def on(self, host: str, command: str, *, check: bool = True) -> str:
        """What a command prints on a lab host."""
        return self.tool.at(ADDRESSES[host], command, check=check)

    def ready(self, *hosts: str) -> list[str]:
        """Those of `hosts` whose database member is whole, as its agent says."""
        found = []
        for host in hosts:
            try:
                answer = httpx.get(f"http://{ADDRESSES[host]}:13307/ready", timeout=3)
            except httpx.HTTPError:
                continue
            if answer.status_code == 200:
                found.append(host)
        return found

    def sql(self, host: str, *statements: str) -> list[tuple[object, ...]]:
        """The rows of the last statement, from the database member of `host`, as root."""
        accounts = self.on(host, "cat /etc/cloudwright/mariadb/init.sql")
        found = re.search(r"'root'@'%' IDENTIFIED BY '([^']+)'", accounts)
        assert found
        member = pymysql.connect(
            host=ADDRESSES[host],
            user="root",
            password=found[1],
            autocommit=True,
            connect_timeout=5,
            read_timeout=30,
        )
        with closing(member), member.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def write(self, host: str, number: int, *, settling: bool = False) -> None:
        """One row, acknowledged; begun anew where the database says so, as its users do, and while
        it is `settling` after the loss of a member also where it says that it is not ready."""
        again = BEGIN_ANEW | ({ER.UNKNOWN_COM_ERROR} if settling else set())
        statements = (
            "CREATE DATABASE IF NOT EXISTS proof",
            "CREATE TABLE IF NOT EXISTS proof.seen (n INT PRIMARY KEY)",
            f"INSERT IGNORE INTO proof.seen VALUES ({number})",
        )

        def written() -> bool:
            try:
                self.sql(host, *statements)
            except pymysql.OperationalError as error:
                if error.args[0] not in again:
                    raise
                return False
            return True

        eventually(written, seconds=SECONDS, what=f"{host} to take a write")

    def until(self, what: str, so: Callable[[], object]) -> float:
        """Wait until it is `so`; the seconds that it took."""
        return eventually(so, seconds=SECONDS, what=what)

    def both(self, what: str) -> float:
        """Wait until both members of the database are ready; the seconds that it took."""
        return self.until(what, lambda: len(self.ready("ctl-a", "ctl-b")) == 2)

    def whole(self) -> None:
        """Wait until both members and the arbitrator are one cluster: what has booted a moment ago
        has no vote yet."""
        asked = "SELECT variable_value FROM information_schema.global_status WHERE "
        size = asked + "variable_name = 'wsrep_cluster_size'"

        def three() -> bool:
            ready = self.ready("ctl-a", "ctl-b")
            return len(ready) == 2 and self.sql("ctl-a", size) == [("3",)]

        eventually(three, seconds=SECONDS, what="the whole cluster")

    def rows(self, host: str) -> set[object]:
        """Every row that the member of `host` has."""
        return {n for (n,) in self.sql(host, "SELECT n FROM proof.seen")}

    def queue_members(self, host: str) -> int:
        """How many members of the queue run, as one of them says; 0 when it is down itself."""
        ask = "podman exec rabbitmq rabbitmqctl cluster_status --formatter json"
        _, brace, rest = self.on(host, ask, check=False).partition("{")
        return len(json.loads(brace + rest)["running_nodes"]) if brace else 0

    def whole_queue(self) -> None:
        """Wait until every member of the queue takes clients and knows of all others."""

        def all_open() -> bool:
            try:
                for address in ADDRESSES.values():
                    socket.create_connection((address, QUEUE_PORT), timeout=3).close()
            except OSError:
                return False
            return all(self.queue_members(host) == len(ADDRESSES) for host in ADDRESSES)

        eventually(all_open, seconds=SECONDS, what="the whole queue")

    def copies(self, host: str) -> int:
        """How many members keep the queue of `publish`."""
        ask = "podman exec rabbitmq rabbitmqctl --quiet list_queues name members --formatter json"
        found = json.loads(self.on(host, ask))
        return next(len(queue["members"]) for queue in found if queue["name"] == QUEUE)

    def lose_disk(self, host: str) -> None:
        """Take the members on a host away, with all that they keep."""
        members = ("mariadb", "rabbitmq", "ovn-nb-db", "ovn-sb-db")
        self.on(host, f"podman rm -f -t 0 {' '.join(members)}")
        self.on(host, f"podman volume rm {' '.join(m.replace('-', '_') for m in members)}")

    @contextmanager
    def transfer_to(self, host: str) -> Iterator[None]:
        """For the length of the block the member of `host` is in the middle of being given all
        data anew."""
        self.on(host, "podman stop -t 60 mariadb")
        volume = self.on(host, "podman volume inspect mariadb --format '{{.Mountpoint}}'").strip()
        self.on(host, f"rm {volume}/grastate.dat && podman start mariadb")
        self.on(host, "until pkill -STOP socat; do sleep 0.02; done")
        yield
        self.on(host, "pkill -CONT socat")

    def publish(self, host: str, *bodies: bytes) -> None:
        """Messages in one queue that every member keeps, each confirmed, through `host`."""

        async def tell(channel: amqp.Channel) -> None:
            await channel.confirm()
            for body in bodies:
                await channel.publish(QUEUE, body)

        asyncio.run(self._with_queue(host, tell))

    def messages(self, host: str) -> list[bytes]:
        """Every message of that queue, taken out of it through `host`."""
        found: list[bytes] = []

        async def take(channel: amqp.Channel) -> None:
            while (body := await channel.get(QUEUE)) is not None:
                found.append(body)

        asyncio.run(self._with_queue(host, take))
        return found

    async def _with_queue(
        self, host: str, do: Callable[[amqp.Channel], Coroutine[Any, Any, None]]
    ) -> None:
        secret = Secret(name="openstack/queue")
        password = Vault(self.tool.state).values([secret])[str(secret)]
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(
                ADDRESSES[host], QUEUE_PORT, ssl=self.trust(host)
            )
            try:
                proposal = await amqp.log_in(reader, writer, "openstack", password)
                await amqp.open_vhost(reader, writer, proposal, "/")
                channel = await amqp.open_channel(reader, writer)
                await channel.declare_quorum(QUEUE, 3)
                await do(channel)
            finally:
                writer.close()

    def northbound(self, host: str, *words: str) -> str:
        """What `ovn-nbctl` prints, asking the member of `host` alone."""
        command = NORTHBOUND.format(address=ADDRESSES[host], port=NORTHBOUND_PORT)
        return self.on(host, f"{command} {' '.join(words)}")

    def history(self, host: str) -> object:
        """The UUID of what the database member of `host` holds."""
        asked = "SELECT variable_value FROM information_schema.global_status WHERE "
        return self.sql(host, asked + "variable_name = 'wsrep_cluster_state_uuid'")

    def raft_numbers(self, host: str) -> set[str]:
        """The numbers of the raft clusters that the member of `host` is in."""
        lines = [line for text in self.raft(host) for line in text.splitlines()]
        return {line for line in lines if line.startswith("Cluster ID")}

    def raft(self, host: str, *, check: bool = True) -> list[str]:
        """What each of OVN's databases says of its cluster; without `check` nothing of one that
        is down."""
        status = "podman exec ovn-{0}-db ovs-appctl -t /run/ovn/ovn{0}_db.ctl cluster/status {1}"
        return [
            self.on(host, status.format(kind, name), check=check)
            for kind, name in (("nb", "OVN_Northbound"), ("sb", "OVN_Southbound"))
        ]

    def votes(self) -> int:
        """How many votes the raft has that counts most."""
        texts = [text for host in ADDRESSES for text in self.raft(host)]
        return max(text.partition("Servers:")[2].count(" at ssl:") for text in texts)

    def whole_raft(self) -> None:
        """Wait until every member of OVN's databases knows its leader."""

        def without_leader() -> list[str]:
            told = ((host, text) for host in ADDRESSES for text in self.raft(host, check=False))
            return [f"{host}: {text}" for host, text in told if not LED.search(text)]

        try:
            eventually(lambda: not without_leader(), seconds=SECONDS, what="the whole raft")
        except AssertionError as err:
            for told in without_leader():
                err.add_note(told)
            logs = "for db in nb sb; do podman logs --tail 20 ovn-$db-db 2>&1; done"
            for host in ADDRESSES:
                err.add_note(f"{host}: {self.on(host, logs, check=False)}")
            raise

    def trust(self, host: str = "ctl-a") -> ssl.SSLContext:
        """What a client of the clusters trusts, as `host` has it."""
        return ssl.create_default_context(
            cadata=self.on(host, "cat /etc/cloudwright/rabbitmq/ca.pem")
        )

    def certificate(self, host: str, port: int) -> dict[str, Any]:
        """What the member that listens there shows, verified for its address."""
        address = ADDRESSES[host]
        with (
            socket.create_connection((address, port), timeout=10) as plain,
            self.trust().wrap_socket(plain, server_hostname=address) as connection,
        ):
            found = connection.getpeercert()
        assert found
        return found

    def serials(self) -> dict[tuple[str, int], str]:
        """The number of the certificate that each member shows now."""
        places = [(host, port) for host in ("ctl-a", "ctl-b") for port in MEMBERS]
        return {place: self.certificate(*place)["serialNumber"] for place in places}

    def age_certificates(self, days: int) -> int:
        """Give each certificate in use a next generation that is this old; says how many."""
        then = datetime.now(UTC) - timedelta(days=days)
        cloud = load(self.tool.cloud)
        vault = Vault(self.tool.state, clock=lambda: then)
        last = latest(vault.certificates())
        known = [s for service in SERVICES for s in certificates(service, cloud)]
        aged = [
            replace(secret, generation=last[secret.lineage].generation + 1)
            for secret in known
            if secret.lineage in last
        ]
        vault.values(aged)
        return len(aged)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    """Three lab hosts, and on them the clusters alone."""
    directory = tmp_path_factory.mktemp("clusters")
    text = EXAMPLE.read_text().replace("10.66.", NETWORK).replace("two-sites", "clusters")
    # Instances are not what is tried here: their hosts' role goes to the controllers.
    head, _, rest = text.partition("  cmp-a:")
    text = head.replace("[control, network]", "[control, network, compute]")
    text += "networks:" + rest.partition("\nnetworks:")[2]
    (directory / "cloud.yaml").write_text(text)
    tool = Tool(directory)
    tool.run("doctor", "--fix")
    tool.run("images", "build", seconds=1800)
    remove_labs_in(f"{NETWORK}0.")
    try:
        tool.run("lab", "up")
        tool.run("apply", "--yes", *CLUSTERS)
        yield Clusters(tool)
    finally:
        tool.run("lab", "down", "--data")
