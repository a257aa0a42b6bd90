"""Two sites and a witness, with their real database, queue and OVN clusters, through bad days."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest
from pymysql.constants import ER

from cloudwright.execute.secrets.vault import Vault
from cloudwright.model.load import load
from cloudwright.model.renewal import latest
from cloudwright.plan.certificates import certificates
from cloudwright.services import SERVICES
from tests.cloud.tool import Tool, eventually
from tests.leftovers import remove_labs_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "two-sites.yaml"
CLUSTERS = ("--only", "mariadb", "--only", "rabbitmq", "--only", "ovn")
SECONDS = 300
BEGIN_ANEW = {ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK}
"""What a member answers to a statement that a change of the cluster's members met."""
REFUSED = "WSREP has not yet prepared|Can't connect"

ADDRESSES = {"ctl-a": "10.67.0.11", "ctl-b": "10.67.0.12", "witness": "10.67.0.13"}


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

    def write(self, host: str, number: int) -> None:
        """One row, acknowledged; begun anew where the database says so, as its users do."""
        statements = (
            "CREATE DATABASE IF NOT EXISTS proof",
            "CREATE TABLE IF NOT EXISTS proof.seen (n INT PRIMARY KEY)",
            f"INSERT INTO proof.seen VALUES ({number})",
        )

        def written() -> bool:
            try:
                self.sql(host, *statements)
            except pymysql.OperationalError as error:
                if error.args[0] not in BEGIN_ANEW:
                    raise
                return False
            return True

        eventually(written, seconds=SECONDS, what=f"{host} to take a write")

    def rows(self, host: str) -> set[object]:
        """Every row that the member of `host` has."""
        return {n for (n,) in self.sql(host, "SELECT n FROM proof.seen")}

    def queue_members(self, host: str) -> int:
        """How many members of the queue run, as one of them says."""
        text = self.on(host, "podman exec rabbitmq rabbitmqctl cluster_status --formatter json")
        return len(json.loads(text[text.index("{") :])["running_nodes"])

    def trust(self) -> ssl.SSLContext:
        """What a client of the clusters trusts."""
        return ssl.create_default_context(
            cadata=self.on("ctl-a", "cat /etc/cloudwright/mariadb/ca.pem")
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
    text = EXAMPLE.read_text().replace("10.66.", "10.67.").replace("two-sites", "clusters")
    # Instances are not what is tried here: their hosts' role goes to the controllers.
    head, _, rest = text.partition("  cmp-a:")
    text = head.replace("[control, network]", "[control, network, compute]")
    text += "networks:" + rest.partition("\nnetworks:")[2]
    (directory / "cloud.yaml").write_text(text)
    tool = Tool(directory)
    tool.run("doctor", "--fix")
    tool.run("images", "build", seconds=1800)
    remove_labs_in("10.67.0.")
    try:
        tool.run("lab", "up")
        tool.run("apply", "--yes", *CLUSTERS)
        yield Clusters(tool)
    finally:
        tool.run("lab", "down", "--data")


def test_each_cluster_is_one(clusters: Clusters) -> None:
    assert clusters.ready("ctl-a", "ctl-b") == ["ctl-a", "ctl-b"]
    size = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = "
    assert clusters.sql("ctl-a", size + "'wsrep_cluster_size'") == [("3",)]
    assert clusters.queue_members("witness") == 3
    status = "podman exec ovn-{0}-db ovs-appctl -t /run/ovn/ovn{0}_db.ctl cluster/status {1}"
    for kind, name in (("nb", "OVN_Northbound"), ("sb", "OVN_Southbound")):
        ids = set()
        for host in ("ctl-a", "ctl-b", "witness"):
            told = clusters.on(host, status.format(kind, name))
            ids.add(next(line for line in told.splitlines() if line.startswith("Cluster ID:")))
            assert "Status: cluster member" in told
            assert told.count("(ssl:") + told.count("at ssl:") >= 3
        assert len(ids) == 1


def test_nothing_is_left_to_do(clusters: Clusters) -> None:
    clusters.tool.run("plan", *CLUSTERS)


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


@pytest.mark.parametrize("port", sorted(MEMBERS))
def test_members_speak_tls_as_themselves(clusters: Clusters, port: int) -> None:
    for host in ("ctl-a", "ctl-b"):
        names = clusters.certificate(host, port)["subjectAltName"]
        assert ("DNS", f"{MEMBERS[port]}.{host}") in names


def test_nobody_is_let_in_without_tls(clusters: Clusters) -> None:
    with pytest.raises(OSError):
        socket.create_connection((ADDRESSES["ctl-a"], 5672), timeout=10)
    clusters.sql("ctl-a", "CREATE USER watched@'%' IDENTIFIED BY 'x' REQUIRE SSL")
    asked = {"host": ADDRESSES["ctl-a"], "user": "watched", "password": "x"}
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        pymysql.connect(**asked, ssl_disabled=True)
    trusted = clusters.trust()
    pymysql.connect(**asked, ssl=trusted).close()
    with pytest.raises(pymysql.OperationalError, match="certificate verify failed"):
        pymysql.connect(**asked, ssl=ssl.create_default_context())
    clusters.sql("ctl-a", "DROP USER watched@'%'")
    lists = "podman exec ovn-nb-db ovn-nbctl --timeout=5 --db={} {} ls-list"
    keys = "-p /etc/cloudwright/tls.key -c /etc/cloudwright/tls.crt -C /etc/cloudwright/ca.pem"
    remote = f"{ADDRESSES['ctl-a']}:6641"
    refused = lists.format(f"tcp:{remote}", "") + " 2>/dev/null || echo refused"
    assert clusters.on("witness", refused).endswith("refused\n")
    clusters.on("witness", lists.format(f"ssl:{remote}", f"--no-leader-only {keys}"))


def test_old_certificates_are_renewed_and_no_member_is_restarted(clusters: Clusters) -> None:
    running = (
        "podman ps --format '{{.Names}} {{.ID}}' | grep -E '^(mariadb|rabbitmq|ovn-[a-z-]*) '"
    )
    before = {host: clusters.on(host, running) for host in ADDRESSES}
    serials = clusters.serials()
    aged = clusters.age_certificates(days=600)
    assert aged > 10
    assert "it from" in clusters.tool.run("status", status=1)
    clusters.tool.run("apply", "--yes", *CLUSTERS)
    assert {host: clusters.on(host, running) for host in ADDRESSES} == before
    renewed = clusters.serials()
    assert all(renewed[place] != serial for place, serial in serials.items())
    assert clusters.ready("ctl-a", "ctl-b") == ["ctl-a", "ctl-b"]
    assert clusters.queue_members("witness") == 3
    clusters.tool.run("plan", *CLUSTERS)


def test_a_site_is_lost_and_returns_with_what_it_missed(clusters: Clusters) -> None:
    clusters.write("ctl-a", 1)
    clusters.tool.run("lab", "kill", "site:a")
    gap = eventually(lambda: clusters.ready("ctl-b"), seconds=SECONDS, what="the other site")
    clusters.write("ctl-b", 2)
    clusters.tool.run("lab", "boot", "site:a")
    back = eventually(lambda: clusters.ready("ctl-a"), seconds=SECONDS, what="the lost site")
    print(f"the other site took writes after {gap:.1f} s, the lost one again after {back:.1f} s")
    assert clusters.rows("ctl-a") >= {1, 2}
    assert clusters.rows("ctl-b") >= {1, 2}


def test_without_the_other_site_and_the_witness_nothing_is_written(clusters: Clusters) -> None:
    clusters.tool.run("lab", "kill", "site:a", "site:w")
    eventually(lambda: not clusters.ready("ctl-b"), seconds=SECONDS, what="the minority to stop")
    with pytest.raises(pymysql.OperationalError, match=REFUSED):
        clusters.write("ctl-b", 3)
    clusters.tool.run("lab", "boot", "site:a", "site:w")
    eventually(
        lambda: len(clusters.ready("ctl-a", "ctl-b")) == 2, seconds=SECONDS, what="both sites"
    )
    assert 3 not in clusters.rows("ctl-a") | clusters.rows("ctl-b")


def test_after_a_power_cut_everywhere_the_clusters_found_themselves(clusters: Clusters) -> None:
    """No operator: the member that knows most comes first, and what it acknowledged is there."""
    for number in range(10, 20):
        clusters.write("ctl-b" if number % 2 else "ctl-a", number)
    clusters.tool.run("lab", "kill", "site:a", "site:b", "site:w")
    clusters.tool.run("lab", "boot", "site:a")
    waits = "podman logs mariadb 2>&1 | grep -o 'waits: .*' | tail -1"
    eventually(
        lambda: "ctl-b must say what it holds" in clusters.on("ctl-a", waits, check=False),
        seconds=SECONDS,
        what="the first member back to wait for the other",
    )
    assert clusters.ready("ctl-a") == []
    clusters.tool.run("lab", "boot", "site:b", "site:w")
    whole = eventually(
        lambda: len(clusters.ready("ctl-a", "ctl-b")) == 2, seconds=SECONDS, what="the database"
    )
    queue = eventually(
        lambda: clusters.queue_members("witness") == 3, seconds=SECONDS, what="the queue"
    )
    print(f"database whole {whole:.1f} s after the last boot, the queue {queue:.1f} s later")
    assert clusters.rows("ctl-a") == clusters.rows("ctl-b") >= set(range(10, 20))
    eventually(
        lambda: not json.loads(_plan(clusters)).get("steps"), seconds=SECONDS, what="an empty plan"
    )


def _plan(clusters: Clusters) -> str:
    process = clusters.tool.start("plan", "--json", *CLUSTERS, stderr=subprocess.PIPE)
    return process.communicate(timeout=120)[0] or "{}"


@pytest.mark.parametrize(
    ("lost", "goes_on"), [(["site:a"], True), (["site:w"], True), (["site:a", "site:w"], False)]
)
def test_the_forecast_is_what_happens(clusters: Clusters, lost: list[str], goes_on: bool) -> None:
    """`what-if` says it from the file; the power is cut, and the database asked."""
    words = [word for name in lost for word in ("--lose", name)]
    told = json.loads(clusters.tool.run("what-if", "--json", *words, status=0 if goes_on else 10))
    assert told[0]["survives"] is goes_on
    clusters.tool.run("lab", "kill", *lost)
    try:
        if goes_on:
            eventually(lambda: clusters.ready("ctl-b"), seconds=SECONDS, what="the survivors")
            clusters.sql("ctl-b", "CREATE DATABASE IF NOT EXISTS forecast")
        else:
            eventually(lambda: not clusters.ready("ctl-b"), seconds=SECONDS, what="the stop")
    finally:
        clusters.tool.run("lab", "boot", *lost)
        eventually(
            lambda: len(clusters.ready("ctl-a", "ctl-b")) == 2, seconds=SECONDS, what="both sites"
        )


def test_without_a_witness_neither_of_two_halves_writes(clusters: Clusters) -> None:
    """Each has one vote of two; once the line is back they go on by themselves."""
    clusters.tool.run("lab", "kill", "site:w")
    eventually(
        lambda: len(clusters.ready("ctl-a", "ctl-b")) == 2, seconds=SECONDS, what="both sides"
    )
    clusters.tool.run("lab", "cut", "a", "b")
    try:
        eventually(
            lambda: not clusters.ready("ctl-a", "ctl-b"), seconds=SECONDS, what="both to stop"
        )
        for host in ("ctl-a", "ctl-b"):
            with pytest.raises(pymysql.OperationalError, match=REFUSED):
                clusters.write(host, 300)
    finally:
        clusters.tool.run("lab", "join", "a", "b")
        clusters.tool.run("lab", "boot", "site:w")
    eventually(
        lambda: len(clusters.ready("ctl-a", "ctl-b")) == 2, seconds=SECONDS, what="both again"
    )
    assert 300 not in clusters.rows("ctl-a") | clusters.rows("ctl-b")


def test_without_a_dead_member_the_other_goes_on_and_its_return_splits_nothing(
    clusters: Clusters,
) -> None:
    """A person's word founds the database from a minority; who was said to be dead comes back
    with changes that nobody else has, and throws them away instead of founding beside it."""
    old = _history(clusters, "ctl-a")
    clusters.write("ctl-a", 400)
    clusters.tool.run("lab", "kill", "site:a")
    eventually(lambda: clusters.ready("ctl-b"), seconds=SECONDS, what="the other site")
    clusters.write("ctl-b", 402)
    clusters.tool.run("lab", "kill", "site:b", "site:w")
    clusters.tool.run("lab", "boot", "site:a")
    waits = "podman logs mariadb 2>&1 | grep -o 'waits: .*' | tail -1"
    eventually(
        lambda: "ctl-b must say what it holds" in clusters.on("ctl-a", waits, check=False),
        seconds=SECONDS,
        what="the first member back to wait for the other",
    )
    words = ("recover", "--without", "ctl-b", "--wait", str(SECONDS))
    assert "nobody was told" in clusters.tool.run(*words, "--statement", "ctl-a is dead", status=2)
    assert clusters.ready("ctl-a") == []
    said = clusters.tool.run(*words, "--statement", "ctl-b is dead")
    assert "ctl-a knows most of those that answer" in said
    eventually(lambda: clusters.ready("ctl-a"), seconds=SECONDS, what="the survivor")
    clusters.write("ctl-a", 401)
    new = _history(clusters, "ctl-a")
    assert new != old
    clusters.tool.run("lab", "boot", "site:b", "site:w")
    eventually(
        lambda: len(clusters.ready("ctl-a", "ctl-b")) == 2, seconds=SECONDS, what="both sites"
    )
    assert _history(clusters, "ctl-b") == new
    assert clusters.rows("ctl-a") == clusters.rows("ctl-b") >= {400, 401}
    assert 402 not in clusters.rows("ctl-b")  # given up with the word that ctl-b is dead


def test_nobody_goes_without_a_member_that_lives(clusters: Clusters) -> None:
    words = ("recover", "--without", "ctl-b", "--statement", "ctl-b is dead")
    assert "part of a whole cluster" in clusters.tool.run(*words, status=3)


def _history(clusters: Clusters, host: str) -> object:
    asked = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = "
    return clusters.sql(host, asked + "'wsrep_cluster_state_uuid'")
